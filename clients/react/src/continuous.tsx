import type { JobState } from "@jobs-flow/client";
import { titleOf } from "@jobs-flow/client/shared";
import { useEffect, useRef, useState, type ReactNode } from "react";

import { Bar } from "./bar.js";
import { ease, jobProgress, moves, type Estimations } from "./estimation.js";
import { statusOf } from "./format.js";
import { useJob } from "./hooks.js";
import { usePage } from "./provider.js";
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

const none: Estimations = {};

/**
 * A bar that moves all the time instead of from task to task: it approaches the end of each task as fast as that
 * usually comes, and is full when, and only when, the job is done. In a run it never goes back.
 */
export function ContinuousProgression(props: ContinuousProgressionProps): ReactNode {
  const { jobId, estimations = none, interval = 40, label, children, ticket } = props;
  const { words } = usePage();
  const state = useJob(jobId, { ticket, logs: false });
  const progress = useContinuousProgress(state, estimations, interval);
  if (!state) return null;
  if (children) return children(progress, state);
  const known = state.status !== null && !state.missing;
  const title = label ?? titleOf(state, words);
  return <Bar value={known ? progress : null} color={state.color} label={title} text={statusOf(state, words)} />;
}

/** The number behind `ContinuousProgression`, for a state that you have. Nothing is computed while the page is hidden. */
export function useContinuousProgress(
  state: AnyJob | null,
  estimations: Estimations = none,
  interval: number = 40,
): number {
  const { client } = usePage();
  const [shown, setShown] = useState(0);
  // What the frames read: the effect below is not set up anew for each message.
  const latest = useRef({ state: state as JobState | null, estimations });
  const run = useRef("");
  const wake = useRef(() => {});

  useEffect(() => {
    latest.current = { state: state as JobState | null, estimations };
    wake.current();
  });

  useEffect(() => {
    let frame = 0;
    let drawn = 0;
    let value = 0;
    const still = matchMediaSafely("(prefers-reduced-motion: reduce)");

    const draw = (time: number) => {
      frame = 0;
      const { state, estimations } = latest.current;
      if (!state || state.status === null) return;
      const target = jobProgress(state, estimations, Date.now() + client.clockOffset);
      const own = `${state.run} ${state.id}`;
      if (run.current !== own) {
        // Who comes late sees at once how far it is; a new run begins where it begins.
        run.current = own;
        value = target;
      } else if (time - drawn >= (still ? Math.max(interval, 1000) : interval)) {
        value = still ? Math.max(value, target) : ease(value, target, time - drawn);
      } else {
        frame = requestAnimationFrame(draw);
        return;
      }
      drawn = time;
      setShown(value);
      if (moves(state, value, target)) frame = requestAnimationFrame(draw);
    };
    // Browsers call no frames of a hidden page; when it is shown again, the next one catches up.
    wake.current = () => {
      frame ||= requestAnimationFrame(draw);
    };
    run.current = "";
    wake.current();
    return () => {
      cancelAnimationFrame(frame);
      wake.current = () => {};
    };
  }, [client, interval]);

  return shown;
}

const matchMediaSafely = (query: string): boolean =>
  typeof matchMedia === "function" && matchMedia(query).matches;
