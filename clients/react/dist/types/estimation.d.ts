/**
 * How far a job is, from how long its tasks usually take. Pure: times come in, a number between 0 and 1 goes out.
 *
 * A task that has run for as long as estimated counts as 95 % done and creeps on from there: an estimate that was too
 * short slows the bar down instead of stopping it. What runs in parallel counts as long as its longest branch.
 */
import type { JobState, TaskView } from "@jobs-flow/client";
/** Milliseconds by path. */
export type Estimations = Readonly<Record<string, number>>;
/** Between 0 and 1; what is no number is 0. */
export declare const within: (value: number) => number;
/** How far a task is that has run for `elapsed` of an estimated `estimate` milliseconds: never falls, never gets to 1. */
export declare const approach: (elapsed: number, estimate: number) => number;
/**
 * How far one task is at `now`, in the server's milliseconds; what it says of itself counts where that is more.
 * `over`: the run has ended without success, so that what was stopped stays where it was; else it is in nobody's way.
 */
export declare const taskProgress: (view: TaskView | undefined, estimate: number, now: number, over?: boolean) => number;
/** The estimate of each task: the one that is given, or for those without one the mean of those that are. */
export declare const estimateOf: (estimations: Estimations) => ((path: string) => number);
/** How far the job is at `now`: 1 when, and only when, it is done; 0 where there is nothing. */
export declare const jobProgress: (state: JobState, estimations: Estimations, now: number) => number;
/** What to show `elapsed` milliseconds after `shown` was, on the way to `target`. Never less than was shown. */
export declare const ease: (shown: number, target: number, elapsed: number) => number;
/** Whether more will be shown without any message: a task runs, or what is shown is behind. */
export declare const moves: (state: JobState, shown: number, target: number) => boolean;
