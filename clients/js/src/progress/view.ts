import { Bar } from "../draw/bar.js";
import { make, setText } from "../draw/dom.js";
import { setStatus } from "../draw/icons.js";
import { duration, elapsed, readable, shownStatus } from "../format.js";
import { ROOT, type JobState } from "../state.js";
import { instanceWord, words } from "../words.js";
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
  readonly #error = make("div.error.box", { role: "alert" });
  readonly #notice = make("div.notice.box");
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
    this.card = make(
      "section.card",
      { "aria-labelledby": "title", part: "card" },
      make("div.header", { part: "header" }, this.#title, this.#connection, this.#badge),
      this.#bar.element,
      make("div.summary", {}, this.#numbers, this.#time, this.#toggle),
      this.#error,
      this.#notice,
      this.#again,
      this.#tree,
    );
    root.append(this.#said, this.card, this.content);
  }

  /** Show the state. */
  update(state: JobState, given: Given): void {
    const { connection, label, result, now } = given;
    const title = label || state.name || readable(state.workflow) || words.workflow;
    setText(this.#title, title);
    this.#showStatus(state, connection);

    const denied = connection === "denied";
    this.card.classList.toggle("loading", !state.status && !state.missing && !denied);
    this.#bar.element.hidden = state.missing || denied;
    const ended = Math.round(state.progress * state.total);
    const tasks = state.total ? words.tasks(ended, state.total) : "";
    this.#bar.set(state.progress, words.progressOf(title), tasks);
    const unusual = (["failed", "skipped", "cancelled"] as const).filter((each) => state.counts[each]);
    const numbers = [tasks, ...unusual.map((each) => words.count(each, state.counts[each] ?? 0))];
    setText(this.#numbers, numbers.join(" · "));

    setText(this.#error, state.status === "failed" || state.error ? failure(state) : "");
    const [notice, tone] = noticeOf(state, connection, result);
    setText(this.#notice, notice);
    this.#notice.classList.toggle("warning", tone === "warning");
    this.#again.hidden = result !== "failed";
    this.#drawTree(state, now);
    this.tick(state, now);
    this.#say(title, state, ended);
  }

  /** What changes by the clock alone. */
  tick(state: JobState, now: number): void {
    const { startedAt, finishedAt } = state;
    let text = "";
    if (startedAt && finishedAt) text = duration(finishedAt - startedAt);
    else if (startedAt && state.status === "working") text = elapsed(now - startedAt);
    setText(this.#time, text);
    this.#tasks?.tick(now);
  }

  #showStatus(state: JobState, connection: string): void {
    setStatus(this.card, this.#icon, state.status ?? "inactive");
    const shown = shownStatus(state);
    setText(this.#status, shown ? instanceWord(shown) : state.missing ? "" : words.loading);
    this.#badge.hidden = state.missing || connection === "denied";
    const lost = state.status ? connection === "reconnecting" : connection !== "open";
    setText(this.#connection, lost ? (words.connection[connection] ?? "") : "");
    const still = state.status === "working" && state.paused;
    this.card.classList.toggle("stale", lost || still || Boolean(state.problem));
  }

  #drawTree(state: JobState, now: number): void {
    const { tasks, window } = state;
    if (!tasks.length) {
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

  /** For screen readers: each status, and progress by quarters. */
  #say(title: string, state: JobState, ended: number): void {
    const shown = shownStatus(state);
    if (!shown) return;
    const quarter = state.status === "working" ? Math.floor(state.progress * 4) : 4;
    const said = `${state.run} ${shown} ${quarter}`;
    if (said === this.#lastSaid) return;
    this.#lastSaid = said;
    const parts = [instanceWord(shown)];
    if (state.status === "working" && ended) parts.push(words.tasks(ended, state.total));
    this.#said.textContent = `${title}: ${parts.join(", ")}`;
  }
}

const failure = ({ error }: JobState): string => {
  if (!error) return "";
  const name = error.path?.split(".").at(-1);
  const text = error.message ?? error.code ?? "";
  return name ? `${words.failed(name)}: ${text}` : String(text);
};

const noticeOf = (state: JobState, connection: string, result: ResultState): [text: string, tone?: "warning"] => {
  if (connection === "denied") return [words.signIn];
  if (state.missing) return [words.missing];
  if (state.status === "deleted") return [words.deleted];
  if (state.problem) return [words.problem(state.problem.message), "warning"];
  if (result === "loading") return [words.resultLoading];
  if (result === "failed") return [words.resultFailed, "warning"];
  return state.notice ? [state.notice.message, "warning"] : [""];
};
