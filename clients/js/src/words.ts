/** All that is shown; a page may replace any of it before the first element appears. */
import { everywhere, tasksEnded } from "./english.js";
import { errors } from "./errors.js";
import { taskText } from "./format.js";

export const words = {
  ...everywhere,
  errors,
  tasks: tasksEnded,
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

/** What a task's status is called; `working`: whether there is a run that it could wait in. */
export const taskWord = (status: string | undefined, working = true): string => taskText(words, status, working);
