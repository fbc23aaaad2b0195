import type { JobsFlowClient, JobState, TaskView } from "@jobs-flow/client";
import { useEffect, useMemo, useRef, type ReactNode } from "react";

import { happenings, nothing, type Happening, type Told } from "./happenings.js";
import { useJobs } from "./hooks.js";
import { usePage } from "./provider.js";
import type { JobId, JobOptions } from "./store.js";

/** What the children of `Progression` get. */
export interface ProgressionContext {
  /** The connection: `socket.executeAll(id)`, `socket.connection`. */
  readonly socket: JobsFlowClient;
  readonly workflows: Readonly<
    Record<
      string,
      {
        /** The whole state: id, status, name, tasks, error, … */
        readonly workflow: JobState;
        readonly tasksStatuses: Readonly<Record<string, TaskView>>;
        /** Share of the tasks that have ended, 0 to 1; 0 where there is none. */
        readonly progression: number;
      }
    >
  >;
}

type Of<T extends Happening["type"]> = Extract<Happening, { type: T }>;

/** See `Progression`. */
export interface ProgressionProps extends Omit<JobOptions, "fold"> {
  ids: readonly JobId[];
  /** A run has failed or was cancelled, could not be started, or the instance may not be watched. */
  onError?: ((event: Of<"error">) => void) | undefined;
  /** A run is done. */
  onComplete?: ((event: Of<"complete">) => void) | undefined;
  /** A task has begun: once a run, however often it is tried. */
  onTaskStart?: ((event: Of<"taskStart">) => void) | undefined;
  /** A task has ended: `event.task.status` says how. One that was skipped has no start. */
  onTaskEnd?: ((event: Of<"taskEnd">) => void) | undefined;
  children?: ((context: ProgressionContext) => ReactNode) | undefined;
}

/**
 * Several instances for a function of yours to draw, and calls for what happens to them.
 *
 * Each call is made exactly once for each thing that happens in a run, whatever the connection does, in the order of
 * the server's times as far as they are known together. Who mounts it late gets the calls of the latest run too, with
 * `event.late` set: a job that ended before the page was ready is not missed. Earlier runs are not told.
 */
export function Progression({ ids, children, ticket, logs, ...calls }: ProgressionProps): ReactNode {
  const page = usePage();
  const states = useJobs(ids, { ticket, logs });

  const told = useRef<Map<string, Told>>(null as unknown as Map<string, Told>);
  told.current ??= new Map();
  useEffect(() => {
    for (const id in states) {
      const next = happenings(told.current.get(id) ?? nothing, states[id] as JobState);
      // Remembered before the calls: one that throws, or renders at once, leads to no second one.
      told.current.set(id, next.told);
      for (const event of next.events) tell(calls, event);
    }
  });

  const workflows = useMemo(() => {
    const found: Record<string, ProgressionContext["workflows"][string]> = {};
    for (const id in states) {
      const workflow = states[id] as JobState;
      found[id] = { workflow, tasksStatuses: workflow.statuses, progression: workflow.progress };
    }
    return found;
  }, [states]);
  return children?.({ socket: page.client, workflows });
}

type Calls = Pick<ProgressionProps, "onError" | "onComplete" | "onTaskStart" | "onTaskEnd">;

const tell = (calls: Calls, event: Happening): void => {
  try {
    if (event.type === "taskStart") calls.onTaskStart?.(event);
    else if (event.type === "taskEnd") calls.onTaskEnd?.(event);
    else if (event.type === "complete") calls.onComplete?.(event);
    else calls.onError?.(event);
  } catch (error) {
    // The others are told all the same.
    reportError(error);
  }
};
