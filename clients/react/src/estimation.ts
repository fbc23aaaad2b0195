/**
 * How far a job is, from how long its tasks usually take. Pure: times come in, a number between 0 and 1 goes out.
 *
 * A task that has run for as long as estimated counts as 95 % done and creeps on from there: an estimate that was too
 * short slows the bar down instead of stopping it. What runs in parallel counts as long as its longest branch.
 */
import type { JobState, TaskNode, TaskView } from "@jobs-flow/client";

/** Milliseconds by path. */
export type Estimations = Readonly<Record<string, number>>;

/** 1 - e^-3 is 95 %. */
const STEEPNESS = 3;
/** What an unfinished task may count as at most: only its end says that it has ended. */
const UNFINISHED = 0.999;
/** Milliseconds of a task nobody has estimated, where nobody has estimated any. */
const UNKNOWN = 1000;
const PASSED: ReadonlySet<string | undefined> = new Set(["ok", "skipped"]);
const STOPPED: ReadonlySet<string | null | undefined> = new Set(["failed", "cancelled"]);

/** Between 0 and 1; what is no number is 0. */
export const within = (value: number): number => (value > 0 ? Math.min(value, 1) : 0);

/** How far a task is that has run for `elapsed` of an estimated `estimate` milliseconds: never falls, never gets to 1. */
export const approach = (elapsed: number, estimate: number): number => {
  if (!(elapsed > 0)) return 0;
  if (!(estimate > 0)) return UNFINISHED;
  const share = elapsed / estimate;
  return Number.isNaN(share) ? 0 : Math.min(UNFINISHED, 1 - Math.exp(-STEEPNESS * share));
};

/**
 * How far one task is at `now`, in the server's milliseconds; what it says of itself counts where that is more.
 * `over`: the run has ended without success, so that what was stopped stays where it was; else it is in nobody's way.
 */
export const taskProgress = (view: TaskView | undefined, estimate: number, now: number, over = false): number => {
  const stopped = STOPPED.has(view?.status);
  if (PASSED.has(view?.status) || (stopped && !over)) return 1;
  if (!view || !(stopped || view.status === "running")) return 0;
  const elapsed = stopped ? (view.duration ?? 0) : view.executionTime ? now - view.executionTime : 0;
  return Math.min(UNFINISHED, Math.max(approach(elapsed, estimate), within(view.progress ?? 0)));
};

/** The estimate of each task: the one that is given, or for those without one the mean of those that are. */
export const estimateOf = (estimations: Estimations): ((path: string) => number) => {
  const given = Object.values(estimations).filter((each) => Number.isFinite(each) && each > 0);
  const mean = given.length ? given.reduce((sum, each) => sum + each, 0) / given.length : UNKNOWN;
  return (path) => {
    const own = Object.hasOwn(estimations, path) ? estimations[path] : undefined;
    return own !== undefined && Number.isFinite(own) && own >= 0 ? own : mean;
  };
};

/** How far the job is at `now`: 1 when, and only when, it is done; 0 where there is nothing. */
export const jobProgress = (state: JobState, estimations: Estimations, now: number): number => {
  if (state.status === "done") return 1;
  const over = STOPPED.has(state.status);
  const estimate = estimateOf(estimations);
  const measure = (tasks: readonly TaskNode[], together: boolean): [total: number, remaining: number] => {
    let total = 0;
    let remaining = 0;
    for (const { path, children } of tasks) {
      const own = estimate(path);
      const below = measure(children, true);
      const all = own + below[0];
      const left = own * (1 - taskProgress(state.statuses[path], own, now, over)) + below[1];
      total = together ? Math.max(total, all) : total + all;
      remaining = together ? Math.max(remaining, left) : remaining + left;
    }
    return [total, remaining];
  };
  const [total, remaining] = measure(state.tasks, false);
  return total > 0 ? Math.min(UNFINISHED, within(1 - remaining / total)) : 0;
};

/** Milliseconds after which two thirds of a jump are shown. */
const EASE = 180;
/** Nearer than this is there. */
const NEAR = 0.001;

/** What to show `elapsed` milliseconds after `shown` was, on the way to `target`. Never less than was shown. */
export const ease = (shown: number, target: number, elapsed: number): number => {
  if (!(target > shown)) return shown;
  const next = target - (target - shown) * Math.exp(-Math.max(0, elapsed) / EASE);
  return target - next < NEAR ? target : Math.max(shown, next);
};

/** Whether more will be shown without any message: a task runs, or what is shown is behind. */
export const moves = (state: JobState, shown: number, target: number): boolean =>
  target > shown || (state.status === "working" && (state.counts.running ?? 0) > 0);
