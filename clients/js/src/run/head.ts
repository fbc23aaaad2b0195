/** The top of a run: what it is called, how it is, how far, for how long; and what is wrong with it. */

import { Bar } from "../draw/bar.js";
import { make, setText } from "../draw/dom.js";
import { setStatus } from "../draw/icons.js";
import { connectionText, failureText, isThere, noticeOf, numbersText, spoken, statusText, tasksText, timeText, titleOf } from "../summary.js";
import { words } from "../words.js";
import type { JobState } from "../state.js";
import type { Scene } from "./context.js";
import { runWords } from "./words.js";

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
  readonly #notice = make("div.notice.box", { role: "status", dir: "auto" });
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
    const lost = connectionText(state, connection);
    setText(this.#connection, lost);
    card.classList.toggle("stale", Boolean(lost) || (state.status === "working" && state.paused) || Boolean(state.problem));
    card.classList.toggle("loading", !state.status && there);

    this.#bar.set(state.progress, words.progressOf(title), tasksText(state));
    setText(this.#numbers, numbersText(state));
    setText(this.#run, state.run ? runWords.run(state.run) : "");
    setText(this.#error, there ? failureText(state) : "");
    const [notice, warning] = noticeOf(state, connection);
    setText(this.#notice, notice);
    this.#notice.classList.toggle("warning", warning);
    this.tick(scene);
    this.#say(title, state);
  }

  tick({ state, now }: Scene): void {
    setText(this.#time, timeText(state, now));
  }

  #say(title: string, state: JobState): void {
    const [key, text] = spoken(state, title);
    if (!key || key === this.#lastSaid) return;
    this.#lastSaid = key;
    this.said.textContent = text;
  }
}
