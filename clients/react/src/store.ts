/**
 * What is known of the instances that a page watches, one store for each client.
 *
 * Components that ask for the same instance in the same way share one watch and so one state object: what React
 * renders in one pass is of one moment. Nothing is asked for before somebody subscribes, so rendering has no effect.
 */
import { initialState, type JobsFlowClient, type JobState, type TaskView } from "@jobs-flow/client";

/** An instance's id; null or undefined: none (yet). */
export type JobId = string | number | null | undefined;

/** A state of any instance, also of one whose workflow is known by `manage.py jobs_flow_types`. */
export type AnyJob = Omit<JobState, "statuses"> & {
  readonly statuses: Readonly<Record<string, TaskView | undefined>>;
};

/** How an instance is watched; see `JobsFlowClient.watch`. */
export interface JobOptions {
  /** A signed ticket, for pages whose reader is not signed in. */
  ticket?: string | undefined;
  /** Whether log lines are wanted (true if left out), or of which tasks. */
  logs?: boolean | readonly string[] | undefined;
  /** Blocks of more tasks than this are folded: so many in a window, of the others the counts. */
  fold?: number | null | undefined;
}

interface Entry {
  state: JobState | null;
  readonly listeners: Set<() => void>;
  stop: () => void;
}

/** Text that is the same for equal options. */
export const keyOf = (options: JobOptions | undefined): string =>
  JSON.stringify([options?.ticket ?? null, options?.logs ?? true, options?.fold ?? null]);

/** The ids as text, each once, without those that are none. */
export const textsOf = (ids: readonly JobId[]): string[] => [
  ...new Set(ids.filter((id) => id !== null && id !== undefined && id !== "").map(String)),
];

/** The watches of one client. */
export class Watches {
  readonly #client: JobsFlowClient;
  readonly #entries = new Map<string, Entry>();

  constructor(client: JobsFlowClient) {
    this.#client = client;
  }

  /** What is known of an instance; null before its first message, and when nobody watches it. */
  known(id: string, key: string): JobState | null {
    return this.#entries.get(`${key} ${id}`)?.state ?? null;
  }

  /** Call `listener` whenever what is known of the instance changes; gives the function that ends it. */
  subscribe(id: string, key: string, listener: () => void): () => void {
    const name = `${key} ${id}`;
    const entry = this.#entries.get(name) ?? this.#open(name, id, key);
    // A function of its own, so that the same listener may subscribe twice.
    const own = () => listener();
    entry.listeners.add(own);
    return () => {
      entry.listeners.delete(own);
      // Not at once: effects that React runs twice, and a component that takes another's place, keep the watch.
      if (!entry.listeners.size) queueMicrotask(() => this.#close(name, entry));
    };
  }

  #open(name: string, id: string, key: string): Entry {
    const entry: Entry = { state: null, listeners: new Set(), stop: () => {} };
    this.#entries.set(name, entry);
    const [ticket, logs, fold] = JSON.parse(key) as [string | null, boolean | string[], number | null];
    entry.stop = this.#client.watch(
      id,
      (state) => {
        if (state === entry.state) return;
        entry.state = state;
        for (const listener of [...entry.listeners]) listener();
      },
      { ...(ticket !== null && { ticket }), logs, fold },
    );
    return entry;
  }

  #close(name: string, entry: Entry): void {
    if (entry.listeners.size || this.#entries.get(name) !== entry) return;
    this.#entries.delete(name);
    entry.stop();
  }
}

const stores = new WeakMap<JobsFlowClient, Watches>();

/** The store of a client, the same for all who ask. */
export function watchesOf(client: JobsFlowClient): Watches {
  let store = stores.get(client);
  if (!store) stores.set(client, (store = new Watches(client)));
  return store;
}

/** States by id. */
export type States = Readonly<Record<string, JobState>>;

/** What `useSyncExternalStore` needs for some instances: the same object as long as none of them has changed. */
export class Source {
  readonly #watches: () => Watches;
  readonly #ids: readonly string[];
  readonly #key: string;
  readonly #blank: States;
  #last: States;

  /** `watches` is only called in a browser. */
  constructor(watches: () => Watches, ids: readonly string[], key: string) {
    this.#watches = watches;
    this.#ids = ids;
    this.#key = key;
    this.#blank = this.#last = byId(ids, initialState);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const watches = this.#watches();
    const stops = this.#ids.map((id) => watches.subscribe(id, this.#key, listener));
    return () => stops.forEach((stop) => stop());
  };

  readonly snapshot = (): States => {
    const watches = this.#watches();
    const known = (id: string) => watches.known(id, this.#key) ?? (this.#blank[id] as JobState);
    if (this.#ids.some((id) => known(id) !== this.#last[id])) this.#last = byId(this.#ids, known);
    return this.#last;
  };

  /** While a page is rendered on a server, and while a browser takes that page over: nothing is known. */
  readonly serverSnapshot = (): States => this.#blank;
}

// No prototype: an id may be any text, "__proto__" too.
const byId = (ids: readonly string[], state: (id: string) => JobState): States => {
  const states = Object.create(null) as Record<string, JobState>;
  for (const id of ids) states[id] = state(id);
  return states;
};
