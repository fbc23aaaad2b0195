import { type JobState } from "./state.js";
/** What an instance is called. */
export declare const titleOf: (state: JobState, label: string | null) => string;
/** The status in words; a pause or a cancellation shows before its tasks have ended. "" while it is not known. */
export declare const statusText: (state: JobState) => string;
/** Whether there is anything to see beside the notice: what was seen before a sign-out is for nobody's eyes after it. */
export declare const isThere: (state: JobState, connection: string) => boolean;
/** What is wrong with the watch itself, and whether that is a warning. */
export declare const noticeOf: ({ status, missing, problem }: JobState, connection: string) => [text: string, warning: boolean];
/** What is said of a connection that is not there; "" where it is, or where the reader lacks nothing yet. */
export declare const connectionText: ({ status }: JobState, connection: string) => string;
/** How many tasks have ended, of how many; "" where there are none. */
export declare const tasksText: ({ progress, total }: JobState) => string;
/** That, and how many ended in an unusual way. */
export declare const numbersText: (state: JobState) => string;
/** How long it took, or has been going on at `now`. */
export declare const timeText: ({ startedAt, finishedAt, status }: JobState, now: number) => string;
/** Why the latest run failed, and where. Who may not see the message is told of which kind it is. */
export declare const failureText: ({ error }: JobState) => string;
/** For screen readers: each status, and progress by quarters. Text of one key is said once; that of "" is not. */
export declare const spoken: (state: JobState, title: string) => [key: string, text: string];
