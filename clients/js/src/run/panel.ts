/** All of the selected task, or of the run as long as none is selected. */

import { Bar } from "../draw/bar.js";
import { make, setText } from "../draw/dom.js";
import { setStatus } from "../draw/icons.js";
import { nameOf } from "../format.js";
import { taskWord, words } from "../words.js";
import type { Failure, TaskView } from "../protocol.gen.js";
import { AttemptList } from "./attempts.js";
import { Buttons } from "./buttons.js";
import { taskOffers, updaterReason } from "./commands.js";
import type { Actions, Scene } from "./context.js";
import type { Known } from "./details.js";
import { FactList, runFacts, taskFacts } from "./facts.js";
import { JsonView } from "./json.js";
import { LogView } from "./logs.js";
import type { FetchLines } from "./logs.js";
import { findTask } from "./model.js";
import { UpdatersView } from "./updaters.js";
import { runWords } from "./words.js";

/** A part of the panel that can be folded; open or closed, it stays so for all tasks. */
class Section {
  readonly element: HTMLDetailsElement;
  readonly #count = make("span.quiet");

  constructor(title: string, content: HTMLElement, open: boolean) {
    const summary = make("summary", {}, make("h3", {}, title), this.#count);
    this.element = make("details.section", {}, summary, content) as HTMLDetailsElement;
    this.element.open = open;
  }

  show(shown: boolean, count = ""): void {
    this.element.hidden = !shown;
    setText(this.#count, count);
  }
}

/** A recorded value in a section, or why it is not there. */
class ValueSection {
  readonly #json = new JsonView();
  readonly #note = make("p.quiet");
  readonly #section: Section;
  readonly #name: string;

  constructor(name: string, title: string, open = false) {
    this.#name = name;
    this.#section = new Section(title, make("div", {}, this.#json.element, this.#note), open);
  }

  get element(): HTMLElement {
    return this.#section.element;
  }

  /** `shown`: whether there is such a value at all. */
  set(value: unknown, shown: boolean, omitted: readonly string[]): void {
    const missing = omitted.includes(this.#name);
    const parts = omitted.filter((each) => each.startsWith(`${this.#name}.`));
    const names = parts.map((each) => each.slice(this.#name.length + 1)).join(", ");
    this.#section.show(shown || missing);
    this.#json.element.hidden = missing;
    if (!missing && shown) this.#json.set(value);
    setText(this.#note, missing ? runWords.omitted : names ? `${names}: ${runWords.omitted}` : "");
  }
}

/** Goes to a place of a folded block. */
class GoTo {
  readonly element: HTMLFormElement;
  readonly #input: HTMLInputElement;
  #path = "";

  constructor(actions: Actions) {
    this.#input = make("input", { type: "number", min: "1", "aria-label": runWords.goTo }) as HTMLInputElement;
    const go = make("button.button.small", { type: "submit" }, runWords.go);
    this.element = make("form.go-to", {}, make("span", {}, runWords.goTo), this.#input, go) as HTMLFormElement;
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const wanted = Math.floor(Number(this.#input.value));
      if (!(wanted >= 1)) return;
      actions.setOpen(this.#path, true);
      void actions.moveWindow(this.#path, wanted - 1);
    });
  }

  update(path: string, total: number | undefined): void {
    this.#path = path;
    this.element.hidden = total === undefined;
    if (total !== undefined) this.#input.max = String(total);
  }
}

/** The panel. */
export class Panel {
  readonly element: HTMLElement;
  readonly heading = make("h2", { tabindex: "-1" });
  readonly back = make("button.link.back", { type: "button" }, runWords.backToTasks);
  readonly #log: LogView;
  readonly #path = make("bdi.path");
  readonly #about = make("p.about", { dir: "auto" });
  readonly #icon = make("span.icon");
  readonly #status = make("span.badge-text");
  readonly #badge = make("span.badge", {}, this.#icon, this.#status);
  readonly #bar = new Bar("div.bar");
  readonly #text = make("p.text", { dir: "auto" });
  readonly #buttons: Buttons;
  readonly #facts = new FactList();
  readonly #error = make("div.error.box", { dir: "auto" });
  readonly #showTask = make("button.link", { type: "button" }, runWords.showTask);
  readonly #note = make("p.quiet");
  readonly #problem = make("div.notice.box.warning");
  readonly #reload = make("button.link", { type: "button" }, runWords.reload);
  readonly #goTo: GoTo;
  readonly #traceback = make("pre", { role: "region", tabindex: "0", dir: "ltr", "aria-label": runWords.traceback });
  readonly #tracebackSection = new Section(runWords.traceback, this.#traceback, false);
  readonly #result = new ValueSection("body", runWords.result, true);
  readonly #argument = new ValueSection("argument", runWords.argument);
  readonly #context = new ValueSection("context", runWords.context);
  readonly #undoError = new ValueSection("undoError", runWords.undoError, true);
  readonly #updaters: UpdatersView;
  readonly #updatersSection: Section;
  readonly #attempts = new AttemptList();
  readonly #attemptsSection = new Section(runWords.attempts, this.#attempts.element, true);
  readonly #logSection: Section;
  #shown = "";
  #failedAt: string | null = null;

  constructor(actions: Actions, fetchLines: FetchLines) {
    this.#log = new LogView(fetchLines);
    this.#buttons = new Buttons(actions);
    this.#goTo = new GoTo(actions);
    this.#updaters = new UpdatersView(actions);
    this.#updatersSection = new Section(runWords.updaters, this.#updaters.element, false);
    this.#logSection = new Section(runWords.log, this.#log.element, true);
    this.#showTask.addEventListener("click", () => this.#failedAt && actions.select(this.#failedAt, true));
    this.back.addEventListener("click", () => actions.select(null, true));
    this.#reload.addEventListener("click", () => this.#again());
    this.element = make(
      "section.panel",
      { part: "panel" },
      this.back,
      make("div.panel-head", {}, this.heading, this.#badge),
      ...[this.#path, this.#about, this.#bar.element, this.#text, this.#buttons.element],
      ...[this.#error, this.#showTask, this.#facts.element, this.#goTo.element, this.#note, this.#problem, this.#reload],
      ...[this.#logSection.element, this.#result.element, this.#tracebackSection.element, this.#undoError.element],
      ...[this.#attemptsSection.element, this.#argument.element, this.#context.element],
      this.#updatersSection.element,
    );
  }

  #again: () => void = () => undefined;

  /** Another instance. */
  clear(): void {
    this.#log.clear();
  }

  update(scene: Scene): void {
    if (scene.selected === null) this.#showRun(scene);
    else this.#showTaskOf(scene, scene.selected);
  }

  /** What goes on between messages. */
  tick({ state, selected, now, details }: Scene): void {
    const facts = selected === null ? runFacts(state, now) : taskFacts(state, selected, details.peek(selected)?.details ?? null, now);
    this.#facts.set(facts);
  }

  #showRun({ state, now }: Scene): void {
    setText(this.heading, runWords.overview);
    this.#badge.hidden = this.#bar.element.hidden = true;
    setText(this.#path, "");
    setText(this.#about, "");
    setText(this.#text, "");
    this.#buttons.update([], "");
    this.#setError(state.error, false);
    // In the header it is told already; here is the way to it.
    this.#error.hidden = true;
    this.#failedAt = state.error?.path ?? null;
    this.#showTask.hidden = this.#failedAt === null;
    this.#facts.set(runFacts(state, now));
    setText(this.#note, state.tasks.length ? runWords.choose : "");
    this.#problem.hidden = this.#reload.hidden = true;
    const window = state.window;
    this.#goTo.update("#", window?.total);
    this.#hideValues();
    this.#shown = "";
  }

  #hideValues(): void {
    for (const section of [this.#tracebackSection, this.#attemptsSection, this.#logSection, this.#updatersSection]) {
      section.show(false);
    }
    for (const value of [this.#result, this.#argument, this.#context, this.#undoError]) value.set(null, false, []);
  }

  #showTaskOf(scene: Scene, path: string): void {
    const { state, now, details } = scene;
    const node = findTask(state.tasks, path);
    const live = state.statuses[path];
    const known = details.of(path, live);
    // What is not in a window is known by its details alone.
    const view = live ?? (known.details?.task as TaskView | undefined) ?? {};
    const status = view.status ?? "inactive";
    setText(this.heading, node?.name ?? nameOf(path));
    setText(this.#path, path);
    setText(this.#about, node?.description ?? "");
    this.#badge.hidden = false;
    setStatus(this.#badge, this.#icon, status);
    setText(this.#status, taskWord(status, state.status === "working"));
    const measured = status === "running" && typeof view.progress === "number";
    this.#bar.element.hidden = !measured;
    if (measured) this.#bar.set(view.progress!, words.progressOf(node?.name ?? path), view.progressText ?? "");
    setText(this.#text, status === "running" ? (view.progressText ?? "") : "");
    const offers = taskOffers(state, path, view.status, scene.connection, scene.allowed);
    this.#buttons.update(offers, runWords.commandsOfTask(nameOf(path)));
    this.#setError(view.error ?? null, true);
    this.#showTask.hidden = true;
    this.#facts.set(taskFacts(state, path, known.details, now));
    this.#goTo.update(path, node?.total !== undefined && node.total > node.children.length ? node.total : undefined);
    this.#showValues(scene, path, view, known);
    // Another task begins at its top.
    if (path !== this.#shown) this.element.scrollTop = 0;
    this.#shown = path;
  }

  #setError(error: Failure | null, whole: boolean): void {
    // Who may not see the message is told of which kind it is.
    setText(this.#error, error ? String(error.message || (error.type ?? error.code)) : "");
    if (error && whole) {
      const kind = String(error.type ?? error.code);
      if (error.message && kind) this.#error.prepend(make("strong", {}, `${kind}: `));
    }
  }

  #showValues(scene: Scene, path: string, view: TaskView, { details, problem, loading }: Known): void {
    const task = (details?.task ?? {}) as Record<string, unknown>;
    const omitted = details?.omitted ?? [];
    const hidden = details !== null && !("argument" in task) && !omitted.includes("argument");
    setText(this.#note, hidden ? runWords.hidden : details || problem ? "" : loading ? runWords.loadingTask : "");
    setText(this.#problem, problem && !loading ? problem.message : "");
    this.#again = () => scene.details.reload(path);
    this.#reload.hidden = !problem || loading;

    const passed = view.status === "ok";
    const body = "body" in view ? view.body : task["body"];
    this.#result.set(body, passed && (("body" in view && view.body !== undefined) || "body" in task) && !hidden, passed ? omitted : []);
    this.#argument.set(task["argument"], task["argument"] !== undefined && task["argument"] !== null, omitted);
    const context = task["context"];
    this.#context.set(context, typeof context === "object" && context !== null, omitted);
    this.#undoError.set(task["undoError"], Boolean(task["undoError"]), omitted);
    const traceback = task["traceback"];
    this.#tracebackSection.show(typeof traceback === "string" && traceback !== "");
    if (typeof traceback === "string" && this.#traceback.textContent !== traceback) this.#traceback.textContent = traceback;

    const attempts = details?.attempts ?? [];
    this.#attemptsSection.show(attempts.length > 0, attempts.length ? String(attempts.length) : "");
    this.#attempts.set(attempts, scene.now);

    const mayUpdate = scene.allowed.has("update");
    const reason = updaterReason(view.status, "updaters" in task, scene.connection);
    this.#updatersSection.show(!hidden && details !== null && (mayUpdate || Boolean(task["updaters"])));
    this.#updaters.update(path, task["updaters"], mayUpdate ? (reason ? runWords.reasons[reason] : "") : null);

    const count = view.logCount ?? 0;
    this.#logSection.show(!hidden && (count > 0 || view.status === "running"), count ? String(count) : "");
    if (!hidden) this.#log.update(path, scene.state.logs[path], count, view.status === "running");
  }

}
