/** What has become of an instance, for those who wait for it. */
import type { Connection, Failure, JobState } from "@jobs-flow/client";
import type { Words } from "./words.js";
/** Why there is nothing more to wait for, and no result. `message` is absent for readers who may not see it. */
export type Trouble = Failure;
/** null while it goes on, or nothing is known. */
export type Outcome = {
    readonly done: true;
} | {
    readonly done: false;
    readonly error: Trouble;
} | null;
/**
 * "done", or failed with a reason: the failure of the run, a cancellation, a start that was not possible, an
 * instance that does not exist or may not be seen. A lost connection is none of these: it comes back.
 */
export declare function outcomeOf(state: JobState, connection: Connection, words: Words): Outcome;
/** Text that differs from outcome to outcome of an instance, so that each is told once. */
export declare const markOf: (state: JobState, outcome: Outcome) => string;
