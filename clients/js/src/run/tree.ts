/**
 * The tasks, as a tree of the WAI-ARIA pattern: one stop of the Tab key, arrows move, Enter and Space select.
 *
 * Rows are flat and say their level; those outside of what is open do not exist. The timeline is the same tree
 * with bars beside the names. An element of a row is never moved, so that it keeps its focus.
 */

import { make } from "../draw/dom.js";
import { duration } from "../format.js";
import type { Actions, Scene } from "./context.js";
import { TaskLine, WindowLine } from "./lines.js";
import { moveOf, typedTo } from "./model.js";
import type { Row } from "./model.js";
import { axisOf, ticksOf } from "./timeline.js";
import type { Axis, Times } from "./timeline.js";
import { runWords } from "./words.js";

/** Milliseconds in which letters typed belong together. */
const TYPING = 700;

/** The whole tree. */
export class Tree {
  readonly element: HTMLElement;
  readonly #tree = make("div.run-tree", { role: "tree", "aria-label": runWords.tasks, part: "tree" });
  readonly #ticks = make("div.ticks", { "aria-hidden": "true" });
  readonly #actions: Actions;
  #lines = new Map<string, TaskLine | WindowLine>();
  #rows: readonly Row[] = [];
  /** The row that Tab comes to. */
  #current = "";
  #typed = "";
  #typedAt = 0;
  #axis: Axis | null = null;

