/** What more than one way of showing an instance says, in English: each text stands here, once. */
import type { Offer, Reason } from "./run/commands.js";

/** "1 task", "2 tasks". */
export const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

/** Said wherever an instance is shown. */
export const everywhere = {
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
  workflow: "Workflow",
  loading: "Loading…",
  signIn: "Sign in to see this progress.",
  missing: "There is no such workflow, or you may not see it.",
  deleted: "This workflow has been removed.",
  problem: (message: string): string => `No news for now: ${message}`,
  failed: (name: string): string => `${name} failed`,
};

/** How many tasks have ended; under another name in each list of words. */
export const tasksEnded = (ended: number, total: number): string => `${ended} of ${plural(total, "task", "tasks")}`;

/** Said wherever single tasks are shown and commands are given. */
export const ofPanels = {
  tasks: "Tasks",
  commandsOf: "Commands",
  commandsOfTask: (name: string): string => `Commands of ${name}`,
  /** Labels of buttons; those with dots ask first. */
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
    clean: "There is nothing to reset.",
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
  /** What is said once a command was given. */
  done: {
    run: "Started.",
    resume: "Resumed.",
    pause: "Paused.",
    unpause: "No longer paused.",
    cancel: "Cancelled.",
    undo: "It is being undone.",
    reset: "Reset.",
    destroy: "Destroyed.",
    task: "Started.",
    update: "Saved.",
  } as Record<string, string>,
  nothingChanged: "There was nothing to do.",
  withUndo: "Undo what is finished, too",
  giveArgument: "With an argument",
  argumentHelp: "JSON. Left empty, it gets what comes before it.",
  preview: (count: number): string => `${plural(count, "task", "tasks")} will run:`,
  previewMore: (count: number): string => `… and ${count} more`,
  notJson: (message: string): string => `This is not JSON: ${message}`,
  facts: { started: "Started", took: "Took", attempt: "Attempt", stale: "Out of date" } as Record<string, string>,
  stale: (path: string): string => `${path} was executed after it`,
  error: "Error",
  traceback: "Traceback",
  result: "Result",
  argument: "Argument",
  context: "Context",
  updaters: "Context updaters",
  updatersHelp: "A JSON list of updaters; later tasks see the context that they give.",
  save: "Save",
  discard: "Discard",
  notList: "Updaters are a list of objects.",
  log: "Log",
  earlierLines: (count: number): string => `Load ${count} earlier ${count === 1 ? "line" : "lines"}`,
  omitted: "Too large to be shown here.",
};

/** What is said once a command was given. */
export const doneText = (
  { done, nothingChanged }: Pick<typeof ofPanels, "done" | "nothingChanged">,
  { command, label }: Pick<Offer, "command" | "label">,
  changed: boolean,
): string => (changed ? (done[label] ?? done[command] ?? "") : nothingChanged);
