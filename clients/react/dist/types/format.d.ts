/** Values as people read them. */
import type { Connection, JobState, TaskNode } from "@jobs-flow/client";
import type { Words } from "./words.js";
/** The status of an instance in words, and where there is none, why. */
export declare const statusOf: (state: JobState, words: Words) => string;
/** Why nothing is learned of it now; "" where all is well, or where the status says it already. */
export declare const troubleOf: (state: JobState, connection: Connection, words: Words) => string;
/** The status of a task in words. */
export declare const taskStatusOf: (state: JobState, path: string, words: Words) => string;
/** The tasks with all that are nested in them, each before its own. */
export declare function walk(tasks: readonly TaskNode[]): Generator<TaskNode>;
