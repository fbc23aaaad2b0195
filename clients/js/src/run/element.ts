/** <jobs-flow-run>: all of a run, for any page. */

import type { JobsFlowClient } from "../client.js";
import { JobsFlowElement, WATCHED } from "../element.js";
import { ROOT } from "../state.js";
import type { JobState } from "../state.js";
import { parseCommands } from "./commands.js";
import type { Asked } from "./commands.js";
import type { Actions, Scene, ViewName } from "./context.js";
import { DetailsStore } from "./details.js";
import { ancestorsOf, findTask, rowsOf } from "./model.js";
import { page } from "./page.js";
import { request } from "./request.js";
import type { Given } from "./request.js";
import { sheets } from "./style.js";
import { RunView } from "./view.js";
import { runWords } from "./words.js";

/**
 * `<jobs-flow-run instance="ID" [url] [transport="http"] [ticket] [label] [commands] [theme] [view="tree|timeline"]>`
 *
 * Shows a workflow instance with its tasks, what they gave, their logs and attempts, and steers it. `commands`:
 * those that are offered (run resume pause cancel reset destroy task update, "all" or "none"); without it all but
 * destroy. What the reader may is for the server to say. `transport="http"`: for places without sockets; `url` is then
 * where `jobs_flow_django.urls` is mounted, and what wide blocks do not show cannot be had.
 *
 * Events, which bubble: jobs-flow:state, jobs-flow:done, jobs-flow:failed (detail: the state), jobs-flow:select
 * (detail: {path}), jobs-flow:command (detail: {command, label, path, ...}; cancelable: then nothing is sent).
 * Properties: `state`, `client`, `selected`.
 */
export class JobsFlowRun extends JobsFlowElement {
  static observedAttributes = [...WATCHED, "label", "commands", "view"];

  readonly #view: RunView;
  readonly #details: DetailsStore;
  #opened = new Map<string, boolean>();
  /** Where the windows of wide blocks are that came whole. */
  #windows = new Map<string, number>();
  #selected: string | null = null;
  /** Whether the reader chose it, or it is shown because it failed. */
  #chosen = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = sheets();
    this.#details = new DetailsStore(
      (path) => this.#connected.getTask(this.state.id, path),
      () => this.redraw(),
    );
    const actions: Actions = {
      select: (path, explicit) => this.#select(path, explicit),
      setOpen: (path, open) => this.#setOpen(path, open),
      moveWindow: (path, from) => this.#moveWindow(path, from),
      ask: (offer, opener) => {
        // Who acts on a task wants to see what becomes of it.
        this.#chosen ||= offer.path === this.#selected;
        this.#view.confirm.open(offer, opener);
      },
      send: (asked, given) => this.#send(asked, given),
      preview: (path, mode) => this.#preview(path, mode),
      redraw: () => this.redraw(),
    };
    this.#view = new RunView(
      root,
      actions,
      (path, from, limit) => this.#connected.getLogs(this.state.id, path, { from: from ?? undefined, limit }),
      (view) => this.setAttribute("view", view),
    );
  }

  /** Path of the selected task; null for none. Setting it selects. */
  get selected(): string | null {
    return this.#selected;
  }

  set selected(path: string | null) {
    this.#select(path, path !== null);
  }

  /** Those of the global `JobsFlow`, where another script has put it there. */
  protected override get shared(): Pick<typeof JobsFlowClient, "for"> {
    return page().JobsFlowClient;
  }

  get #connected(): JobsFlowClient {
    if (!this.client) throw new Error("the element is in no page, or has no instance");
    return this.client;
  }

  get #viewName(): ViewName {
    return this.getAttribute("view") === "timeline" ? "timeline" : "tree";
  }

  protected override begin(id: string): void {
    if (id !== this.state.id) {
      this.forget(id);
      this.#opened = new Map();
      this.#windows = new Map();
      this.#selected = null;
      this.#chosen = false;
    }
    this.#details.clear();
    this.#view.clear();
  }

  protected override follow(state: JobState): void {
    super.follow(state);
    this.#selectFailed();
  }

  protected override draw(): void {
    this.#view.update(this.#scene(), this.getAttribute("label"));
  }

  protected override tick(): void {
    this.#view.tick(this.#scene());
  }

  /** As long as the reader has chosen nothing, what failed is shown. */
  #selectFailed(): void {
    const path = this.state.error?.path ?? null;
    if (this.#chosen || path === this.#selected || path === ROOT) return;
    this.#selected = path;
  }

  #select(path: string | null, explicit = false): void {
    this.#chosen = explicit;
    if (path !== this.#selected) {
      this.#selected = path;
      for (const each of path === null ? [] : ancestorsOf(path)) this.#opened.set(each, true);
      this.emit("select", { path });
    }
    this.drawNow();
    this.#view.detail(path !== null && explicit);
    if (path !== null) this.#view.tree.reveal(path);
  }

  #setOpen(path: string, open: boolean): void {
    this.#opened.set(path, open);
    this.drawNow();
  }

  async #moveWindow(path: string, from: number): Promise<void> {
    const { id, tasks, window } = this.state;
    const whole = path === ROOT ? window === null : findTask(tasks, path)?.total === undefined;
    if (whole) {
      const known = path === ROOT ? tasks.length : (findTask(tasks, path)?.children.length ?? 0);
      this.#windows.set(path, Math.max(0, Math.min(from, known - 1)));
      return this.drawNow();
    }
    try {
      await this.#connected.setWindow(id, path, from);
    } catch (error) {
      this.#view.tell(runWords.refused((error as Error).message));
    }
    if (this.state.id === id) this.drawNow();
  }

  async #preview(path: string, mode: string): Promise<string[]> {
    const asked = path === ROOT ? { mode: mode as "failed" } : { taskPath: path };
    const { paths } = await this.#connected.resume(this.state.id, { ...asked, preview: true });
    return paths ?? [];
  }

  async #send({ command, label, path }: Asked, given: Given): Promise<boolean> {
    const { id } = this.state;
    if (!this.emit("command", { command, label, path, id, ...given }, true)) return true;
    const { changed } = await request(this.#connected, id, { command, label, path }, given);
    this.#details.reload(path);
    return changed !== false;
  }

  #scene(): Scene {
    return {
      state: this.state,
      connection: this.connection,
      now: this.now,
      rows: rowsOf(this.state, this.#opened, this.#windows),
      selected: this.#selected,
      view: this.#viewName,
      allowed: parseCommands(this.getAttribute("commands"), this.hasAttribute("ticket")),
      details: this.#details,
    };
  }
}

