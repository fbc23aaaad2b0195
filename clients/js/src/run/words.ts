/** All that <jobs-flow-run> shows beside `words`; it is `words.run`, and a page may replace any of it. */

import type { Command, Reason } from "./commands.js";

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

export const runWords = {
  tasks: "Tasks",
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

  commandsOf: "Commands",
  commandsOfTask: (name: string): string => `Commands of ${name}`,
  /** Labels of buttons. */
  commands: {
    run: "Run all",
    resume: "Resume…",
    pause: "Pause",
    unpause: "Unpause",
    cancel: "Cancel…",
    undo: "Undo…",
    reset: "Reset…",
    destroy: "Destroy…",
    task: "Run this task",
    from: "Resume from here…",
    stop: "Cancel this task…",
    resetTask: "Reset this task…",
    update: "Edit",
  } as Record<string, string>,
  /** Why a button cannot be used now. */
  reasons: {
    unknown: "Nothing is known of this run yet.",
    offline: "There is no connection.",
    working: "It is running.",
    undoing: "It is being undone.",
    idle: "It is not running.",
    over: "It is not running, and there is nothing to undo.",
    passed: "Every task has passed.",
    never: "It has not run yet.",
    cancelling: "It is being cancelled.",
    notOk: "Only a task that is done has updaters to change.",
    hidden: "They are not shown to you.",
  } as Record<Reason, string>,
  /** Headings and texts of what is asked before a command is given, and the button that gives it. */
  confirm: {
    run: ["Run all tasks?", "A new run of every task, from the first on.", "Run all"],
    resume: ["Resume?", "A new run of the tasks below. The results of all others stay as they are.", "Resume"],
    from: ["Resume from here?", "A new run from this task on. What passed before it stays as it is.", "Resume"],
    pause: ["Pause?", "Running tasks go on to their end; no further one starts.", "Pause"],
    unpause: ["Go on?", "Tasks start again.", "Unpause"],
    cancel: ["Cancel the run?", "Queued tasks will not start. Running ones are asked to stop.", "Cancel the run"],
    stop: ["Cancel this task?", "It and the tasks below it are asked to stop. Queued ones will not start.", "Cancel the task"],
    undo: ["Undo what was done?", "The undo functions of finished tasks are called, the latest first.", "Undo"],
    reset: ["Reset all tasks?", "They are as before the first run. What they gave stays as an earlier attempt.", "Reset"],
    resetTask: [
      "Reset this task?",
      "It and the tasks below it are as before the first run. What they gave stays as an earlier attempt.",
      "Reset",
    ],
    destroy: [
      "Destroy this workflow?",
      "It is removed with all its records, results and logs. This cannot be undone.",
      "Destroy",
    ],
    task: ["Run this task?", "What ran before it is used, not run again.", "Run"],
  } as Record<string, [title: string, text: string, button: string]>,
  back: "Back",
  sending: "Asking…",
  done: {
    run: "Started.",
    resume: "Resumed.",
    pause: "Paused.",
    unpause: "No longer paused.",
    cancel: "Cancelled.",
    reset: "Reset.",
    destroy: "Destroyed.",
    task: "Started.",
    update: "Saved.",
  } as Record<string, string>,
  nothingChanged: "There was nothing to do.",
  withUndo: "Undo what is finished, too",
  giveArgument: "With an argument",
  argumentHelp: "JSON. Left empty, it gets what comes before it.",
  modes: "What is to run again",
  mode: {
    failed: "What failed, was cancelled or has not run",
    failed_and_downstream: "That, and all that comes after it",
    all: "Everything",
  } as Record<string, string>,
  previewing: "Finding out what would run…",
  preview: (count: number): string => `${plural(count, "task", "tasks")} will run:`,
  previewMore: (count: number): string => `… and ${count} more`,
  notJson: (message: string): string => `This is not JSON: ${message}`,

  /** The panel. */
  overview: "This run",
  choose: "Choose a task to see what it gave, its log and its attempts.",
  backToTasks: "All tasks",
  showTask: "Show the task",
  facts: {
    status: "Status",
    path: "Path",
    workflow: "Workflow",
    run: "Run",
    started: "Started",
    ended: "Ended",
    took: "Took",
    queued: "Queued",
    waited: "Waited",
    attempt: "Attempt",
    losses: "Lost workers",
    retryAt: "Tries again",
    worker: "Worker",
    stale: "Out of date",
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
  stale: (path: string): string => `${path} was executed after it`,
  error: "Error",
  traceback: "Traceback",
  result: "Result",
  argument: "Argument",
  context: "Context",
  updaters: "Context updaters",
  attempts: "Earlier attempts",
  undoError: "Error while undoing",
  log: "Log",
  nothing: "none",
  hidden: "Results, arguments, errors and logs are not shown to you.",
  omitted: "Too large to be shown here.",
  loadingTask: "Loading…",
  reload: "Load again",
  bytes: (bytes: number): string =>
    bytes < 1024 ? `${bytes} B` : bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`,
  copy: "Copy",
  copied: "Copied",
  more: (count: number): string => `Show ${count} more`,
  items: (count: number): string => plural(count, "item", "items"),
  members: (count: number): string => plural(count, "member", "members"),
  updatersHelp: "A JSON list of updaters; later tasks see the context that they give.",
  save: "Save",
  discard: "Discard",
  notList: "Updaters are a list of objects.",
  noLines: "No lines yet.",
  follow: "Follow",
  earlierLines: (count: number): string => `Load ${count} earlier ${count === 1 ? "line" : "lines"}`,
  linesGone: (count: number): string => `The first ${plural(count, "line is", "lines are")} no longer kept.`,
  refused: (message: string): string => `Refused: ${message}`,
};

export type RunWords = typeof runWords;

/** What a command is called on its button. */
export const labelOf = (words: RunWords, label: string): string => words.commands[label] ?? label;

/** What is said once a command was done. */
export const doneText = (words: RunWords, command: Command, changed: boolean): string =>
  changed ? (words.done[command] ?? "") : words.nothingChanged;
