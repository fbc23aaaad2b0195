/** The buttons of commands. */

import { make, setText } from "../draw/dom.js";
import type { Offer } from "./commands.js";
import type { Actions } from "./context.js";
import { runWords } from "./words.js";

/** Buttons for offers; those that make no sense now stay where they are and say why. */
export class Buttons {
  readonly element: HTMLElement;
  readonly #actions: Actions;
  readonly #reason = make("p.reason", { role: "status" });
  readonly #group = make("div.buttons");
  readonly #buttons = new Map<string, { button: HTMLElement; offer: Offer }>();
  /** Of which button it is said why it makes no sense. */
  #said: string | null = null;

  constructor(actions: Actions) {
    this.#actions = actions;
    this.#group.setAttribute("role", "group");
    this.element = make("div.commands", { part: "commands" }, this.#group, this.#reason);
  }

  update(offers: readonly Offer[], label: string): void {
    this.#group.setAttribute("aria-label", label);
    this.element.hidden = !offers.length;
    const seen = new Set<string>();
    offers.forEach((offer, index) => {
      // By the command: "Pause" that becomes "Unpause" is the same button, and keeps the focus.
      const known = this.#buttons.get(offer.command) ?? this.#make(offer);
      seen.add(offer.command);
      // What is only drawn again leaves it to be read.
      const another = known.offer.path !== offer.path || known.offer.reason !== offer.reason;
      if (this.#said === offer.command && another) this.#say(null, "");
      known.offer = offer;
      setText(known.button, runWords.commands[offer.label] ?? offer.label);
      const why = offer.reason ? (runWords.reasons[offer.reason] ?? "") : "";
      known.button.setAttribute("aria-disabled", String(Boolean(offer.reason)));
      if (why) known.button.title = why;
      else known.button.removeAttribute("title");
      const present = this.#group.children[index];
      if (present !== known.button) this.#group.insertBefore(known.button, present ?? null);
    });
    for (const [command, { button }] of this.#buttons) {
      if (seen.has(command)) continue;
      button.remove();
      this.#buttons.delete(command);
      if (this.#said === command) this.#say(null, "");
    }
  }

  #say(command: string | null, reason: string): void {
    this.#said = command;
    setText(this.#reason, reason);
  }

  #make(offer: Offer): { button: HTMLElement; offer: Offer } {
    const button = make("button.button", { type: "button" });
    button.dataset["command"] = offer.command;
    const entry = { button, offer };
    button.addEventListener("click", () => {
      const { reason } = entry.offer;
      this.#say(reason ? offer.command : null, reason ? (runWords.reasons[reason] ?? reason) : "");
      if (!reason) this.#actions.ask(entry.offer, button);
    });
    this.#buttons.set(offer.command, entry);
    return entry;
  }
}
