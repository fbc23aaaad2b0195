import { type ReactNode } from "react";
import type { JobId, JobOptions } from "./store.js";
/** See `Panel`. */
export interface PanelProps extends JobOptions {
    jobId: JobId;
    /** Of the task; "#" is the whole. */
    path: string;
    /** Whether there are buttons; true if left out. Who may press them is the server's to say. */
    commands?: boolean | undefined;
}
/**
 * What is recorded of a task: status, times, result, error, argument, context, log; and what can be done with it: run
 * it, resume from it, edit its context updaters. Of the whole: run, resume, pause, cancel.
 *
 * What the reader may not see the server does not send; what is refused is said where it was asked for.
 */
export declare function Panel({ jobId, path, commands, ticket, logs, fold }: PanelProps): ReactNode;
