/** Values as people read them. */
import type { JobState, TaskNode } from "@jobs-flow/client";
import type { Words } from "./words.js";
/** "weather_report" as people write it. */
export declare const readable: (name: string) => string;
/** The last name of a path: "#.split.rain" is "rain". */
export declare const nameOf: (path: string) => string;
/** Milliseconds as "340 ms", "4.2 s", "3 min 07 s", "2 h 05 min". */
export declare const duration: (milliseconds: number) => string;
/** What an instance is called: its name, or that of its workflow. */
export declare const titleOf: (state: JobState, words: Words) => string;
/** Its status in words; a pause or a cancellation shows before its tasks have ended. */
export declare const statusOf: (state: JobState, words: Words) => string;
/** The status of a task in words. */
export declare const taskStatusOf: (state: JobState, path: string, words: Words) => string;
/** How many tasks have ended. */
export declare const endedOf: (state: JobState) => number;
/** The tasks with all that are nested in them, each before its own. */
export declare function walk(tasks: readonly TaskNode[]): Generator<TaskNode>;
