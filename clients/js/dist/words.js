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
    connection: { connecting: "Connecting…", reconnecting: "Reconnecting…" },
    errors,
    workflow: "Workflow",
    loading: "Loading…",
    signIn: "Sign in to see this progress.",
    missing: "There is no such workflow, or you may not see it.",
    deleted: "This workflow has been removed.",
    problem: (message) => `No news for now: ${message}`,
    failed: (name) => `${name} failed`,
    tasks: (ended, total) => `${ended} of ${total} ${total === 1 ? "task" : "tasks"}`,
    subtasks: (total) => `${total} subtasks`,
    part: (ended, total) => `${ended} of ${total}`,
    showTasks: "Show tasks",
    hideTasks: "Hide tasks",
    more: (count) => `Show ${count} more`,
    /** Of a block that comes in parts. */
    range: (first, last, total) => `${first}–${last} of ${total}`,
    next: (count) => `Next ${count}`,
    previous: (count) => `Previous ${count}`,
    allLines: (count) => `Show all ${count} lines`,
    lastLines: "Show fewer lines",
    earlier: (count) => `… ${count} earlier ${count === 1 ? "line" : "lines"}`,
    log: (name) => `Log of ${name}`,
    progressOf: (name) => `Progress of ${name}`,
    resultLoading: "Loading the result…",
    resultFailed: "The result could not be loaded.",
    again: "Try again",
    count: (status, count) => `${count} ${taskWord(status).toLowerCase()}`,
};
/** What a task's status is called; one that is not known keeps its name. */
export const taskWord = (status) => words.task[status] ?? status;
/** What an instance's status is called. */
export const instanceWord = (status) => words.instance[status] ?? status;
