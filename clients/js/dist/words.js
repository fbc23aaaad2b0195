/** All that is shown; a page may replace any of it before the first element appears. */
import { everywhere, tasksEnded } from "./english.js";
import { errors } from "./errors.js";
import { taskText } from "./format.js";
export const words = {
    ...everywhere,
    errors,
    tasks: tasksEnded,
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
/** What a task's status is called; `working`: whether there is a run that it could wait in. */
export const taskWord = (status, working = true) => taskText(words, status, working);