  constructor(actions: Actions) {
    this.#actions = actions;
    this.#tree.addEventListener("keydown", (event) => this.#key(event));
    this.#tree.addEventListener("click", (event) => this.#click(event));
    this.#tree.addEventListener("focusin", (event) => {
      const key = this.#keyOf(event.target);
      if (key !== null) this.#setCurrent(key);
    });
    this.element = make("div.tasks-pane", {}, this.#ticks, this.#tree);
  }

  update(scene: Scene): void {
    this.#axis = this.#axisOf(scene);
    this.element.classList.toggle("timeline", scene.view === "timeline");
    this.#fill(scene.rows);
    for (const row of scene.rows) {
      const line = this.#lines.get(row.key)!;
      if (row.kind === "task") {
        (line as TaskLine).update(row, scene, this.#axis);
        line.element.setAttribute("aria-selected", String(row.key === scene.selected));
      } else {
        (line as WindowLine).update(row);
      }
    }
    if (!this.#lines.has(this.#current)) this.#setCurrent(this.#fallback(scene));
    this.#drawTicks(scene);
  }

  tick(scene: Scene): void {
    this.#axis = this.#axisOf(scene);
    for (const line of this.#lines.values()) if (line instanceof TaskLine) line.tick(scene, this.#axis);
    this.#drawTicks(scene);
  }

  /** Put the keyboard on a row. */
  focus(key: string = this.#current): void {
    const line = this.#lines.get(key) ?? this.#lines.get(this.#current);
    line?.element.focus();
  }

  /** Bring a row into view, as far as it is there. */
  reveal(key: string): void {
    this.#lines.get(key)?.element.scrollIntoView({ block: "nearest" });
  }

  #axisOf({ view, state, rows, now, details }: Scene): Axis | null {
    if (view !== "timeline") return null;
    const times = rows.flatMap((row): Times[] => {
      if (row.kind !== "task") return [];
      const record = state.statuses[row.key];
      return record ? [...details.attempts(row.key, record), record as Times] : [];
    });
    return axisOf(state.run, times, state.status === "working" ? now : null);
  }

  #drawTicks({ view, state }: Scene): void {
    this.#ticks.hidden = view !== "timeline";
    if (this.#ticks.hidden) return;
    if (!this.#axis) {
      this.#ticks.replaceChildren(make("span.quiet", {}, state.status === "working" ? "" : runWords.nothingYet));
      return;
    }
    const marks = ticksOf(this.#axis).map(({ at, after }) => {
      const mark = make("span.tick", {}, after ? round(duration(after)) : "0");
      mark.style.left = `${(at * 100).toFixed(2)}%`;
      return mark;
    });
    this.#ticks.replaceChildren(make("span.tick-track", {}, ...marks));
  }

  #fallback({ selected, rows }: Scene): string {
    if (selected !== null && this.#lines.has(selected)) return selected;
    return rows[0]?.key ?? "";
  }

  #fill(rows: readonly Row[]): void {
    const had = this.#tree.contains(this.#active);
    const before = this.#rows;
    this.#rows = rows;
    const lines = new Map<string, TaskLine | WindowLine>();
    for (const row of rows) {
      const known = this.#lines.get(row.key);
      lines.set(row.key, known ?? (row.kind === "task" ? new TaskLine(row) : new WindowLine(row)));
    }
    const lost = had && !lines.has(this.#current);
    for (const [key, line] of this.#lines) if (lines.get(key) !== line) line.element.remove();
    let place: ChildNode | null = this.#tree.firstChild;
    for (const line of lines.values()) {
      if (line.element === place) place = place.nextSibling;
      else this.#tree.insertBefore(line.element, place);
    }
    this.#lines = lines;
    if (lost) this.#focusNear(before);
  }

  /** The row with the focus is gone: its neighbour that is left gets it, before the page's beginning does. */
  #focusNear(before: readonly Row[]): void {
    const at = before.findIndex((row) => row.key === this.#current);
    const near = [...before.slice(at + 1), ...before.slice(0, Math.max(0, at)).reverse()];
    const next = near.find((row) => this.#lines.has(row.key)) ?? this.#rows[0];
    if (!next) return;
    this.#setCurrent(next.key);
    this.focus();
  }

  get #active(): Element | null {
    return (this.#tree.getRootNode() as ShadowRoot | Document).activeElement;
  }

  #setCurrent(key: string): void {
    this.#lines.get(this.#current)?.element.setAttribute("tabindex", "-1");
    this.#current = key;
    this.#lines.get(key)?.element.setAttribute("tabindex", "0");
  }

  #keyOf(target: EventTarget | null): string | null {
    const element = target instanceof Element ? target.closest<HTMLElement>(".row") : null;
    return element?.dataset["key"] ?? null;
  }

  #click(event: MouseEvent): void {
    const key = this.#keyOf(event.target);
    const at = this.#rows.findIndex((row) => row.key === key);
    const row = this.#rows[at];
    if (!row) return;
    this.#setCurrent(row.key);
    this.focus();
    const toggles = event.target instanceof Element && event.target.closest(".chevron") !== null;
    if (row.kind === "task" && row.open !== null && toggles) this.#actions.setOpen(row.key, !row.open);
    else this.#act(at);
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#rows.findIndex((row) => row.key === this.#current);
    const move = moveOf(event.key, this.#rows, at, getComputedStyle(this.#tree).direction === "rtl");
    if (move === null) {
      if (event.key.length === 1 && event.key.trim()) this.#type(event.key, at);
      return;
    }
    event.preventDefault();
    if ("to" in move) this.focus(this.#rows[move.to]!.key);
    else if ("open" in move) this.#actions.setOpen(this.#rows[move.row]!.key, move.open);
    else this.#act(move.act);
  }

  #type(letter: string, at: number): void {
    const now = performance.now();
    this.#typed = now - this.#typedAt < TYPING ? this.#typed + letter : letter;
    this.#typedAt = now;
    const index = typedTo(this.#typed, this.#rows, at);
    if (index >= 0) this.focus(this.#rows[index]!.key);
  }

  #act(at: number): void {
    const row = this.#rows[at]!;
    if (row.kind === "task") return this.#actions.select(row.key, true);
    const { kind, block } = row;
    void this.#actions.moveWindow(block, row.from).then(() => {
      // The reader goes on where the new tasks are.
      const inside = this.#rows.filter((each) => each.kind === "task" && each.level === row.level);
      const ofBlock = inside.filter(({ key }) => key.slice(0, key.lastIndexOf(".")) === block);
      const next = kind === "earlier" ? ofBlock.at(-1) : ofBlock[0];
      if (next) this.focus(next.key);
    });
  }
}

/** Without parts that are zero. */
const round = (text: string): string => text.replace(/ 00 (s|min)$/, "").replace(/\.0 s$/, " s");
