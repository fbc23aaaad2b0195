import {
  JobsFlowClient,
  type Hooks,
  type Message,
  type Request,
  type TaskNode,
  type TaskView,
  type Transport,
} from "@jobs-flow/client";
import { act } from "@testing-library/react";

/** `"a b/c d"`: a, then b with the subtasks c and d. */
export const tree = (text: string, parent = "#"): TaskNode[] => {
  const nodes: TaskNode[] = [];
  for (const word of text.split(" ")) {
    const [head = "", ...children] = word.split("/");
    const path = `${parent}.${head}`;
    nodes.push({ name: head, path, children: children.flatMap((child) => tree(child.replaceAll("+", " "), path)) });
  }
  return nodes;
};

const paths = (nodes: TaskNode[]): string[] => nodes.flatMap(({ path, children }) => [path, ...paths(children)]);

interface Instance {
  tasks: TaskNode[];
  header: Record<string, unknown>;
  statuses: Record<string, TaskView>;
  logs: Record<string, string[]>;
  seq: number;
}

type Answers = { [T in Request["type"]]?: (request: Extract<Request, { type: T }>) => Partial<Message> & { type: string } };

/** A server that a real client talks to, in this process. Whatever it says is taken in within `act`. */
export class Server {
  readonly instances = new Map<string, Instance>();
  readonly asked: Request[] = [];
  readonly client: JobsFlowClient;
  answers: Answers = {};
  #hooks: Hooks | null = null;
  connections = 0;
  #isClosed = false;

  constructor() {
    const transport: Transport = (_, hooks) => {
      this.connections += 1;
      this.#hooks = hooks;
      const greet = () => this.#say({ type: "hello", version: 1, time: Date.now() });
      queueMicrotask(() => (this.#isClosed ? hooks.closed(4401) : greet()));
      return { send: (text) => this.#receive(JSON.parse(text) as Request), close: () => {} };
    };
    this.client = new JobsFlowClient("http://jobs.test/ws/", { transport });
  }

  add(id: string, tasks: string, header: Record<string, unknown> = {}): this {
    const nodes = tasks ? tree(tasks) : [];
    const statuses = Object.fromEntries(paths(nodes).map((path) => [path, { status: "inactive" } as TaskView]));
    const whole = { status: "inactive", workflow: "report", name: "", run: 0, startedAt: null, finishedAt: null, error: null };
    this.instances.set(id, { tasks: nodes, header: { ...whole, paused: false, cancelled: [], undo: null, ...header }, statuses, logs: {}, seq: 1 });
    return this;
  }

  /** Something happens to an instance; all who watch it are told. */
  async change(id: string, { header, statuses, log }: { header?: object; statuses?: Record<string, TaskView>; log?: [string, string[]] }) {
    const instance = this.instances.get(id) as Instance;
    const seq = ++instance.seq;
    const messages: object[] = [];
    if (header) {
      Object.assign(instance.header, header);
      messages.push({ type: "setWorkflowStatus", id, seq, status: instance.header["status"], ...header });
    }
    if (statuses) {
      for (const [path, view] of Object.entries(statuses)) instance.statuses[path] = { ...instance.statuses[path], ...view };
      messages.push({ type: "setTasksStatuses", id, seq, statuses });
    }
    if (log) {
      const [path, lines] = log;
      const known = (instance.logs[path] ??= []);
      messages.push({ type: "taskLog", id, seq, taskPath: path, from: known.length, lines });
      known.push(...lines);
    }
    await act(async () => {
      messages.forEach((message, index) => this.#say(index < messages.length - 1 ? { ...message, more: true } : message));
    });
  }

  /** A run goes all the way, one change a task. */
  async run(id: string, run = 1, end: object = { status: "done" }): Promise<void> {
    await this.change(id, { header: { status: "working", run, startedAt: 1000 * run } });
    let time = 1000 * run;
    for (const path of Object.keys(this.instances.get(id)?.statuses ?? {})) {
      await this.change(id, { statuses: { [path]: { status: "running", run, executionTime: ++time } } });
      await this.change(id, { statuses: { [path]: { status: "ok", run, finishedAt: ++time, duration: 1 } } });
    }
    await this.change(id, { header: { finishedAt: ++time, ...end } });
  }

  /** The connection is lost. */
  async cut(): Promise<void> {
    const hooks = this.#hooks;
    this.#hooks = null;
    await act(async () => hooks?.closed(1006));
  }

  /** The user is not signed in any more. */
  async turnAway(): Promise<void> {
    this.#isClosed = true;
    await this.back();
    await settle();
  }

  /** It is there again. */
  async back(): Promise<void> {
    await act(async () => this.client.reconnect());
  }

  /** Say anything. */
  async say(message: object): Promise<void> {
    await act(async () => this.#say(message));
  }

  /** The requests of a type. */
  of<T extends Request["type"]>(type: T): Extract<Request, { type: T }>[] {
    return this.asked.filter((request) => request.type === type) as Extract<Request, { type: T }>[];
  }

  #say(message: object): void {
    this.#hooks?.message(JSON.stringify(message));
  }

  #receive(request: Request): void {
    this.asked.push(request);
    const answer = this.answers[request.type] as ((request: Request) => object) | undefined;
    if (answer) return this.#say({ ...answer(request), ref: request.ref });
    if (request.type !== "watchWorkflowInstance") return this.#say({ type: "ack", ref: request.ref });
    const id = request.workflowId;
    const instance = this.instances.get(id);
    if (!instance) {
      const error = { code: "INSTANCE_NOT_FOUND", message: `There is no instance ${id}.` };
      return this.#say({ type: "appError", id, error, ref: request.ref });
    }
    const { tasks, header, statuses, logs, seq } = instance;
    const messages: object[] = [
      { type: "workflowDescription", id, tasks },
      { type: "setWorkflowStatus", id, seq, ...header },
      { type: "setTasksStatuses", id, seq, statuses },
      ...Object.entries(logs).map(([taskPath, lines]) => ({ type: "taskLog", id, seq, taskPath, from: 0, lines })),
    ];
    messages.forEach((message, index) => this.#say(index < messages.length - 1 ? { ...message, more: true } : message));
  }
}

/** Let everything happen that has been asked for. */
export const settle = () => act(async () => {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
});
