/**
 * What happened to an instance between two looks at it, each thing once.
 *
 * States, not messages, are compared: a tab that was hidden, a connection that was lost and a slow socket all skip
 * states, and none of them may lose or repeat a call. A run begins with nothing told; so who comes late, even after
 * the end, is told of the latest run what those heard who were there from the start (with `late` set).
 */
import { ENDED, type Failure, type JobState, type TaskStatus, type TaskView } from "@jobs-flow/client";

/** Something that happened. */
export type Happening = {
  /** The instance. */
  readonly id: string;
  /** Its state now. */
  readonly state: JobState;
  /** It had happened before the first look at this instance. */
  readonly late: boolean;
} & (
  | { readonly type: "taskStart"; readonly path: string; readonly task: TaskView }
  | { readonly type: "taskEnd"; readonly path: string; readonly task: TaskView }
  | { readonly type: "complete" }
  | { readonly type: "error"; readonly error: Failure }
);

/** What has been told of an instance. */
export interface Told {
  readonly run: number;
  /** Paths of the run whose start, and whose end, was told. */
  readonly started: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
  /** Whether the end of the run was told. */
  readonly over: boolean;
  /** The notice that was told last. */
  readonly notice: unknown;
  /** What was told that is wrong with the instance itself. */
  readonly refused: string;
}

/** Nothing yet. */
export const nothing: Told = {
  run: -1,
  started: new Set(),
  ended: new Set(),
  over: false,
  notice: null,
  refused: "",
};

const RAN: ReadonlySet<TaskStatus | undefined> = new Set(["running", "ok", "failed", "cancelled"]);

/** Of the run that is under way or was the latest; results of earlier runs may stand beside it. */
const ofRun = (view: TaskView, run: number) => view.run === undefined || view.run === null || view.run === run;

/** Whether it was at work: what was cancelled or timed out in the queue never was. */
const wasAtWork = (view: TaskView) => RAN.has(view.status) && (view.status === "running" || Boolean(view.executionTime));

type Timed = Happening & { at: number };

/** What there is to tell after a look at the instance, in the order in which it happened, and what is told then. */
export function happenings(told: Told, state: JobState): { told: Told; events: Happening[] } {
  const late = told === nothing;
  const events: Timed[] = [];
  const base = { id: state.id, state, late };

  if (state.status === null) {
    const refused = state.missing ? (state.problem?.code ?? "INSTANCE_NOT_FOUND") : "";
    if (!refused || refused === told.refused) return { told, events };
    const error = state.problem ?? { code: refused };
    return { told: { ...nothing, refused }, events: [{ ...base, type: "error", error }] };
  }
  const same = state.run === told.run;
  const started = new Set(same ? told.started : []);
  const ended = new Set(same ? told.ended : []);
  for (const path in state.statuses) {
    const view = state.statuses[path] as TaskView;
    if (state.run === 0 || !ofRun(view, state.run) || ended.has(path)) continue;
    if (wasAtWork(view) && !started.has(path)) {
      started.add(path);
      events.push({ ...base, type: "taskStart", path, task: view, at: view.executionTime ?? 0 });
    }
    if (!ENDED.has(view.status)) continue;
    ended.add(path);
    events.push({ ...base, type: "taskEnd", path, task: view, at: view.finishedAt ?? Infinity });
  }
  // Stable: a start stands before its end also when both are of one millisecond.
  events.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at));

  let { over, notice } = same ? told : { over: false, notice: told.notice };
  if (!over && state.status === "done") events.push({ ...base, type: "complete", at: 0 });
  if (!over && (state.status === "failed" || state.status === "cancelled")) {
    const error = state.error ?? { code: state.status === "failed" ? "EXECUTION_FAILED" : "CANCELLED" };
    events.push({ ...base, type: "error", error, at: 0 });
  }
  over ||= state.status === "done" || state.status === "failed" || state.status === "cancelled";

  // A start that was not possible, and a request that was refused, are of no run.
  const refused = state.status === "inactive" && state.error ? `${state.error.code} ${state.error.message}` : "";
  if (refused && refused !== told.refused) {
    events.push({ ...base, type: "error", error: state.error as Failure, at: 0 });
  }
  if (state.notice && state.notice !== notice) {
    // What came with the first look was somebody's mistake of long ago.
    if (!late) events.push({ ...base, type: "error", error: state.notice, at: 0 });
    notice = state.notice;
  }
  return {
    told: { run: state.run, started, ended, over, notice, refused },
    events: events.map(({ at: _, ...event }) => event as Happening),
  };
}
