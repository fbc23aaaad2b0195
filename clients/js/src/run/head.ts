/** The top of a run: what it is called, how it is, how far, for how long; and what is wrong with it. */

import { Bar } from "../draw/bar.js";
import { make, setText } from "../draw/dom.js";
import { setStatus } from "../draw/icons.js";
import { duration, elapsed, readable, shownStatus } from "../format.js";
import { instanceWord, words } from "../words.js";
import type { JobState } from "../state.js";
import type { Scene } from "./context.js";
import { nameOf } from "./model.js";
import { runWords } from "./words.js";

/** What an instance is called. */
export const titleOf = (state: JobState, label: string | null): string =>
  label || state.name || readable(state.workflow) || words.workflow;

/** The status in words; a pause or a cancellation shows before its tasks have ended. */
export const statusText = (state: JobState): string => {
  const shown = shownStatus(state);
  return shown === null ? "" : instanceWord(shown);
};

const noticeOf = ({ status, missing, problem }: JobState, connection: string): [text: string, warning: boolean] => {
  if (connection === "denied") return [words.signIn, false];
  if (missing) return [words.missing, false];
  if (status === "deleted") return [words.deleted, false];
  return problem ? [words.problem(problem.message), true] : ["", false];
};

/** Whether there is anything to see beside the notice. */
export const isThere = (state: JobState, connection: string): boolean =>
  connection !== "denied" && !state.missing && state.status !== "deleted";

export class Head {
  readonly element: HTMLElement;
  /** For screen readers: each status, and progress by quarters. */
  readonly said = make("div.said", { role: "status", "aria-live": "polite" });
  readonly #title: HTMLElement;
  readonly #icon = make("span.icon");
  readonly #status = make("span.badge-text");
  readonly #badge = make("span.badge", {}, this.#icon, this.#status);
  readonly #connection = make("span.connection");
  readonly #bar = new Bar("div.bar");
  readonly #run = make("span.run-number");
  readonly #numbers = make("span.numbers");
  readonly #time = make("span.time");
  readonly #summary = make("div.summary", {}, this.#run, this.#numbers, this.#time);
  readonly #error = make("div.error.box", { dir: "auto" });
  readonly #notice = make("div.notice.box", { dir: "auto" });
  #lastSaid = "";

  /** `id`: of the heading, that others name it as their label. */
  constructor(id: string) {
    this.#title = make("bdi.heading", { id, role: "heading", "aria-level": "2" });
    const line = make("div.header", { part: "header" }, this.#title, this.#connection, this.#badge);
    this.element = make("div.head", {}, line, this.#bar.element, this.#summary, this.#error, this.#notice);
  }

  update(scene: Scene, card: HTMLElement, label: string | null): void {
    const { state, connection } = scene;
    const there = isThere(state, connection);
    const title = titleOf(state, label);
    setText(this.#title, title);
    setStatus(card, this.#icon, state.status ?? "inactive");
    setText(this.#status, statusText(state) || words.loading);
    this.#badge.hidden = this.#bar.element.hidden = this.#summary.hidden = !there;
    const lost = state.status ? connection === "reconnecting" : connection !== "open";
    setText(this.#connection, lost ? (words.connection[connection] ?? "") : "");
    card.classList.toggle("stale", lost || (state.status === "working" && state.paused) || Boolean(state.problem));
    card.classList.toggle("loading", !state.status && there);

    const ended = Math.round(state.progress * state.total);
    const tasks = state.total ? words.tasks(ended, state.total) : "";
    this.#bar.set(state.progress, words.progressOf(title), tasks);
    const unusual = (["failed", "skipped", "cancelled"] as const).filter((each) => state.counts[each]);
    setText(this.#numbers, [tasks, ...unusual.map((each) => words.count(each, state.counts[each]!))].filter(Boolean).join(" · "));
    setText(this.#run, state.run ? runWords.run(state.run) : "");
    setText(this.#error, there && state.error ? this.#failure(state) : "");
    const [notice, warning] = noticeOf(state, connection);
    setText(this.#notice, notice);
    this.#notice.classList.toggle("warning", warning);
    this.tick(scene);
    this.#say(title, state, ended);
  }

  tick({ state, now }: Scene): void {
    const { startedAt, finishedAt } = state;
    let text = "";
    if (startedAt && finishedAt) text = duration(finishedAt - startedAt);
    else if (startedAt && state.status === "working") text = elapsed(now - startedAt);
    setText(this.#time, text);
  }

  #failure({ error }: JobState): string {
    const text = String(error?.message || error?.type || error?.code || "");
    return error?.path ? `${words.failed(nameOf(error.path))}: ${text}` : text;
  }

  #say(title: string, state: JobState, ended: number): void {
    if (!state.status) return;
    const quarter = state.status === "working" ? Math.floor(state.progress * 4) : 4;
    const key = `${state.run} ${shownStatus(state)} ${quarter}`;
    if (key === this.#lastSaid) return;
    this.#lastSaid = key;
    const parts = [statusText(state)];
    if (state.status === "working" && ended) parts.push(words.tasks(ended, state.total));
    this.said.textContent = `${title}: ${parts.join(", ")}`;
  }
}
