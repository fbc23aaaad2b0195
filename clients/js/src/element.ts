/** What all elements that watch an instance have in common: their life in the page, their client, their events. */
import { JobsFlowClient } from "./client.js";
import { eventSource } from "./sse.js";
import { FINISHED, initialState, type JobState } from "./state.js";
import { WINDOW } from "./tree.js";

/** Attributes that say what is watched, and how; with another value it is watched anew. */
export const WATCHED: readonly string[] = ["instance", "url", "transport", "ticket"];

/** Where `jobs_flow_django.urls` is when nothing else is said. */
const HTTP_URL = "/jobs-flow/";

/** An element that watches the instance of its attribute `instance` for as long as it is in a page. */
export abstract class JobsFlowElement extends HTMLElement {
  /** The latest known. */
  state: JobState = initialState("");
  #client: JobsFlowClient | null = null;
  #stop: (() => void) | undefined;
  #frame = 0;
  #clock: ReturnType<typeof setInterval> | undefined;
  /** Of which run the end was announced; the page may come when it is over. */
  #announced: number | null = null;
  readonly #connectionChanged = (): void => this.redraw();

  /** The client of its socket: `element.client.executeAll(id)`. */
  get client(): JobsFlowClient | null {
    return this.#client;
  }

  /** Which clients the elements of the page share. */
  protected get shared(): Pick<typeof JobsFlowClient, "for"> {
    return JobsFlowClient;
  }

  protected get connection(): string {
    return this.#client?.connection ?? "closed";
  }

  /** The time by the server's clock. */
  protected get now(): number {
    return Date.now() + (this.#client?.clockOffset ?? 0);
  }

  /** An instance is watched from now on, perhaps the same one. */
  protected abstract begin(id: string): void;

  protected abstract draw(): void;

  /** Draw what goes on between messages. */
  protected abstract tick(): void;

  connectedCallback(): void {
    this.#start();
  }

  disconnectedCallback(): void {
    this.#leave();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (!this.isConnected || before === after) return;
    if (WATCHED.includes(name)) this.#start();
    this.redraw();
  }

  /** What was known is of another instance. */
  protected forget(id: string): void {
    this.state = initialState(id);
    this.#announced = null;
  }

  /** Tell the page of a new state, and once of the end of each run. */
  protected follow(state: JobState): void {
    if (!FINISHED.has(state.status)) {
      this.#announced = null;
    } else if (this.#announced !== state.run) {
      this.#announced = state.run;
      this.ended();
      this.emit(state.status === "done" ? "done" : "failed");
    }
  }

  /** A run has ended; before the page is told. */
  protected ended(): void {}

  /** Whether nobody objected. */
  protected emit(name: string, detail: unknown = this.state, cancelable = false): boolean {
    return this.dispatchEvent(new CustomEvent(`jobs-flow:${name}`, { detail, bubbles: true, composed: true, cancelable }));
  }

  /** Once a frame at most, however many messages come. */
  protected redraw(): void {
    this.#frame ||= requestAnimationFrame(() => this.drawNow());
  }

  protected drawNow(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    // An answer may come after it was taken out of the page; its clock must not go on then.
    if (!this.isConnected) return;
    this.draw();
    if (this.state.status !== "working" || this.connection !== "open") this.#rest();
    else this.#clock ??= setInterval(() => this.tick(), 1000);
  }

  #start(): void {
    this.#leave();
    const id = this.getAttribute("instance") ?? "";
    this.begin(id);
    if (id) {
      this.#client = this.#find();
      this.#client.addEventListener("connection", this.#connectionChanged);
      this.#stop = this.#client.watch(id, (state) => this.#changed(state), { ticket: this.getAttribute("ticket"), fold: WINDOW });
    }
    this.redraw();
  }

  #leave(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#client?.removeEventListener("connection", this.#connectionChanged);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#rest();
  }

  #rest(): void {
    clearInterval(this.#clock);
    this.#clock = undefined;
  }

  #changed(state: JobState): void {
    this.state = state;
    this.emit("state");
    this.follow(state);
    this.redraw();
  }

  #find(): JobsFlowClient {
    const url = this.getAttribute("url") || undefined;
    if (this.getAttribute("transport") !== "http") return this.shared.for(url);
    return this.shared.for(url ?? HTTP_URL, { transport: eventSource });
  }
}
