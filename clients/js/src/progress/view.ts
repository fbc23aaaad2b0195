import { Bar } from "../draw/bar.js";
import { make, setText } from "../draw/dom.js";
import { setStatus } from "../draw/icons.js";
import { ROOT, type JobState } from "../state.js";
import { connectionText, failureText, isThere, noticeOf, numbersText, spoken, statusText, tasksText, timeText, titleOf } from "../summary.js";
import { words } from "../words.js";
import { Tasks, type Host } from "./tasks.js";

/** null: no result is wanted yet. */
export type ResultState = "loading" | "failed" | "shown" | null;

/** What the element knows beside the state. */
export interface Given {
  /** Milliseconds since 1970 by the server's clock. */
  now: number;
  connection: string;
  label: string | null;
  result: ResultState;
  /** Why the reader did not get to see other children of a block; "" where nobody was refused. */
  refused: string;
}

/** What the view asks of the element. */
export interface Owner extends Host {
  reload(): void;
}

/** Everything inside one <jobs-flow-progress>. */
export class View {
  readonly card: HTMLElement;
  readonly content = make("slot");
  /** The tasks are shown on demand. */
  foldable = false;
  folded = false;
  readonly #owner: Owner;
  readonly #icon = make("span.icon");
  readonly #title = make("span.heading", { id: "title" });
  readonly #status = make("span.badge-text");
  readonly #badge = make("span.badge", {}, this.#icon, this.#status);
  readonly #connection = make("span.connection");
  readonly #bar = new Bar("div.bar");
  readonly #numbers = make("span.numbers");
  readonly #time = make("span.time");
  readonly #summary: HTMLElement;
  readonly #error = make("div.error.box", { role: "alert" });
  readonly #notice = make("div.notice.box", { role: "status" });
  readonly #again = make("button.link", { type: "button" }, words.again);
  readonly #tree = make("div.tree");
  readonly #toggle = make("button.link.fold", { type: "button" });
  readonly #said = make("div.said", { role: "status", "aria-live": "polite" });
  #tasks: Tasks | null = null;
  #lastSaid = "";

  constructor(root: ShadowRoot, owner: Owner) {
    this.#owner = owner;
    this.#again.hidden = true;
    this.#again.addEventListener("click", () => owner.reload());
    this.#toggle.addEventListener("click", () => {
      this.folded = !this.folded;
      owner.redraw();
    });
    this.#summary = make("div.summary", {}, this.#numbers, this.#time, this.#toggle);
    this.card = make(
      "section.card",
      { "aria-labelledby": "title", part: "card" },
      make("div.header", { part: "header" }, this.#title, this.#connection, this.#badge),
      this.#bar.element,
      this.#summary,
      this.#error,
      this.#notice,
      this.#again,
      this.#tree,
    );
    root.append(this.#said, this.card, this.content);
  }

  /** Show the state. */
  update(state: JobState, given: Given): void {
    const { connection, label, result, refused, now } = given;
    const there = isThere(state, connection);
    const title = titleOf(state, label);
    setText(this.#title, title);
    this.#showStatus(state, connection);

    this.card.classList.toggle("loading", !state.status && there);
    this.#bar.element.hidden = this.#summary.hidden = !there;
    this.#bar.set(state.progress, words.progressOf(title), tasksText(state));
    setText(this.#numbers, numbersText(state));

    setText(this.#error, there ? failureText(state) : "");
    const [notice, warning] = saidOf(state, connection, result, refused);
    setText(this.#notice, notice);
    this.#notice.classList.toggle("warning", warning);
    this.#again.hidden = result !== "failed";
    this.#drawTree(state, there, now);
    this.tick(state, now);
    this.#say(title, state);
  }

  /** What changes by the clock alone. */
  tick(state: JobState, now: number): void {
    setText(this.#time, timeText(state, now));
    this.#tasks?.tick(now);
  }

  #showStatus(state: JobState, connection: string): void {
    setStatus(this.card, this.#icon, state.status ?? "inactive");
    setText(this.#status, statusText(state) || words.loading);
    this.#badge.hidden = state.missing || connection === "denied";
    const lost = connectionText(state, connection);
    setText(this.#connection, lost);
    const still = state.status === "working" && state.paused;
    this.card.classList.toggle("stale", Boolean(lost) || still || Boolean(state.problem));
  }

  #drawTree(state: JobState, there: boolean, now: number): void {
    const { tasks, window } = state;
    if (!tasks.length || !there) {
      this.#tasks = null;
      this.#tree.replaceChildren();
    } else {
      const block = { path: ROOT, name: "", children: tasks, total: window?.total, from: window?.from };
      if (!this.#tasks) {
        // What is drawn of a task is kept by its path: a new run leaves open what the reader opened.
        this.#tasks = new Tasks(block, this.#owner, true);
        this.#tree.replaceChildren(this.#tasks.element);
      }
      this.#tasks.update(block, state, now);
    }
    this.#tree.hidden = this.folded || !this.#tasks;
    setText(this.#toggle, this.foldable && this.#tasks ? (this.folded ? words.showTasks : words.hideTasks) : "");
    this.#toggle.setAttribute("aria-expanded", String(!this.folded));
  }

  #say(title: string, state: JobState): void {
    const [key, text] = spoken(state, title);
    if (!key || key === this.#lastSaid) return;
    this.#lastSaid = key;
    this.#said.textContent = text;
  }
}

const saidOf = (state: JobState, connection: string, result: ResultState, refused: string): [text: string, warning: boolean] => {
  const wrong = noticeOf(state, connection);
  if (wrong[0]) return wrong;
  if (result === "loading") return [words.resultLoading, false];
  if (result === "failed") return [words.resultFailed, true];
  return [refused || (state.notice?.message ?? ""), true];
};
