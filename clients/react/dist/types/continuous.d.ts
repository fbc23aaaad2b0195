import type { JobState } from "@jobs-flow/client";
import { type ReactNode } from "react";
import { type Estimations } from "./estimation.js";
import type { AnyJob, JobId, JobOptions } from "./store.js";
/** See `ContinuousProgression`. */
export interface ContinuousProgressionProps extends Pick<JobOptions, "ticket"> {
    jobId: JobId;
    /** How many milliseconds each task usually takes, by path: `{"#.load": 1200}`. Others count as their mean. */
    estimations?: Estimations | undefined;
    /** Milliseconds between two drawings, 40 if left out; 1000 for readers who want less motion. */
    interval?: number | undefined;
    label?: string | undefined;
    /** Draws it; a bar if left out. `progress` is 0 to 1. */
    children?: ((progress: number, state: JobState) => ReactNode) | undefined;
}
/**
 * A bar that moves all the time instead of from task to task: it approaches the end of each task as fast as that
 * usually comes, and is full when, and only when, the job is done. In a run it never goes back.
 */
export declare function ContinuousProgression(props: ContinuousProgressionProps): ReactNode;
/** The number behind `ContinuousProgression`, for a state that you have. Nothing is computed while the page is hidden. */
export declare function useContinuousProgress(state: AnyJob | null, estimations?: Estimations, interval?: number): number;
