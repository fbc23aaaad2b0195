import { clientOf } from "../attributes.js";
import { JobsFlowClient } from "../client.js";
import { sheet, theme } from "../draw/theme.js";
import { FINISHED, initialState, type JobState } from "../state.js";
import { fetchResult } from "./result.js";
import { style } from "./style.js";
import { View, type ResultState } from "./view.js";

/** Blocks of more tasks than this come in parts. */
const FOLD = 100;

let css: CSSStyleSheet | undefined;

/**
 * <jobs-flow-progress instance="ID" [src="URL"] [url="SOCKET URL"] [transport="http"] [ticket="TICKET"] [label="TITLE"] [folded]>
 *
 * Shows a workflow instance at work. With `src`: once it is done, the HTML of that URL (of this origin, with
 * cookies) takes the place of the progress, as content of the element. `ticket`: for those who are not signed in.
 * `transport="http"`: for places without sockets; `url` is then where `jobs_flow_django.urls` is mounted.
 * Events, which bubble: jobs-flow:state, jobs-flow:done, jobs-flow:failed; `event.detail` is the state. Property
 * `state`: the latest one.
 */
export class JobsFlowProgress extends HTMLElement {
  static observedAttributes = ["instance", "url", "src", "label", "folded", "ticket", "transport"];

  state: JobState = initialState("");
  readonly #view: View;
  #client: JobsFlowClient | null = null;
  #stop: () => void = () => {};
  #frame = 0;
  #clock: ReturnType<typeof setInterval> | undefined;
  /** Of which run the end was announced; the page may come when it is over. */
  #announced: number | null = null;
  #result: ResultState = null;
  #refused = "";
  readonly #connectionChanged = (): void => this.#redraw();

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [(css ??= sheet(theme, style))];
    this.#view = new View(root, {
      redraw: () => this.#redraw(),
      reload: () => void this.#load(),
      move: (path, from) => this.#move(path, from),
    });
  }

  /** The client of its socket: `element.client.executeAll(id)`. */
  get client(): JobsFlowClient | null {
    return this.#client;
  }

  connectedCallback(): void {
    this.#view.foldable = this.#view.folded = this.hasAttribute("folded");
    this.#start();
  }

  disconnectedCallback(): void {
    this.#leave();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (!this.isConnected || before === after) return;
    if (["instance", "url", "ticket", "transport"].includes(name)) this.#start();
    if (name === "folded") this.#view.foldable = this.#view.folded = after !== null;
    this.#redraw();
  }

  #start(): void {
    this.#leave();
    const id = this.getAttribute("instance") ?? "";
    this.state = initialState(id);
    this.#announced = this.#result = null;
    this.#refused = "";
    if (id) {
      this.#client = clientOf(this, JobsFlowClient);
      this.#client.addEventListener("connection", this.#connectionChanged);
      const options = { ticket: this.getAttribute("ticket"), fold: FOLD };
      this.#stop = this.#client.watch(id, (state) => this.#changed(state), options);
    }
    this.#redraw();
  }

  #leave(): void {
    this.#stop();
    this.#stop = () => {};
    this.#client?.removeEventListener("connection", this.#connectionChanged);
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#clock);
    this.#frame = 0;
    this.#clock = undefined;
  }

  #changed(state: JobState): void {
    this.state = state;
    this.#emit("state");
    if (state.status === "deleted" && this.#result === "shown") {
      // What the reader is looking at outlives the instance, of which nothing is kept for ever.
    } else if (!FINISHED.has(state.status)) {
      this.#announced = null;
      if (this.#result) this.#result = null;
    } else if (this.#announced !== state.run) {
      this.#announced = state.run;
      if (state.status === "done") {
        if (this.hasAttribute("src")) void this.#load();
        this.#emit("done");
      } else {
        this.#emit("failed");
      }
    }
    this.#redraw();
  }

  #emit(name: string): void {
    this.dispatchEvent(new CustomEvent(`jobs-flow:${name}`, { detail: this.state, bubbles: true, composed: true }));
  }

  #move(path: string, from: number): void {
    const told = (refused: string): void => {
      this.#refused = refused;
      this.#redraw();
    };
    this.#client?.setWindow(this.state.id, path, from).then(
      () => told(""),
      (error: Error) => told(error.message),
    );
  }

  /** Once a frame at most, however many messages come. */
  #redraw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    // An answer may come after it was taken out of the page; its clock must not go on then.
    if (!this.isConnected) return;
    this.#view.card.hidden = this.#result === "shown";
    this.#view.content.hidden = this.#result !== "shown";
    const connection = this.#client?.connection ?? "closed";
    const given = { now: this.#now(), connection, label: this.getAttribute("label"), result: this.#result, refused: this.#refused };
    this.#view.update(this.state, given);
    const moving = this.state.status === "working" && connection === "open";
    if (moving) this.#clock ??= setInterval(() => this.#view.tick(this.state, this.#now()), 1000);
    else {
      clearInterval(this.#clock);
      this.#clock = undefined;
    }
  }

  #now(): number {
    return Date.now() + (this.#client?.clockOffset ?? 0);
  }

  /** Put the result in the place of the progress. */
  async #load(): Promise<void> {
    const { run } = this.state;
    const current = (): boolean => this.state.run === run && this.#result === "loading";
    this.#result = "loading";
    this.#redraw();
    try {
      const nodes = await fetchResult(this.getAttribute("src") ?? "");
      if (!current()) return;
      this.replaceChildren(...nodes);
      this.#result = "shown";
    } catch (error) {
      console.error("jobs-flow: the result could not be loaded", error);
      if (current()) this.#result = "failed";
    }
    this.#redraw();
  }
}
