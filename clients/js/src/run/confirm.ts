/** What is asked before a command is given: a dialog in the page, which also says why it was refused. */

import { make, setText } from "../draw/dom.js";
import { doneText } from "../english.js";
import { GRAVE, LISTED } from "./commands.js";
import type { Offer } from "./commands.js";
import type { Actions } from "./context.js";
import type { Given } from "./request.js";
import { runWords } from "./words.js";

const MODES = ["failed", "failed_and_downstream", "all"] as const;

let lastId = 0;

/** One dialog for all commands of an element. */
export class Confirm {
  readonly element: HTMLDialogElement;
  readonly #actions: Actions;
  readonly #told: (text: string) => void;
  readonly #leave: () => void;
  readonly #title: HTMLElement;
  readonly #text: HTMLElement;
  readonly #subject = make("bdi.subject");
  readonly #fields = make("div.fields");
  readonly #problem = make("div.error.box", { role: "alert" });
  readonly #back = make("button.button", { type: "button" }, runWords.back);
  readonly #send = make("button.button.primary", { type: "submit" }) as HTMLButtonElement;
  #offer: Offer | null = null;
  #opener: HTMLElement | null = null;
  #given: () => Given = () => ({});
  #busy = false;
  #blocked = false;
  /** Why the server refused what was sent. */
  #refusal = "";
  /** Of the preview that was asked for last. */
  #asked = 0;

