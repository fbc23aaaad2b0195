/** Values as people read them. */
import type { JobState, TaskNode } from "@jobs-flow/client";

import type { Words } from "./words.js";

/** "weather_report" as people write it. */
export const readable = (name: string): string => {
  const text = name.replace(/[_-]+/g, " ").trim();
  return text.slice(0, 1).toUpperCase() + text.slice(1);
};

/** The last name of a path: "#.split.rain" is "rain". */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1);

/** Milliseconds as "340 ms", "4.2 s", "3 min 07 s", "2 h 05 min". */
export const duration = (milliseconds: number): string => {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} min`;
};

/** What an instance is called: its name, or that of its workflow. */
export const titleOf = (state: JobState, words: Words): string =>
  state.name || readable(state.workflow) || words.workflow;

/** Its status in words; a pause or a cancellation shows before its tasks have ended. */
export const statusOf = (state: JobState, words: Words): string => {
  if (state.missing) return words.missing;
  if (!state.status) return words.loading;
  if (state.status !== "working") return words.instance[state.status];
  if (state.undo === "running") return words.instance.undoing;
  if (state.cancelled.includes("#")) return words.instance.cancelling;
  return words.instance[state.paused ? "paused" : "working"];
};

/** The status of a task in words. */
export const taskStatusOf = (state: JobState, path: string, words: Words): string => {
  const status = state.statuses[path]?.status ?? "inactive";
  return status === "inactive" && state.status !== "working" ? words.idle : words.task[status];
};

/** How many tasks have ended. */
export const endedOf = (state: JobState): number => {
  const { ok = 0, skipped = 0, failed = 0, cancelled = 0 } = state.counts;
  return ok + skipped + failed + cancelled;
};

/** The tasks with all that are nested in them, each before its own. */
export function* walk(tasks: readonly TaskNode[]): Generator<TaskNode> {
  for (const task of tasks) {
    yield task;
    yield* walk(task.children);
  }
}
