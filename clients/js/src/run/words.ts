/** All that <jobs-flow-run> shows beside `words`; it is `words.run`, and a page may replace any of it. */

import { ofPanels, plural } from "../english.js";

export const runWords = {
  ...ofPanels,
  /** The two views. */
  tree: "Tree",
  timeline: "Timeline",
  view: "View",
  run: (run: number): string => `Run ${run}`,
  neverRun: "Not run yet",
  /** Rows of a tree that move the window of a wide block. */
  earlier: (count: number): string => `Show ${plural(count, "task", "tasks")} before`,
  later: (count: number): string => `Show ${plural(count, "task", "tasks")} after`,
  window: (from: number, to: number, total: number): string => `${from} to ${to} of ${total}`,
  goTo: "Go to number",
  go: "Go",
  /** What a row of the timeline says to those who cannot see its bars. */
  ran: (after: string, took: string): string => `began after ${after}, ran for ${took}`,
  waited: (took: string): string => `waited ${took}`,
  attemptNumber: (attempt: number): string => `attempt ${attempt}`,
  ofRun: (run: number): string => `from run ${run}`,
  nothingYet: "Nothing has run yet.",
  now: "now",

  modes: "What is to run again",
  mode: {
    failed: "What failed, was cancelled or has not run",
    failed_and_downstream: "That, and all that comes after it",
    all: "Everything",
  } as Record<string, string>,
  previewing: "Finding out what would run…",

  /** The panel. */
  overview: "This run",
  choose: "Choose a task to see what it gave, its log and its attempts.",
  backToTasks: "All tasks",
  showTask: "Show the task",
  facts: {
    ...ofPanels.facts,
    status: "Status",
    path: "Path",
    workflow: "Workflow",
    run: "Run",
    ended: "Ended",
    queued: "Queued",
    waited: "Waited",
    losses: "Lost workers",
    retryAt: "Tries again",
    worker: "Worker",
    undo: "Undo",
    size: "Size of the result",
    below: "Below it",
  } as Record<string, string>,
  undo: {
    wanted: "Asked for",
    queued: "Queued",
    running: "Running",
    done: "Done",
    ok: "Done",
    failed: "Failed",
  } as Record<string, string>,
  attempts: "Earlier attempts",
  undoError: "Error while undoing",
  nothing: "none",
  hidden: "Results, arguments, errors and logs are not shown to you.",
  loadingTask: "Loading…",
  reload: "Load again",
  bytes: (bytes: number): string =>
    bytes < 1024 ? `${bytes} B` : bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`,
  copy: "Copy",
  copied: "Copied",
  more: (count: number): string => `Show ${count} more`,
  items: (count: number): string => plural(count, "item", "items"),
  members: (count: number): string => plural(count, "member", "members"),
  noLines: "No lines yet.",
  follow: "Follow",
  linesGone: (count: number): string => `The first ${plural(count, "line is", "lines are")} no longer kept.`,
  refused: (message: string): string => `Refused: ${message}`,
};

export type RunWords = typeof runWords;
