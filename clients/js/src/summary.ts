/** What the head of every element says of an instance, in words. Pure. */
import { duration, elapsed, nameOf, shownStatus, statusText as textOf, titleOf as nameOfInstance } from "./format.js";
import { ROOT, type JobState } from "./state.js";
import { words } from "./words.js";

/** What an instance is called. */
export const titleOf = (state: JobState, label: string | null): string =>
  label || nameOfInstance(state, words);

/** The status in words; a pause or a cancellation shows before its tasks have ended. "" while it is not known. */
export const statusText = (state: JobState): string => textOf(state, words);

/** Whether there is anything to see beside the notice: what was seen before a sign-out is for nobody's eyes after it. */
export const isThere = (state: JobState, connection: string): boolean =>
  connection !== "denied" && !state.missing && state.status !== "deleted";

/** What is wrong with the watch itself, and whether that is a warning. */
export const noticeOf = ({ status, missing, problem }: JobState, connection: string): [text: string, warning: boolean] => {
  if (connection === "denied") return [words.signIn, false];
  if (missing) return [words.missing, false];
  if (status === "deleted") return [words.deleted, false];
  return problem ? [words.problem(problem.message), true] : ["", false];
};

/** What is said of a connection that is not there; "" where it is, or where the reader lacks nothing yet. */
export const connectionText = ({ status }: JobState, connection: string): string => {
  const lost = status ? connection === "reconnecting" : connection !== "open";
  return lost ? (words.connection[connection] ?? "") : "";
};

/** How many tasks have ended, of how many; "" where there are none. */
export const tasksText = ({ progress, total }: JobState): string => (total ? words.tasks(Math.round(progress * total), total) : "");

/** That, and how many ended in an unusual way. */
export const numbersText = (state: JobState): string => {
  const unusual = (["failed", "skipped", "cancelled"] as const).filter((each) => state.counts[each]);
  return [tasksText(state), ...unusual.map((each) => words.count(each, state.counts[each] ?? 0))].filter(Boolean).join(" · ");
};

/** How long it took, or has been going on at `now`. */
export const timeText = ({ startedAt, finishedAt, status }: JobState, now: number): string => {
  if (startedAt && finishedAt) return duration(finishedAt - startedAt);
  return startedAt && status === "working" ? elapsed(now - startedAt) : "";
};

/** Why the latest run failed, and where. Who may not see the message is told of which kind it is. */
export const failureText = ({ error }: JobState): string => {
  if (!error) return "";
  const text = String(error.message || error.type || error.code || "");
  const at = error.path && error.path !== ROOT ? error.path : null;
  return at ? `${words.failed(nameOf(at))}: ${text}` : text;
};

/** For screen readers: each status, and progress by quarters. Text of one key is said once; that of "" is not. */
export const spoken = (state: JobState, title: string): [key: string, text: string] => {
  if (!state.status) return ["", ""];
  const working = state.status === "working";
  const key = `${state.run} ${shownStatus(state)} ${working ? Math.floor(state.progress * 4) : 4}`;
  const parts = [statusText(state)];
  if (working && state.progress > 0) parts.push(tasksText(state));
  return [key, `${title}: ${parts.join(", ")}`];
};