  /** `told`: what to say once a command was done. `leave`: put the focus somewhere, when its old place is gone. */
  constructor(actions: Actions, told: (text: string) => void, leave: () => void) {
    this.#actions = actions;
    this.#told = told;
    this.#leave = leave;
    const id = `jobs-flow-confirm-${++lastId}`;
    this.#title = make("h2", { id });
    this.#text = make("p", { id: `${id}-text` });
    this.#back.addEventListener("click", () => this.close());
    const form = make("form", { method: "dialog" });
    form.append(
      ...[this.#title, this.#subject, this.#text, this.#fields, this.#problem],
      make("div.buttons", {}, this.#back, this.#send),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    const attributes = { "aria-labelledby": id, "aria-describedby": `${id}-text`, part: "dialog" };
    this.element = make("dialog.confirm", attributes, form) as HTMLDialogElement;
    this.element.addEventListener("close", () => this.#closed());
  }

  /** Ask. `opener` has the focus again afterwards. */
  open(offer: Offer, opener: HTMLElement): void {
    this.#offer = offer;
    this.#opener = opener;
    this.#given = () => ({});
    this.#blocked = false;
    this.#refusal = "";
    const [title, text, button] = runWords.confirm[offer.label] ?? [offer.label, "", offer.label];
    setText(this.#title, title);
    setText(this.#text, text);
    setText(this.#subject, offer.path === "#" ? "" : offer.path);
    setText(this.#send, button);
    setText(this.#problem, "");
    this.#send.classList.toggle("grave", GRAVE.has(offer.label));
    this.#fields.replaceChildren(...this.#fieldsOf(offer));
    this.#setBusy(false);
    if (!this.element.open) this.element.showModal();
    // Of what cannot be taken back the harmless answer is the nearer one.
    (GRAVE.has(offer.label) ? this.#back : this.#send).focus();
  }

  /** What is offered for a path may have changed: what would be pointless now is not asked any more. */
  update(offersOf: (path: string) => readonly Offer[]): void {
    const asked = this.#offer;
    // What changes while it is sent may be its own doing.
    if (!asked || this.#busy) return;
    const offer = offersOf(asked.path).find(({ label }) => label === asked.label);
    // A connection comes back, and with the question would go what was typed into it.
    if (offer && (offer.reason === null || offer.reason === "offline")) return;
    this.close();
    // What made it pointless may come right after the refusal, which nobody could have read by then.
    if (this.#refusal) this.#told(this.#refusal);
  }

  close(): void {
    if (this.element.open) this.element.close();
  }

  #closed(): void {
    this.#asked += 1;
    this.#offer = null;
    const opener = this.#opener;
    this.#opener = null;
    if (opener?.getClientRects().length) opener.focus();
    else this.#leave();
  }

  #fieldsOf({ label, path }: Offer): HTMLElement[] {
    switch (label) {
      case "run":
      case "task":
        return [this.#argument()];
      case "resume":
        return this.#modes(path);
      case "from":
        return [this.#preview(path, () => "failed")];
      case "cancel":
        return [this.#undo()];
      case "undo":
        this.#given = () => ({ undo: true });
        return [];
      default:
        return [];
    }
  }

  #argument(): HTMLElement {
    const id = `jobs-flow-argument-${++lastId}`;
    const area = make("textarea", { rows: "4", spellcheck: "false", dir: "ltr", "aria-describedby": id });
    const input = area as HTMLTextAreaElement;
    input.setAttribute("aria-label", runWords.giveArgument);
    const help = make("p.quiet", { id }, runWords.argumentHelp);
    this.#given = () => (input.value.trim() ? { argument: parseJson(input.value) } : {});
    return make("details.argument", {}, make("summary", {}, runWords.giveArgument), input, help);
  }

  #undo(): HTMLElement {
    const box = make("input", { type: "checkbox" }) as HTMLInputElement;
    this.#given = () => (box.checked ? { undo: true } : {});
    return make("label.choice", {}, box, make("span", {}, runWords.withUndo));
  }

  #modes(path: string): HTMLElement[] {
    let mode: string = MODES[0];
    const name = `jobs-flow-mode-${++lastId}`;
    const preview = this.#preview(path, () => mode);
    const choices = MODES.map((each) => {
      const input = make("input", { type: "radio", name, value: each }) as HTMLInputElement;
      input.checked = each === mode;
      input.addEventListener("change", () => {
        mode = each;
        void this.#showPreview(preview, path, mode);
      });
      return make("label.choice", {}, input, make("span", {}, runWords.mode[each] ?? each));
    });
    this.#given = () => ({ mode });
    return [make("fieldset", {}, make("legend", {}, runWords.modes), ...choices), preview];
  }

  #preview(path: string, mode: () => string): HTMLElement {
    const preview = make("div.preview", { "aria-live": "polite" });
    void this.#showPreview(preview, path, mode());
    return preview;
  }

  /** What would run; nothing can be confirmed before that is there. */
  async #showPreview(area: HTMLElement, path: string, mode: string): Promise<void> {
    const asked = ++this.#asked;
    this.#blocked = true;
    this.#setBusy(false);
    setText(this.#problem, "");
    area.replaceChildren(make("p.quiet", {}, runWords.previewing));
    let paths: string[];
    try {
      paths = await this.#actions.preview(path, mode);
    } catch (error) {
      if (asked !== this.#asked) return;
      area.replaceChildren();
      return setText(this.#problem, runWords.refused((error as Error).message));
    }
    if (asked !== this.#asked) return;
    this.#blocked = false;
    this.#setBusy(false);
    const items = paths.slice(0, LISTED).map((each) => make("li", {}, make("bdi", {}, each)));
    const rest = paths.length - items.length;
    const count = make("p", {}, runWords.preview(paths.length));
    const attributes = { role: "region", tabindex: "0", "aria-label": runWords.preview(paths.length) };
    const list = make("div.paths", attributes, make("ul", {}, ...items));
    area.replaceChildren(count, list, ...(rest ? [make("p.quiet", {}, runWords.previewMore(rest))] : []));
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy;
    // Not `disabled`, which would take the focus away.
    this.#send.setAttribute("aria-disabled", String(busy || this.#blocked));
  }

  async #submit(): Promise<void> {
    const offer = this.#offer;
    if (!offer || this.#busy || this.#blocked) return;
    let given: Given;
    try {
      given = this.#given();
    } catch (error) {
      return setText(this.#problem, runWords.notJson((error as Error).message));
    }
    setText(this.#problem, (this.#refusal = ""));
    this.#setBusy(true);
    try {
      const changed = await this.#actions.send(offer, given);
      this.#told(doneText(runWords, offer, changed));
    } catch (error) {
      if (this.#offer === offer) {
        this.#refusal = runWords.refused((error as Error).message);
        setText(this.#problem, this.#refusal);
        this.#setBusy(false);
      }
      return;
    }
    if (this.#offer === offer) this.close();
  }
}

/** The value that a text says; raises a `SyntaxError` for what is no JSON. */
export const parseJson = (text: string): unknown => JSON.parse(text) as unknown;
