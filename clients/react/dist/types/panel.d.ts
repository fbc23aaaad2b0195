import { type Command } from "@jobs-flow/client/shared";
import { type ReactNode } from "react";
import type { JobId, JobOptions } from "./store.js";
/** See `Panel`. */
export interface PanelProps extends JobOptions {
    jobId: JobId;
    /** Of the task; "#" is the whole. */
    path: string;
    /**
     * Whether there are buttons, or those of which commands: `true` for all. Left out: all but "destroy", which cannot be
     * taken back, and none for a reader with a ticket. Who may give them is the server's to say.
     */
    commands?: boolean | readonly Command[] | undefined;
}
/**
 * What is recorded of a task: status, times, result, error, argument, context, log; and what can be done with it: run
 * it, resume from it, cancel or reset it, edit its context updaters. Of the whole: run, resume, pause, cancel, undo,
 * reset, and destroy where `commands` says so.
 *
 * What the reader may not see the server does not send; what is refused is said where it was asked for.
 */
export declare function Panel({ jobId, path, ticket, commands, logs, fold }: PanelProps): ReactNode;
