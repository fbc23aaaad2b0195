/** A JSON value as nested, foldable elements, made as they are opened. */

import { make, setText } from "../draw/dom.js";
import { runWords } from "./words.js";

/** Open at first are values of so many parts, to this depth. */
const OPEN_PARTS = 12;
const OPEN_DEPTH = 2;
/** Parts shown of a long value, and more at a time. */
const STEP = 100;
/** Characters of one text. */
const TEXT_LIMIT = 20_000;

type Entry = readonly [name: string, value: unknown];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Names and values in it; null for what has none. */
export const entriesOf = (value: unknown): Entry[] | null => {
  if (Array.isArray(value)) return value.map((item, index) => [String(index), item]);
  return isObject(value) ? Object.entries(value) : null;
};

/** A value in a few words, where it is not open. */
export const summaryOf = (value: unknown): string => {
  if (Array.isArray(value)) return `[ ${runWords.items(value.length)} ]`;
  if (isObject(value)) return `{ ${runWords.members(Object.keys(value).length)} }`;
  return JSON.stringify(value) ?? "";
};

const kindOf = (value: unknown): string => (value === null ? "null" : typeof value);

const scalar = (value: unknown): HTMLElement => {
  const text = typeof value === "string" ? value : String(value);
  const shown = text.length > TEXT_LIMIT ? `${text.slice(0, TEXT_LIMIT)}…` : text;
  return make(`bdi.json-value.json-${kindOf(value)}`, {}, shown);
};

const part = (name: string | null, value: unknown, depth: number): HTMLElement => {
  const entries = entriesOf(value);
  const label = name === null ? [] : [make("bdi.json-name", {}, name), ": "];
  if (!entries?.length) {
    const shown = entries ? make("span.json-value", {}, Array.isArray(value) ? "[ ]" : "{ }") : scalar(value);
    return make("li.json-part", {}, ...label, shown);
  }
  const summary = make("summary", {}, ...label, make("span.json-summary", {}, summaryOf(value)));
  const details = make("details", {}, summary) as HTMLDetailsElement;
  let filled = false;
  const fill = () => {
    if (filled || !details.open) return;
    filled = true;
    details.append(list(entries, depth + 1));
  };
  details.addEventListener("toggle", fill);
  details.open = entries.length <= OPEN_PARTS && depth < OPEN_DEPTH;
  fill();
  return make("li.json-part", {}, details);
};

const list = (entries: readonly Entry[], depth: number): HTMLElement => {
  const element = make("ul.json-list");
  const add = (from: number) => {
    const end = Math.min(entries.length, from + STEP);
    element.append(...entries.slice(from, end).map(([name, value]) => part(name, value, depth)));
    if (end === entries.length) return;
    const more = make("button.link", { type: "button" }, runWords.more(Math.min(STEP, entries.length - end)));
    const item = make("li.json-part", {}, more);
    more.addEventListener("click", () => {
      item.remove();
      add(end);
      const next = element.children[end] as HTMLElement | undefined;
      const target = next?.querySelector<HTMLElement>("summary") ?? next;
      if (target === next) next?.setAttribute("tabindex", "-1");
      target?.focus();
    });
    element.append(item);
  };
  add(0);
  return element;
};

/** A value that changes; what the reader opened stays open as long as it does not. */
export class JsonView {
  readonly element = make("div.json", { dir: "ltr" });
  readonly #copied = make("span.said", { role: "status" });
  #text: string | undefined;

  set(value: unknown): void {
    const text = JSON.stringify(value, null, 2);
    if (text === this.#text) return;
    this.#text = text;
    const entries = entriesOf(value);
    const shown = entries?.length
      ? list(entries, 0)
      : make("div.json-part", {}, entries ? (Array.isArray(value) ? "[ ]" : "{ }") : scalar(value));
    this.element.replaceChildren(shown, ...this.#copy());
  }

  #copy(): HTMLElement[] {
    // Not there without https, and not asked for in frames that may not.
    const board = (navigator as { clipboard?: Clipboard }).clipboard;
    if (!board) return [];
    const button = make("button.link.copy", { type: "button" }, runWords.copy);
    button.addEventListener("click", () => {
      board.writeText(this.#text ?? "").then(
        () => {
          button.textContent = runWords.copied;
          setText(this.#copied, runWords.copied);
        },
        () => (button.hidden = true),
      );
    });
    return [button, this.#copied];
  }
}
