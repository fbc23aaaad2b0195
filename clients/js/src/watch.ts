/** What the listeners of one instance want, as one request. */
import { initialState, reduce, type JobState } from "./state.js";
import type { Message, WatchWorkflowInstance } from "./protocol.gen.js";

/** What a listener wants to be told. */
export interface WatchOptions {
  /** A signed ticket for this instance, for those who are not signed in. */
  ticket?: string | null | undefined;
  /** Whether log lines are wanted (true if left out), or of which tasks. */
  logs?: boolean | string[] | undefined;
  /** Blocks of more tasks than this come folded: so many of them, of the others the counts. 10 to 1000; left out: never. */
  fold?: number | null | undefined;
}

export type Listener = (state: JobState) => void;

export interface Entry {
  listener: Listener;
  options: WatchOptions;
}

type Wanted = Pick<WatchWorkflowInstance, "ticket" | "logs" | "fold">;

/** What satisfies all of them: whoever wants more gets it, and the others with him. Without what goes without saying. */
export const merged = (options: WatchOptions[]): Wanted => {
  const wanted: Wanted = {};
  const folds = options.map(({ fold }) => fold ?? Infinity);
  const fold = Math.max(...folds);
  if (Number.isFinite(fold)) wanted.fold = fold;
  const logs = options.map((each) => each.logs ?? true);
  if (!logs.includes(true)) {
    const paths = [...new Set(logs.flatMap((each) => (Array.isArray(each) ? each : [])))].sort();
    wanted.logs = paths.length ? paths : false;
  }
  const ticket = options.filter((each) => each.ticket).at(-1)?.ticket;
  if (ticket) wanted.ticket = ticket;
  return wanted;
};

/** Messages that build on the description before them. */
const PARTS: readonly string[] = ["setWorkflowStatus", "setTasksStatuses", "taskLog", "workflowBlock"];

/** One instance that is watched. */
export class Watch {
  state: JobState;
  /** The latest state that the listeners were told. */
  told: JobState;
  readonly entries = new Set<Entry>();
  /** What the server was asked for, as JSON; "" before that. */
  asked = "";
  /** The description that belongs to what was asked for has come. */
  #described = false;
  /** Everything up to `#seq` is known. */
  #complete = false;
  #seq = 0;

  constructor(id: string) {
    this.state = this.told = initialState(id);
  }

  get wanted(): WatchOptions[] {
    return [...this.entries].map(({ options }) => options);
  }

  /** Whether the listeners want something else than what the server was asked for. */
  get news(): boolean {
    return JSON.stringify(merged(this.wanted)) !== this.asked;
  }

  /** The fields of the request to watch it. */
  ask(): Wanted & { since: number | undefined } {
    const wanted = merged(this.wanted);
    const asked = JSON.stringify(wanted);
    // What was not asked for before is in no change since then: it has to come from the beginning.
    if (asked !== this.asked) this.#described = this.#complete = false;
    this.asked = asked;
    return { ...wanted, since: this.#complete ? this.#seq : undefined };
  }

  /** Take in a message; whether there is something to tell the listeners. */
  take(message: Message): boolean {
    // What is wrong with somebody's request is theirs to hear; only the watch's own errors are of the instance.
    if (message.type === "appError" && message.ref !== undefined && !String(message.ref).startsWith("watch ")) return false;
    if (message.type === "workflowDescription") {
      this.#described = true;
      this.#complete = false;
    }
    // The rest of an earlier watch, still on its way.
    if (!this.#described && PARTS.includes(message.type)) return false;
    this.state = reduce(this.state, message);
    if ("more" in message && message.more) return false;
    if (this.#described && message.type !== "workflowBlock" && "seq" in message && message.seq !== undefined) {
      this.#seq = message.seq;
      this.#complete = true;
    }
    if (this.state === this.told) return false;
    this.told = this.state;
    return true;
  }
}
