/** The log of the selected task: what comes live, and what came before it, on request. */

import type { TaskLogs } from "../protocol.gen.js";
import { make, setText } from "../draw/dom.js";
import { runWords } from "./words.js";

/** Lines known of a task; `from` is the index of the first. */
export interface Lines {
  from: number;
  lines: readonly string[];
}

/** Lines asked for at a time. */
const PAGE = 200;
/** Lines kept in the page of one task. */
const KEPT = 5_000;

/** Earlier lines and live ones in one; live ones win where both have a line, or where there is a gap between them. */
export const joined = (earlier: Lines | undefined, live: Lines | undefined): Lines => {
  if (!live) return earlier ?? { from: 0, lines: [] };
  if (!earlier || earlier.from >= live.from) return live;
  if (earlier.from + earlier.lines.length < live.from) return live;
  return { from: earlier.from, lines: [...earlier.lines.slice(0, live.from - earlier.from), ...live.lines] };
};

export type FetchLines = (path: string, from: number | null, limit: number) => Promise<TaskLogs>;

/** The lines, a switch to follow them, and a button for those before. */
export class LogView {
  readonly element: HTMLElement;
  readonly #fetch: FetchLines;
  readonly #list = make("ol");
  /** Scrolls, so it has to be reachable by keyboard. Not live: it would be read without end. */
  readonly #box: HTMLElement;
  readonly #earlierButton = make("button.link", { type: "button" });
  readonly #follow = make("button.button.small", { type: "button", "aria-pressed": "true" }, runWords.follow);
  readonly #note = make("p.quiet");
  #path = "";
  #following = true;
  #busy = false;
  #growing = false;
  #earlier = new Map<string, Lines>();
  #drawn: Lines = { from: 0, lines: [] };
  #live: Lines | undefined;

  constructor(fetch: FetchLines) {
    this.#fetch = fetch;
    const attributes = { role: "log", "aria-live": "off", "aria-label": runWords.log, tabindex: "0" };
    this.#box = make("div.run-lines", attributes, this.#list);
    this.#earlierButton.addEventListener("click", () => void this.#loadEarlier());
    this.#follow.addEventListener("click", () => this.#setFollowing(!this.#following));
    this.#box.addEventListener("scroll", () => {
      // Who scrolls back wants to read; who scrolls to the end, to follow.
      if (this.#box.clientHeight) this.#setFollowing(this.#atEnd, false);
    });
    // It may come into view later than its lines.
    new ResizeObserver(() => this.#following && this.#setFollowing(true)).observe(this.#box);
    const head = make("div.log-head", {}, this.#earlierButton, this.#follow);
    this.element = make("div.run-log", {}, head, this.#box, this.#note);
  }

  /** Another instance: what was loaded is not of it. */
  clear(): void {
    this.#earlier.clear();
  }

  /** `count`: lines that the log has; `growing`: whether more may come, which can be followed. */
  update(path: string, live: Lines | undefined, count: number, growing: boolean): void {
    this.#growing = growing;
    const other = path !== this.#path;
    if (other) {
      this.#path = path;
      this.#setFollowing(true, false);
    }
    const known = this.#earlier.get(path);
    // A new run begins a log anew.
    if (known && live && known.from + known.lines.length < live.from) this.#earlier.delete(path);
    if (known && live && live.from === 0) this.#earlier.delete(path);
    this.#live = live;
    this.#draw(other);
    if (!live && count > 0 && !known && !this.#busy) void this.#loadLast();
  }

  get #atEnd(): boolean {
    return this.#box.scrollTop + this.#box.clientHeight >= this.#box.scrollHeight - 8;
  }

  #setFollowing(following: boolean, scroll = true): void {
    if (following !== this.#following) {
      this.#following = following;
      this.#follow.setAttribute("aria-pressed", String(following));
    }
    if (following && scroll) this.#box.scrollTop = this.#box.scrollHeight;
  }

  #draw(whole: boolean): void {
    const before = this.#drawn;
    const now = joined(this.#earlier.get(this.#path), this.#live);
    this.#drawn = now;
    const grown =
      !whole &&
      now.from === before.from &&
      now.lines.length >= before.lines.length &&
      before.lines.every((line, index) => line === now.lines[index]);
    const item = (line: string) => make("li", { dir: "auto" }, line);
    if (grown) {
      this.#list.append(...now.lines.slice(before.lines.length).map(item));
    } else {
      const below = this.#box.scrollHeight - this.#box.scrollTop;
      this.#list.replaceChildren(...now.lines.map(item));
      // What was read stays where it is when lines come before it.
      if (!this.#following) this.#box.scrollTop = this.#box.scrollHeight - below;
    }
    if (this.#following) this.#box.scrollTop = this.#box.scrollHeight;
    const more = now.from > 0 && now.lines.length < KEPT;
    setText(this.#earlierButton, more ? runWords.earlierLines(Math.min(PAGE, now.from)) : "");
    this.#box.hidden = !now.lines.length;
    this.#follow.hidden = !now.lines.length || !this.#growing;
    if (!this.#busy) setText(this.#note, now.lines.length ? "" : runWords.noLines);
  }

  async #loadEarlier(): Promise<void> {
    const from = Math.max(0, this.#drawn.from - PAGE);
    const before = this.#drawn.from;
    this.#setFollowing(false, false);
    const answer = await this.#ask(from, before - from);
    if (!answer) return;
    if (answer.from > from && answer.from >= before) setText(this.#note, runWords.linesGone(before));
    if (!this.#earlierButton.hidden) return;
    this.#box.focus();
  }

  async #loadLast(): Promise<void> {
    await this.#ask(null, PAGE);
  }

  async #ask(from: number | null, limit: number): Promise<TaskLogs | null> {
    const path = this.#path;
    this.#busy = true;
    try {
      const answer = await this.#fetch(path, from, limit);
      const known = this.#earlier.get(path) ?? (path === this.#path ? this.#drawn : undefined);
      this.#earlier.set(path, joined({ from: answer.from, lines: answer.lines }, known?.lines.length ? known : undefined));
      return answer;
    } catch (error) {
      if (path === this.#path) setText(this.#note, (error as Error).message);
      return null;
    } finally {
      this.#busy = false;
      if (path === this.#path) this.#draw(false);
    }
  }
}
