/** Values as people read them. */
import { type Connection, type JobState, type TaskNode } from "@jobs-flow/client";
import type { Words } from "./words.js";
/** The last name of a path: "#.split.rain" is "rain". */
export declare const nameOf: (path: string) => string;
/** What an instance is called: its name, or that of its workflow. */
export declare const titleOf: (state: JobState, words: Words) => string;
/** Its status in words; a pause or a cancellation shows before its tasks have ended. */
export declare const statusOf: (state: JobState, words: Words) => string;
/** Why nothing is learned of it now; "" where all is well, or where the status says it already. */
export declare const troubleOf: (state: JobState, connection: Connection, words: Words) => string;
/** The status of a task in words. */
export declare const taskStatusOf: (state: JobState, path: string, words: Words) => string;
/** How many tasks have ended. */
export declare const endedOf: (state: JobState) => number;
/** The tasks with all that are nested in them, each before its own. */
export declare function walk(tasks: readonly TaskNode[]): Generator<TaskNode>;
