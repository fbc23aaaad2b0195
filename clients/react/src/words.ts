import type { InstanceStatus, TaskStatus } from "@jobs-flow/client";

/** Every text that the components show. Replace some with `<JobsProvider words={…}>`. */
export interface Words {
  /** What a task is called that is … */
  task: Readonly<Record<TaskStatus, string>>;
  /** A task that waits for nothing, because there is no run. */
  idle: string;
  /** What an instance is called that is … */
  instance: Readonly<Record<InstanceStatus | "paused" | "cancelling" | "undoing", string>>;
  workflow: string;
  loading: string;
  reconnecting: string;
  signIn: string;
  missing: string;
  problem: (message: string) => string;
  ended: (ended: number, total: number) => string;
  failed: (name: string) => string;
  cancelled: string;
  back: string;
  log: string;
  tasks: string;
  page: (from: number, to: number, total: number) => string;
  run: string;
  runAll: string;
  resume: string;
  resumeHere: string;
  wouldRun: (count: number) => string;
  nothingToRun: string;
  confirm: string;
  never: string;
  cancel: string;
  pause: string;
  unpause: string;
  attempt: string;
  started: string;
  took: string;
  result: string;
  error: string;
  traceback: string;
  argument: string;
  context: string;
  updaters: string;
  save: string;
  revert: string;
  giveArgument: string;
  argumentHelp: string;
  updatersHelp: string;
  notJson: (reason: string) => string;
  notList: string;
  omitted: string;
  cut: string;
  nothing: string;
  earlier: (count: number) => string;
  noLines: string;
  stale: (path: string) => string;
}

/** The words of a page that says nothing else. */
export const english: Words = {
  task: {
    inactive: "Waiting",
    queued: "Queued",
    running: "Running",
    ok: "Done",
    skipped: "Skipped",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  idle: "Not run",
  instance: {
    inactive: "Not started",
    working: "Running",
    paused: "Paused",
    cancelling: "Cancelling",
    undoing: "Undoing",
    done: "Done",
    failed: "Failed",
    cancelled: "Cancelled",
    deleted: "Deleted",
  },
  workflow: "Workflow",
  loading: "Loading…",
  reconnecting: "Reconnecting…",
  signIn: "Sign in to see this progress.",
  missing: "There is no such workflow, or you may not see it.",
  problem: (message) => `No news for now: ${message}`,
  ended: (ended, total) => `${ended} of ${total} ${total === 1 ? "task" : "tasks"}`,
  failed: (name) => `${name} failed`,
  cancelled: "It was cancelled.",
  back: "Back",
  log: "Log",
  tasks: "Tasks",
  page: (from, to, total) => `Show ${from} to ${to} of ${total}`,
  run: "Run",
  runAll: "Run all",
  resume: "Resume",
  resumeHere: "Resume from here",
  wouldRun: (count) => (count === 1 ? "This task would run:" : `These ${count} tasks would run:`),
  nothingToRun: "There is nothing to run.",
  confirm: "Do it",
  never: "Never mind",
  cancel: "Cancel the run",
  pause: "Pause",
  unpause: "Go on",
  attempt: "Attempt",
  started: "Started",
  took: "Took",
  result: "Result",
  error: "Error",
  traceback: "Traceback",
  argument: "Argument",
  context: "Context",
  updaters: "Context updaters",
  save: "Save",
  revert: "Revert",
  giveArgument: "Run with an argument",
  argumentHelp: "JSON. Left empty: what the task before it handed on.",
  updatersHelp: 'A JSON list, such as [{"seen": {"$push": [3]}}].',
  notJson: (reason) => `This is not JSON: ${reason}`,
  notList: "Updaters are a list of objects.",
  omitted: "Too large to be shown here.",
  cut: "Only the beginning is shown.",
  nothing: "Not recorded, or not for you to see.",
  earlier: (count) => `Show ${count} earlier ${count === 1 ? "line" : "lines"}`,
  noLines: "It has logged nothing.",
  stale: (path) => `Stale: ${path} was executed after it.`,
};
