/** What is recorded of tasks beyond their views, asked for when somebody looks, and again when they change. */

import type { Attempt, Problem, TaskDetails, TaskView } from "../protocol.gen.js";

/** What of a task is known. */
export interface Known {
  details: TaskDetails | null;
  /** Why not, where it could not be had. */
  problem: Problem | null;
  loading: boolean;
}

interface Entry extends Known {
  /** Of which version of the task they are. */
  version: string;
}

export type Fetch = (path: string) => Promise<TaskDetails>;

/** Tasks whose details are kept. */
const KEPT = 200;
/** Requests at a time. */
const AT_ONCE = 3;

const NOTHING: Known = { details: null, problem: null, loading: true };

/** What of a view changes its details. */
export const versionOf = (view: TaskView | undefined): string =>
  JSON.stringify([view?.status, view?.run, view?.attempt, view?.retries, view?.finishedAt, view?.undo, updatersOf(view)]);

/** They are in no view, but in the change that replaces them. */
const updatersOf = (view: TaskView | undefined): unknown => (view as Record<string, unknown> | undefined)?.["updaters"];

/** Details by path. Tells `changed` when there are new ones. */
export class DetailsStore {
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Map<string, string>();
  readonly #fetch: Fetch;
  readonly #changed: () => void;
  #under = 0;
  #generation = 0;

  constructor(fetch: Fetch, changed: () => void) {
    this.#fetch = fetch;
    this.#changed = changed;
  }

  /** What is known of a task now; asks for it where that is nothing, or of an earlier version of the task. */
  of(path: string, view: TaskView | undefined): Known {
    const version = versionOf(view);
    const entry = this.#entries.get(path);
    if (entry?.version !== version) this.#want(path, version);
    return entry ?? NOTHING;
  }

  /** What is known, without asking. */
  peek(path: string): Known | undefined {
    return this.#entries.get(path);
  }

  /** Earlier attempts at a task that had some, asked for where they are not known. */
  attempts(path: string, view: TaskView | undefined): readonly Attempt[] {
    const { attempt, retries, losses } = view ?? {};
    const had = (attempt ?? 0) > 1 || (retries ?? 0) > 0 || (losses ?? 0) > 0;
    return had ? (this.of(path, view).details?.attempts ?? []) : [];
  }

  /** Ask again, whatever is known. */
  reload(path: string): void {
    const entry = this.#entries.get(path);
    if (entry) this.#want(path, entry.version, true);
  }

  /** Of another instance, or after another sign-in: nothing is known. */
  clear(): void {
    this.#generation += 1;
    this.#entries.clear();
    this.#waiting.clear();
    this.#under = 0;
  }

  #want(path: string, version: string, again = false): void {
    const known = this.#entries.get(path);
    if (known?.loading && known.version === version && !again) return;
    this.#entries.delete(path);
    this.#entries.set(path, { details: known?.details ?? null, problem: null, version, loading: true });
    if (this.#entries.size > KEPT) this.#entries.delete(this.#entries.keys().next().value!);
    this.#waiting.set(path, version);
    this.#next();
  }

  #next(): void {
    for (const [path, version] of this.#waiting) {
      if (this.#under >= AT_ONCE) return;
      this.#waiting.delete(path);
      void this.#load(path, version);
    }
  }

  async #load(path: string, version: string): Promise<void> {
    const generation = this.#generation;
    this.#under += 1;
    let outcome: Pick<Known, "details" | "problem">;
    try {
      outcome = { details: await this.#fetch(path), problem: null };
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string };
      const details = this.#entries.get(path)?.details ?? null;
      outcome = { details, problem: { code: code ?? "UNKNOWN", message: message ?? String(error) } };
    }
    if (generation !== this.#generation) return;
    this.#under -= 1;
    const entry = this.#entries.get(path);
    // A newer version may have been asked for meanwhile: then this is shown until that comes, unless it has come already.
    if (entry && (entry.version === version || entry.loading)) this.#entries.set(path, { ...outcome, version: entry.version, loading: entry.version !== version });
    this.#next();
    this.#changed();
  }
}
