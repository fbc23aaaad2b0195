/** Short facts of a task or of a run, as a list of names and values. */

import { make } from "../draw/dom.js";
import { duration, elapsed } from "../format.js";
import { words } from "../words.js";
import type { JobState } from "../state.js";
import type { TaskDetails, TaskView } from "../protocol.gen.js";
import { countsBelow, findTask, widthOf } from "./model.js";
import { runWords } from "./words.js";

/** A value; `time` where it is one, in milliseconds since 1970. */
export interface Fact {
  name: string;
  text: string;
  time?: number;
}

const fact = (name: string, text: string | number | null | undefined): Fact[] =>
  text === null || text === undefined || text === "" ? [] : [{ name, text: String(text) }];

/** A moment as the reader's own clock says it; without the day where that is today. */
export const momentText = (time: number, now: number): string => {
  const date = new Date(time);
  const today = date.toDateString() === new Date(now).toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleString();
};

const moment = (name: string, time: number | null | undefined, now: number): Fact[] =>
  typeof time === "number" ? [{ name, text: momentText(time, now), time }] : [];

const took = (from: number | null | undefined, to: number | null | undefined, going: boolean, now: number): string => {
  if (typeof from !== "number") return "";
  if (typeof to === "number" && !going) return duration(to - from);
  return going ? elapsed(now - from) : "";
};

/** Of the run as a whole. */
export const runFacts = (state: JobState, now: number): Fact[] => [
  ...fact("workflow", state.workflow),
  ...fact("run", state.run || runWords.neverRun),
  ...moment("started", state.startedAt, now),
  ...moment("ended", state.finishedAt, now),
  ...fact("took", took(state.startedAt, state.finishedAt, state.status === "working", now)),
  ...fact("undo", state.undo && (runWords.undo[state.undo] ?? state.undo)),
];

/** Of a task; `details` where they are known. */
export const taskFacts = (state: JobState, path: string, details: TaskDetails | null, now: number): Fact[] => {
  const view: TaskView = state.statuses[path] ?? (details?.task as TaskView | undefined) ?? {};
  const running = view.status === "running";
  const waited = (view.executionTime ?? NaN) - (view.queuedAt ?? NaN);
  const node = findTask(state.tasks, path);
  const below = node && widthOf(node) ? countsBelow(state, node) : {};
  const listed = Object.keys(words.task)
    .filter((status) => below[status])
    .map((status) => words.count(status, below[status]!));
  return [
    ...fact("run", view.run && view.run !== state.run ? runWords.ofRun(view.run) : null),
    ...moment("queued", view.queuedAt, now),
    ...moment("started", view.executionTime, now),
    ...moment("ended", view.finishedAt, now),
    ...fact("waited", waited >= 1000 ? duration(waited) : null),
    ...fact("took", running ? took(view.executionTime, null, true, now) : view.duration != null ? duration(view.duration) : null),
    ...fact("attempt", (view.attempt ?? 0) > 1 ? view.attempt : null),
    ...fact("losses", view.losses || null),
    ...moment("retryAt", view.retryAt, now),
    ...fact("worker", details?.task.worker),
    ...fact("size", view.bodySize && view.bodySize > 1024 ? runWords.bytes(view.bodySize) : null),
    ...fact("stale", details?.task.stale ? runWords.stale(details.task.stale) : null),
    ...fact("undo", view.undo && (runWords.undo[view.undo] ?? view.undo)),
    ...fact("below", listed.join(", ")),
  ];
};

/** The list, drawn anew only where a value changed. */
export class FactList {
  readonly element = make("dl.facts");
  #names = "";

  set(facts: readonly Fact[]): void {
    const names = facts.map(({ name }) => name).join();
    if (names !== this.#names) {
      this.#names = names;
      this.element.replaceChildren(
        ...facts.map(({ name }) =>
          make("div", {}, make("dt", {}, runWords.facts[name] ?? name), make("dd", {}, make("bdi"))),
        ),
      );
    }
    facts.forEach(({ text, time }, index) => {
      const value = this.element.children[index]!.lastElementChild!.firstElementChild as HTMLElement;
      if (value.textContent !== text) value.textContent = text;
      if (time !== undefined) value.title = new Date(time).toISOString();
      else value.removeAttribute("title");
    });
    this.element.hidden = !facts.length;
  }
}
