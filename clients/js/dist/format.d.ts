/** Times, names and statuses as people write them. */
import type { everywhere } from "./english.js";
import type { Counts } from "./protocol.gen.js";
import { type JobState } from "./state.js";
/** Milliseconds that something took. */
export declare const duration: (milliseconds: number) => string;
/** The time of what goes on still, in whole seconds. */
export declare const elapsed: (milliseconds: number) => string;
/** "weather_report" as people write it. */
export declare const readable: (name: string) => string;
/** What an instance at work is called: a pause or a cancellation shows before its tasks have ended. */
export declare const shownStatus: ({ status, paused, cancelled, undo }: JobState) => string | null;
/** The last name of a path: "#.split.rain" is "rain". */
export declare const nameOf: (path: string) => string;
/** What an instance is called: its name, or that of its workflow. */
export declare const titleOf: (state: JobState, words: Pick<typeof everywhere, "workflow">) => string;
/** The status of an instance in words; one that has no word keeps its name. "" while it is not known. */
export declare const statusText: (state: JobState, words: Pick<typeof everywhere, "instance">) => string;
/** The same of a task; `working`: whether there is a run that it could wait in. */
export declare const taskText: (words: Pick<typeof everywhere, "task" | "idle">, status?: string, working?: boolean) => string;
/** How many of them have ended. */
export declare const endedOf: (counts: Counts) => number;
