/** The recorded context updaters of a task, and an editor for them. */

import { make, setText } from "../draw/dom.js";
import { doneText } from "../english.js";
import { areUpdaters } from "../updaters.js";
import { parseJson } from "./confirm.js";
import type { Actions } from "./context.js";
import { JsonView } from "./json.js";
import { runWords } from "./words.js";

/** Whether they are a list of objects; the server checks the rest. */
export const checkUpdaters = (text: string): unknown[] => {
  const value = parseJson(text);
  if (!areUpdaters(value)) throw new TypeError(runWords.notList);
  return value;
};

let lastId = 0;

/** Shows them; "Edit" opens a text area, which stays as it is whatever the server tells meanwhile. */
export class UpdatersView {
  readonly element: HTMLElement;
  readonly #actions: Actions;
  readonly #json = new JsonView();
  readonly #none = make("p.quiet", {}, runWords.nothing);
  readonly #edit = make("button.button.small", { type: "button" }, runWords.commands["update"] ?? "");
  readonly #form = make("form.editor");
  readonly #area: HTMLTextAreaElement;
  readonly #problem = make("div.error.box", { role: "alert" });
  readonly #said = make("p.reason", { role: "status" });
  #path = "";
  #updaters: unknown[] = [];
  #reason = "";
  #busy = false;

  constructor(actions: Actions) {
    this.#actions = actions;
    const id = `jobs-flow-updaters-${++lastId}`;
    const attributes = { rows: "8", spellcheck: "false", dir: "ltr", "aria-describedby": id };
    this.#area = make("textarea", { ...attributes, "aria-label": runWords.updaters }) as HTMLTextAreaElement;
    const save = make("button.button.primary", { type: "submit" }, runWords.save);
    const discard = make("button.button", { type: "button" }, runWords.discard);
    discard.addEventListener("click", () => this.#close());
    this.#form.append(
      ...[make("p.quiet", { id }, runWords.updatersHelp), this.#area, this.#problem],
      make("div.buttons", {}, discard, save),
    );
    this.#form.hidden = true;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save();
    });
    this.#form.addEventListener("keydown", (event) => event.key === "Escape" && this.#close());
    this.#area.addEventListener("input", () => this.#check());
    this.#edit.addEventListener("click", () => this.#open());
    this.element = make("div", {}, this.#json.element, this.#none, this.#edit, this.#said, this.#form);
  }

  /** `reason`: why they cannot be edited now, in words; null where they may not be at all. */
  update(path: string, updaters: unknown, reason: string | null): void {
    if (path !== this.#path) {
      this.#path = path;
      if (!this.#form.hidden) this.#close(false);
      setText(this.#said, "");
    }
    this.#updaters = Array.isArray(updaters) ? updaters : [];
    this.#json.set(this.#updaters);
    this.#json.element.hidden = !this.#updaters.length;
    this.#none.hidden = this.#updaters.length > 0;
    this.#reason = reason ?? "";
    this.#edit.hidden = reason === null || !this.#form.hidden;
    this.#edit.setAttribute("aria-disabled", String(Boolean(reason)));
    if (reason) this.#edit.title = reason;
    else this.#edit.removeAttribute("title");
  }

  #open(): void {
    setText(this.#said, this.#reason);
    if (this.#reason) return;
    this.#area.value = JSON.stringify(this.#updaters, null, 2);
    setText(this.#problem, "");
    this.#form.hidden = false;
    this.#edit.hidden = true;
    this.#area.focus();
  }

  #close(focus = true): void {
    this.#form.hidden = true;
    this.#edit.hidden = false;
    if (focus) this.#edit.focus();
  }

  #check(): unknown[] | null {
    try {
      const updaters = checkUpdaters(this.#area.value);
      this.#area.removeAttribute("aria-invalid");
      setText(this.#problem, "");
      return updaters;
    } catch (error) {
      this.#area.setAttribute("aria-invalid", "true");
      const { message } = error as Error;
      setText(this.#problem, error instanceof SyntaxError ? runWords.notJson(message) : message);
      return null;
    }
  }

  async #save(): Promise<void> {
    const updaters = this.#check();
    if (!updaters || this.#busy) return;
    const path = this.#path;
    this.#busy = true;
    try {
      const asked = { command: "update", label: "update", path } as const;
      const changed = await this.#actions.send(asked, { updaters });
      if (path !== this.#path) return;
      setText(this.#said, doneText(runWords, asked, changed));
      this.#close();
    } catch (error) {
      if (path !== this.#path) return;
      setText(this.#problem, runWords.refused((error as Error).message));
      this.#problem.scrollIntoView({ block: "nearest" });
    } finally {
      this.#busy = false;
    }
  }
}
