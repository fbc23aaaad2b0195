/**
 * A server's side of one instance, as small as it can be: what is so, what happened, and what a watcher is told of it.
 * Told the same way as by the Python server: a snapshot first, then changes; after a reset a snapshot again.
 */
import type { InstanceStatus, Message, TaskNode, TaskStatus, TaskView } from "../../src/index.js";

type Told = Exclude<Message, { type: "hello" }>;

/** One thing that happens. Numbers choose among what there is. */
export type Happening =
  | { kind: "status"; task: number; status: TaskStatus }
  | { kind: "progress"; task: number; value: number }
  | { kind: "log"; task: number; lines: string[] }
  | { kind: "header"; status: InstanceStatus; paused: boolean }
  | { kind: "refused" }
  | { kind: "run" };

const leaves = (nodes: TaskNode[]): string[] => nodes.flatMap(({ path, children }) => [path, ...leaves(children)]);

/** A tree: a task for each number, with so many subtasks. */
export const treeOf = (widths: number[]): TaskNode[] =>
  widths.map((width, i) => ({
    name: `t${i}`,
    path: `#.t${i}`,
    children: Array.from({ length: width }, (_, k) => ({ name: `s${k}`, path: `#.t${i}.s${k}`, children: [] })),
  }));

export class Story {
  readonly id: string;
  readonly tree: TaskNode[];
  readonly paths: string[];
  statuses: Record<string, TaskView> = {};
  logs: Record<string, string[]> = {};
  header = { status: "inactive" as InstanceStatus, run: 0, paused: false };
  seq = 0;
  /** The messages of each event since the last reset, by its number. */
  #events = new Map<number, Told[]>();

  constructor(id: string, widths: number[]) {
    this.id = id;
    this.tree = treeOf(widths);
    this.paths = leaves(this.tree);
    this.#reset();
  }

  /** Let it happen; gives what a watcher is told who knows everything until now. */
  tell(happening: Happening): Told[] {
    this.seq += 1;
    const { id, seq } = this;
    if (happening.kind === "run") {
      this.header = { ...this.header, status: "working", run: this.header.run + 1 };
      this.#reset();
      return this.snapshot();
    }
    const told = this.#told(happening, id, seq);
    this.#events.set(seq, told);
    return told;
  }

  /** All that is so. */
  snapshot(): Told[] {
    const { id, seq } = this;
    const half = Math.ceil(this.paths.length / 2);
    const part = (from: number, to?: number): Record<string, TaskView> =>
      Object.fromEntries(this.paths.slice(from, to).map((path) => [path, { ...this.statuses[path] }]));
    const logs = Object.entries(this.logs).map(([taskPath, lines]) => ({ type: "taskLog" as const, id, taskPath, lines: [...lines], from: 0, seq }));
    const messages: Told[] = [
      { type: "workflowDescription", id, tasks: structuredClone(this.tree) },
      { type: "setWorkflowStatus", id, ...this.#fields(), seq },
      { type: "setTasksStatuses", id, statuses: part(0, half), seq },
      { type: "setTasksStatuses", id, statuses: part(half), seq },
      ...logs,
    ];
    return messages.map((message, i) => (i < messages.length - 1 ? ({ ...message, more: true } as Told) : message));
  }

  /** What a watcher is told who knows everything up to an event: the changes after it, if they are known still. */
  since(seq: number): Told[] {
    if (seq > this.seq) return this.snapshot();
    const missed: Told[] = [];
    for (let number = seq + 1; number <= this.seq; number++) {
      const told = this.#events.get(number);
      if (!told) return this.snapshot();
      missed.push(...told);
    }
    // The header always comes, so that there is an answer.
    const header: Told = { type: "setWorkflowStatus", id: this.id, ...this.#fields(), seq: this.seq };
    return [...missed.map((message) => ({ ...message, seq: this.seq, more: true }) as Told), header];
  }

  #fields(): Pick<Message & { type: "setWorkflowStatus" }, "status"> & Record<string, unknown> {
    return { workflow: "w", name: "n", startedAt: null, finishedAt: null, error: null, cancelled: [], undo: null, ...this.header };
  }

  #reset(): void {
    this.statuses = Object.fromEntries(this.paths.map((path) => [path, { status: "inactive" }]));
    this.logs = {};
    this.#events.clear();
  }

  #told(happening: Exclude<Happening, { kind: "run" }>, id: string, seq: number): Told[] {
    if (happening.kind === "header") {
      this.header = { ...this.header, status: happening.status, paused: happening.paused };
      return [{ type: "setWorkflowStatus", id, ...this.#fields(), seq }];
    }
    if (happening.kind === "refused") {
      return [{ type: "executionError", id, error: { type: "CANNOT_START_TASK", payload: { message: "no" } }, seq }];
    }
    const path = this.paths[happening.task % this.paths.length]!;
    if (happening.kind === "log") {
      const known = (this.logs[path] ??= []);
      const from = known.length;
      known.push(...happening.lines);
      return [{ type: "taskLog", id, taskPath: path, from, lines: happening.lines, seq }];
    }
    const change: TaskView = happening.kind === "status" ? { status: happening.status } : { progress: happening.value };
    this.statuses[path] = { ...this.statuses[path], ...change };
    return [{ type: "setTasksStatuses", id, statuses: { [path]: change }, seq }];
  }
}
