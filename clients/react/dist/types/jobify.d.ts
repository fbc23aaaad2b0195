import type { JobOf, WorkflowName } from "@jobs-flow/client";
import { type ReactNode } from "react";
import { type Trouble } from "./outcome.js";
import type { JobId, JobOptions } from "./store.js";
/** See `Jobify`. */
export interface JobifyProps<W extends WorkflowName | undefined = undefined> extends JobOptions {
    /** The job; null or undefined while there is none. */
    jobId: JobId;
    /** What is shown while the job is at work; `<Progress>` if left out. */
    progression?: ReactNode | ((state: JobOf<W>) => ReactNode);
    /** Your view or form: shown while there is no job, and again once it is done. It then gets the job's state. */
    component: ReactNode | ((state: JobOf<W> | null) => ReactNode);
    /** What is shown below the progression when the job has failed; null: nothing. `back` leads to the component. */
    failure?: ReactNode | ((error: Trouble, back: () => void, state: JobOf<W>) => ReactNode);
    /** Called once when a run is done, or is found to be. */
    onDone?: ((state: JobOf<W>) => void) | undefined;
    /** Called once when a run has failed, or is found to have. */
    onFailed?: ((error: Trouble, state: JobOf<W>) => void) | undefined;
    /** Called when the reader leaves a failed job. */
    onBack?: (() => void) | undefined;
    /** Keep showing the progression of a job that is done: for so many milliseconds after its end, or (true) for good. */
    keep?: boolean | number | undefined;
}
/**
 * Swaps a view for the progression of a job: nothing else on your page has to know of jobs.
 *
 * Without a job it shows `component`, with one `progression`, and `component` again when the job is done. A job that
 * fails, is cancelled or cannot be watched keeps its progression, with the error below it and a button that leads
 * back; a new run of the same job, or another job, shows the progression again. It adds no element of its own.
 */
export declare function Jobify<W extends WorkflowName | undefined = undefined>(props: JobifyProps<W>): ReactNode;
