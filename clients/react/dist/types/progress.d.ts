import { type ReactNode } from "react";
import type { AnyJob, JobId, JobOptions } from "./store.js";
interface Looks {
    /** Shown above the bar; the instance's name if left out. */
    label?: string | undefined;
    /** How many of the last log lines are shown, 6 if left out; 0: none. */
    lines?: number | undefined;
    /** Whether the error of a run that has failed is shown; true if left out. */
    error?: boolean | undefined;
}
/** See `Progress`: a state that you have, or an id to watch. */
export type ProgressProps = Looks & ({
    state: AnyJob;
    jobId?: never;
} | ({
    jobId: JobId;
    state?: never;
} & Pick<JobOptions, "ticket" | "logs" | "fold">));
/** The progress of a job: its name and status, a bar, how many tasks have ended, what runs, the last log lines. */
export declare function Progress(props: ProgressProps): ReactNode;
export {};
