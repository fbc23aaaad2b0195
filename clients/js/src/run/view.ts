/** Everything inside one <jobs-flow-run>. */

import { make, setText } from "../draw/dom.js";
import { Buttons } from "./buttons.js";
import { runOffers, taskOffers, type Offer } from "./commands.js";
import { Confirm } from "./confirm.js";
import type { Actions, Scene, ViewName } from "./context.js";
import { Head } from "./head.js";
import { FINISHED, ROOT, type JobState } from "../state.js";
import type { TaskView } from "../protocol.gen.js";
import { isThere } from "../summary.js";
import type { FetchLines } from "./logs.js";
import { Panel } from "./panel.js";
import { Tree } from "./tree.js";
import { runWords } from "./words.js";

/** What is offered for a task, or for the whole. */
const offersOf = ({ state, connection, allowed, details }: Scene, path: string): Offer[] => {
  if (path === ROOT) return runOffers(state, connection, allowed);
  // What is not in a window is known by its details alone.
  const view = state.statuses[path] ?? (details.peek(path)?.details?.task as TaskView | undefined);
  return taskOffers(state, path, view?.status, connection, allowed);
};

const VIEWS: readonly ViewName[] = ["tree", "timeline"];

export class RunView {
  readonly tree: Tree;
  readonly confirm: Confirm;
  readonly #card: HTMLElement;
  readonly #head = new Head("title");
  readonly #buttons: Buttons;
  readonly #views = new Map<ViewName, HTMLElement>();
  readonly #toolbar: HTMLElement;
  readonly #panel: Panel;
  readonly #body: HTMLElement;
  readonly #told = make("p.reason.told", { role: "status" });
  /** In which run that was, and whether it was over; null until it is known. */
  #toldIn: string | null = null;

  constructor(root: ShadowRoot, actions: Actions, fetchLines: FetchLines, show: (view: ViewName) => void) {
    this.tree = new Tree(actions);
    this.confirm = new Confirm(
      actions,
      (text) => this.tell(text),
      () => this.tree.focus(),
    );
    this.#buttons = new Buttons(actions);
    this.#panel = new Panel(actions, fetchLines);
    const switches = VIEWS.map((view) => {
      const button = make("button.button.switch", { type: "button" }, runWords[view]);
      button.addEventListener("click", () => show(view));
      this.#views.set(view, button);
      return button;
    });
    const group = make("div.switches", { role: "group", "aria-label": runWords.view }, ...switches);
    this.#toolbar = make("div.toolbar", { part: "toolbar" }, this.#buttons.element, group);
    this.#body = make("div.run-body", {}, this.tree.element, this.#panel.element);
    this.#card = make(
      "section.card.run",
      { "aria-labelledby": "title", part: "card" },
      this.#head.element,
      this.#toolbar,
      this.#told,
      this.#body,
    );
    root.append(this.#head.said, this.#card, this.confirm.element);
  }

  /** Say what became of something that was asked for. */
  tell(text: string): void {
    setText(this.#told, text);
    this.#toldIn = null;
  }

  /** What was said of a run is over with it. */
  #forget({ status, run }: JobState): void {
    const now = `${run} ${FINISHED.has(status)}`;
    if (this.#toldIn !== null && this.#toldIn !== now) this.tell("");
    this.#toldIn = now;
  }

  /** Another instance: nothing of the last one stays. */
  clear(): void {
    this.#panel.clear();
    this.confirm.close();
    this.tell("");
  }

  update(scene: Scene, label: string | null): void {
    const { state, connection, view, selected } = scene;
    const there = isThere(state, connection);
    this.#head.update(scene, this.#card, label);
    this.#forget(state);
    this.#toolbar.hidden = !there || !state.status;
    this.#body.hidden = !there || !state.tasks.length;
    this.#buttons.update(offersOf(scene, ROOT), runWords.commandsOf);
    for (const [name, button] of this.#views) button.setAttribute("aria-pressed", String(name === view));
    this.#body.classList.toggle("timeline", view === "timeline");
    if (!there) {
      this.confirm.close();
      return;
    }
    this.tree.update(scene);
    this.#panel.update(scene);
    this.confirm.update((path) => offersOf(scene, path));
    if (selected === null) this.detail(false);
  }

  /** What goes on between messages. */
  tick(scene: Scene): void {
    if (!isThere(scene.state, scene.connection)) return;
    this.#head.tick(scene);
    this.tree.tick(scene);
    this.#panel.tick(scene);
  }

  /** In a narrow place the panel takes the place of the tree. */
  detail(shown: boolean): void {
    const was = this.#body.classList.contains("detail");
    if (!was && !shown) return;
    this.#body.classList.toggle("detail", shown);
    const narrow = getComputedStyle(this.#panel.back).display !== "none";
    if (shown && narrow) this.#panel.heading.focus();
    else if (was && !shown && narrow) this.tree.focus();
  }
}
