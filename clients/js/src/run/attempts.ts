/** Earlier attempts at a task: when, how they ended, their error and log. */

import { make } from "../draw/dom.js";
import { draw, SHAPES } from "../draw/icons.js";
import { duration } from "../format.js";
import { taskWord } from "../words.js";
import type { Attempt } from "../protocol.gen.js";
import { momentText } from "./facts.js";
import { runWords } from "./words.js";

const keyOf = ({ run, attempt, status, executionTime, queuedAt }: Attempt): string =>
  JSON.stringify([run, attempt, status, executionTime, queuedAt]);

const item = (attempt: Attempt, now: number): HTMLElement => {
  const status = attempt.status ?? "";
  const icon = make("span.icon", {}, draw(SHAPES[status] ?? SHAPES["inactive"] ?? []));
  const number = `${runWords.run(attempt.run ?? 0)}, ${runWords.attemptNumber(attempt.attempt ?? 1)}`;
  const name = taskWord(status);
  const time = typeof attempt.executionTime === "number" ? momentText(attempt.executionTime, now) : "";
  const took = typeof attempt.duration === "number" ? duration(attempt.duration) : "";
  const facts = [time, took, attempt.worker ?? ""].filter(Boolean).join(" · ");
  const head = make("div.line", {}, icon, make("span.title", {}, `${number}: ${name}`));
  const element = make("li.attempt", {}, head, make("div.quiet", {}, make("bdi", {}, facts)));
  element.dataset["shown"] = status;
  const message = attempt.error?.message ?? attempt.error?.code;
  if (message) element.append(make("div.error-text", { dir: "auto" }, message));
  if (attempt.logs?.length) {
    const lines = attempt.logs.map((line) => make("li", { dir: "auto" }, line));
    const attributes = { role: "region", tabindex: "0", "aria-label": `${runWords.log}: ${number}` };
    const list = make("div.run-lines", attributes, make("ol", {}, ...lines));
    element.append(make("details", {}, make("summary", {}, runWords.log), list));
  }
  return element;
};

/** The list, latest first; what the reader opened in it stays. */
export class AttemptList {
  readonly element = make("ol.attempts");
  #items = new Map<string, HTMLElement>();

  set(attempts: readonly Attempt[], now: number): void {
    const items = new Map<string, HTMLElement>();
    for (const attempt of [...attempts].reverse()) {
      const key = keyOf(attempt);
      items.set(key, this.#items.get(key) ?? item(attempt, now));
    }
    const same = items.size === this.#items.size && [...items.keys()].every((key) => this.#items.has(key));
    this.#items = items;
    if (!same) this.element.replaceChildren(...items.values());
  }
}
