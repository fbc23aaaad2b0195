/** Values as people read them. */
import type { Connection, JobState, TaskNode } from "@jobs-flow/client";
import { statusText, taskText } from "@jobs-flow/client/shared";

import type { Words } from "./words.js";

/** The status of an instance in words, and where there is none, why. */
export const statusOf = (state: JobState, words: Words): string =>
  state.missing ? words.missing : statusText(state, words) || words.loading;

/** Why nothing is learned of it now; "" where all is well, or where the status says it already. */
export const troubleOf = (state: JobState, connection: Connection, words: Words): string => {
  if (connection === "denied") return words.signIn;
  return state.problem && !state.missing ? words.problem(state.problem.message) : "";
};

/** The status of a task in words. */
export const taskStatusOf = (state: JobState, path: string, words: Words): string =>
  taskText(words, state.statuses[path]?.status, state.status === "working");

/** The tasks with all that are nested in them, each before its own. */
export function* walk(tasks: readonly TaskNode[]): Generator<TaskNode> {
  for (const task of tasks) {
    yield task;
    yield* walk(task.children);
  }
}
