/** Values as people read them. */
import { readable, shownStatus, type Connection, type InstanceStatus, type JobState, type TaskNode } from "@jobs-flow/client";

import type { Words } from "./words.js";

/** The last name of a path: "#.split.rain" is "rain". */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1);

/** What an instance is called: its name, or that of its workflow. */
export const titleOf = (state: JobState, words: Words): string =>
  state.name || readable(state.workflow) || words.workflow;

/** Its status in words; a pause or a cancellation shows before its tasks have ended. */
export const statusOf = (state: JobState, words: Words): string => {
  if (state.missing) return words.missing;
  const shown = shownStatus(state) as InstanceStatus | null;
  return shown ? words.instance[shown] : words.loading;
};

/** Why nothing is learned of it now; "" where all is well, or where the status says it already. */
export const troubleOf = (state: JobState, connection: Connection, words: Words): string => {
  if (connection === "denied") return words.signIn;
  return state.problem && !state.missing ? words.problem(state.problem.message) : "";
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
