/** The rows of a tree: of a task, and of what moves the window of a wide block. */

import { Bar } from "../draw/bar.js";
import { make, setText } from "../draw/dom.js";
import { CHEVRON, draw, setStatus } from "../draw/icons.js";
import { duration, elapsed, endedOf } from "../format.js";
import { taskWord, words } from "../words.js";
import type { Scene } from "./context.js";
import { countsBelow, widthOf } from "./model.js";
import type { Row, TaskRow, WindowRow } from "./model.js";
import { spansOf } from "./timeline.js";
import type { Axis, Times } from "./timeline.js";
import { runWords } from "./words.js";

const item = (row: Row): HTMLElement => {
  const element = make("div.row", { role: "treeitem", tabindex: "-1", part: "task" });
  element.dataset["key"] = row.key;
  element.style.setProperty("--level", String(row.level - 1));
  element.setAttribute("aria-level", String(row.level));
  return element;
};

/** A row of one task. */
export class TaskLine {
  readonly element: HTMLElement;
  readonly #name = make("bdi.name");
  readonly #about = make("bdi.about");
  readonly #icon = make("span.icon");
  readonly #chevron = make("span.chevron", { "aria-hidden": "true" });
  readonly #status = make("span.status");
  readonly #time = make("span.time", { "aria-hidden": "true" });
  readonly #counts = make("span.segments", { "aria-hidden": "true" });
  readonly #bars = make("span.bars", { "aria-hidden": "true" });
  readonly #said = make("span.said");
  readonly #bar = new Bar("div.bar.small");
  readonly #text = make("bdi.text");
  #row: TaskRow;
  #drawnBars = "";
  #drawnCounts = "";

  constructor(row: TaskRow) {
    this.#row = row;
    const title = make("span.title", {}, this.#name, " ", this.#about);
    this.element = item(row);
    this.#counts.hidden = true;
    const more = make("div.row-more", {}, this.#counts, this.#bar.element, this.#text);
    const main = make("div.row-main", {}, this.#chevron, this.#icon, title, this.#status, this.#said, this.#time);
    this.element.append(main, this.#bars, more);
  }

  update(row: TaskRow, scene: Scene, axis: Axis | null): void {
    this.#row = row;
    const { state } = scene;
    const view = state.statuses[row.task.path] ?? {};
    const status = view.status ?? "inactive";
    setText(this.#name, row.task.name);
    setText(this.#about, row.task.description ?? "");
    const below = widthOf(row.task) ? countsBelow(state, row.task) : null;
    const ended = below ? endedOf(below) : 0;
    const unfinished = below !== null && status === "ok" && state.status === "working" && ended < widthOf(row.task);
    setStatus(this.element, this.#icon, status, unfinished ? "running" : status);
    const text = taskWord(status, state.status === "working");
    setText(this.#status, unfinished ? words.part(ended, widthOf(row.task)) : text);
    this.#setPlace(row);
    const measured = status === "running" && typeof view.progress === "number";
    this.#bar.element.hidden = !measured;
    if (measured) this.#bar.set(view.progress!, words.progressOf(row.task.name), view.progressText ?? "");
    setText(this.#text, status === "running" ? (view.progressText ?? "") : "");
    this.#drawCounts(row.open === false ? below : null);
    this.tick(scene, axis);
  }

  /** What goes on between messages. */
  tick(scene: Scene, axis: Axis | null): void {
    const { state, now } = scene;
    const path = this.#row.task.path;
    const view = state.statuses[path] ?? {};
    let time = "";
    if (view.status === "running" && view.executionTime) time = elapsed(now - view.executionTime);
    else if (view.status !== "skipped" && typeof view.duration === "number") time = duration(view.duration);
    setText(this.#time, time);
    const attempts = axis ? [...scene.details.attempts(path, view), view as Times] : [];
    this.#drawBars(axis, attempts, state.run);
  }

  #setPlace({ position, size, open }: TaskRow): void {
    const { element } = this;
    element.setAttribute("aria-posinset", String(position));
    element.setAttribute("aria-setsize", String(size));
    if (open === null) {
      element.removeAttribute("aria-expanded");
      this.#chevron.replaceChildren();
    } else if (element.getAttribute("aria-expanded") !== String(open)) {
      element.setAttribute("aria-expanded", String(open));
      if (!this.#chevron.firstChild) this.#chevron.append(draw(CHEVRON));
    }
  }

  #drawCounts(counts: Record<string, number> | null): void {
    const drawn = counts ? JSON.stringify(counts) : "";
    if (drawn === this.#drawnCounts) return;
    this.#drawnCounts = drawn;
    const present = counts ? Object.keys(words.task).reverse().filter((status) => counts[status]) : [];
    this.#counts.hidden = !present.length;
    this.#counts.replaceChildren(
      ...present.map((status) => {
        const segment = make("span.segment", { "data-shown": status });
        segment.style.flexGrow = String(counts![status]);
        return segment;
      }),
    );
  }

  #drawBars(axis: Axis | null, attempts: readonly Times[], run: number): void {
    this.#bars.hidden = !axis;
    const spans = axis ? attempts.flatMap((attempt) => spansOf(axis, run, attempt)) : [];
    const drawn = JSON.stringify(spans);
    if (drawn === this.#drawnBars) return;
    this.#drawnBars = drawn;
    // Kept where their number is the same: a bar that grows every second is no new one.
    const bars = [...this.#bars.children] as HTMLElement[];
    if (bars.length !== spans.length) {
      this.#bars.replaceChildren(...spans.map(() => make("span.span")));
    }
    spans.forEach(({ kind, left, width }, index) => {
      const bar = this.#bars.children[index] as HTMLElement;
      bar.dataset["shown"] = kind;
      bar.style.left = `${(left * 100).toFixed(2)}%`;
      bar.style.width = `${(width * 100).toFixed(2)}%`;
    });
    const last = attempts.at(-1);
    const began = last?.run === run ? last.executionTime : null;
    const took = typeof began === "number" && typeof last?.finishedAt === "number" ? last.finishedAt - began : null;
    const said = axis && began && took !== null ? `, ${runWords.ran(duration(began - axis.start), duration(took))}` : "";
    setText(this.#said, said);
  }
}

/** A row that moves the window of a wide block. */
export class WindowLine {
  readonly element: HTMLElement;
  readonly #text = make("span.link");

  constructor(row: WindowRow) {
    this.element = item(row);
    this.element.classList.add("window-row");
    this.element.append(make("div.row-main", {}, make("span.chevron"), this.#text));
  }

  update({ kind, count, from, total }: WindowRow): void {
    const where = runWords.window(from + 1, from + count, total);
    setText(this.#text, `${kind === "earlier" ? runWords.earlier(count) : runWords.later(count)} (${where})`);
  }
}
