/** All that is shown; a page may replace any of it before the first element appears. */
import { errors } from "./errors.js";

export const words = {
  task: {
    inactive: "Waiting",
    queued: "Queued",
    running: "Running",
    ok: "Done",
    skipped: "Skipped",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  /** A task that waits for nothing, because there is no run. */
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
  connection: { connecting: "Connecting…", reconnecting: "Reconnecting…" } as Record<string, string>,
  errors,
  workflow: "Workflow",
  loading: "Loading…",
  signIn: "Sign in to see this progress.",
  missing: "There is no such workflow, or you may not see it.",
  deleted: "This workflow has been removed.",
  problem: (message: string) => `No news for now: ${message}`,
  failed: (name: string) => `${name} failed`,
  tasks: (ended: number, total: number) => `${ended} of ${total} ${total === 1 ? "task" : "tasks"}`,
  subtasks: (total: number) => `${total} subtasks`,
  part: (ended: number, total: number) => `${ended} of ${total}`,
  showTasks: "Show tasks",
  hideTasks: "Hide tasks",
  more: (count: number) => `Show ${count} more`,
  /** Of a block that comes in parts. */
  range: (first: number, last: number, total: number) => `${first}–${last} of ${total}`,
  next: (count: number) => `Next ${count}`,
  previous: (count: number) => `Previous ${count}`,
  allLines: (count: number) => `Show all ${count} lines`,
  lastLines: "Show fewer lines",
  earlier: (count: number) => `… ${count} earlier ${count === 1 ? "line" : "lines"}`,
  log: (name: string) => `Log of ${name}`,
  progressOf: (name: string) => `Progress of ${name}`,
  resultLoading: "Loading the result…",
  resultFailed: "The result could not be loaded.",
  again: "Try again",
  count: (status: string, count: number): string => `${count} ${taskWord(status).toLowerCase()}`,
};

/** What a task's status is called; one that is not known keeps its name. */
export const taskWord = (status: string): string => words.task[status as keyof typeof words.task] ?? status;

/** What an instance's status is called. */
export const instanceWord = (status: string): string => words.instance[status as keyof typeof words.instance] ?? status;
