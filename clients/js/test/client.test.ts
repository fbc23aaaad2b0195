import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { initialState, JobsFlowClient, type JobState, type Message } from "../src/index.js";
import { histories, widths } from "./support/histories.js";
import { FakeSocket, turn } from "./support/socket.js";
import { Story } from "./support/story.js";

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.install();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const URL_ = "http://site.test/ws/jobs-flow/";
const nobody = (): void => {};

/** A client whose connection is open. */
const open = (): { client: JobsFlowClient; socket: FakeSocket } => {
  const client = new JobsFlowClient(URL_);
  client.watch("first", nobody);
  const socket = FakeSocket.last.greet();
  socket.sent = [];
  return { client, socket };
};

const described = (id: string, seq: number): Message[] => [
  { type: "workflowDescription", id, tasks: [], more: true },
  { type: "setWorkflowStatus", id, status: "working", seq },
];

describe("a watch", () => {
  it("is told the state, and once for messages that belong together", async () => {
    const { client, socket } = open();
    const told: JobState[] = [];
    client.watch("i", (state) => told.push(state));
    await turn();
    socket.say(...new Story("i", [2, 1]).snapshot());
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ id: "i", status: "inactive", total: 5 });
    client.watch("i", (state) => told.push(state));
    expect(told[1]).toBe(told[0]);
  });

  it("asks once for what comes in one turn, whoever comes and goes", async () => {
    const { client, socket } = open();
    const stops = [1, 2, 3].map(() => client.watch("i", nobody));
    stops.forEach((stop) => stop());
    client.watch("i", nobody);
    client.watch("gone", nobody)();
    await turn();
    expect(socket.sent).toEqual([{ type: "watchWorkflowInstance", workflowId: "i", ref: expect.stringContaining("watch") }]);
  });

  it("keeps its state when one listener follows another", async () => {
    const { client, socket } = open();
    const stop = client.watch("i", nobody);
    await turn();
    socket.say(...described("i", 3));
    stop();
    const told: JobState[] = [];
    client.watch("i", (state) => told.push(state));
    await turn();
    expect(told).toHaveLength(1);
    expect(socket.asked("unwatchWorkflowInstance")).toEqual([]);
  });

  it("ends with its last listener", async () => {
    const { client, socket } = open();
    const [one, other] = [client.watch("i", nobody), client.watch("i", nobody)];
    await turn();
    one();
    one();
    await turn();
    expect(socket.asked("unwatchWorkflowInstance")).toEqual([]);
    other();
    await turn();
    expect(socket.asked("unwatchWorkflowInstance")).toEqual([{ type: "unwatchWorkflowInstance", workflowId: "i" }]);
  });

  it("believes nothing that is said of an earlier one", async () => {
    const { client, socket } = open();
    client.watch("i", nobody)();
    await turn();
    const told: JobState[] = [];
    client.watch("i", (state) => told.push(state));
    await turn();
    socket.say({ type: "setWorkflowStatus", id: "i", status: "done", seq: 7 });
    expect(told).toEqual([]);
    socket.break();
    vi.advanceTimersByTime(1000);
    FakeSocket.last.greet();
    expect(FakeSocket.last.asked("watchWorkflowInstance").at(-1)).not.toHaveProperty("since");
  });

  it("goes on after what it knows when the connection is back", async () => {
    const { client, socket } = open();
    client.watch("i", nobody);
    await turn();
    socket.say(...described("i", 3), { type: "setTasksStatuses", id: "i", statuses: {}, seq: 9, more: true });
    socket.break();
    vi.advanceTimersByTime(1000);
    FakeSocket.last.greet();
    expect(FakeSocket.last.asked("watchWorkflowInstance")).toMatchObject([{ workflowId: "first" }, { workflowId: "i", since: 3 }]);
  });

  it("begins again when a description was not told to its end", async () => {
    const { client, socket } = open();
    client.watch("i", nobody);
    await turn();
    socket.say(...described("i", 3), ...described("i", 5).slice(0, 1));
    socket.break();
    vi.advanceTimersByTime(1000);
    FakeSocket.last.greet();
    expect(FakeSocket.last.asked("watchWorkflowInstance").at(-1)).not.toHaveProperty("since");
  });

  it("is told of its own refusal, not of others' requests", async () => {
    const { client, socket } = open();
    const told: JobState[] = [];
    client.watch("i", (state) => told.push(state));
    client.execute("i", "#.a").catch(nobody);
    await turn();
    const [request] = socket.asked("executeTask");
    socket.say({ type: "appError", id: "i", ref: request!.ref!, error: { code: "CANNOT_START_TASK", message: "no" } });
    expect(told).toEqual([]);
    const { ref } = socket.asked("watchWorkflowInstance").at(-1)!;
    socket.say({ type: "appError", id: "i", ref: ref!, error: { code: "INSTANCE_NOT_FOUND", message: "no" } });
    expect(told).toMatchObject([{ missing: true, problem: { code: "INSTANCE_NOT_FOUND" } }]);
  });

  it("goes on for others when a listener throws", async () => {
    const { client, socket } = open();
    const reported = vi.fn();
    vi.stubGlobal("reportError", reported);
    const told: JobState[] = [];
    client.watch("i", () => {
      throw new Error("a bug of the page");
    });
    client.watch("i", (state) => told.push(state));
    await turn();
    socket.say(...described("i", 1));
    expect([told.length, reported.mock.calls.length]).toEqual([1, 1]);
  });

  it("is an event too", async () => {
    const { client, socket } = open();
    const seen: JobState[] = [];
    client.addEventListener("state", ({ detail }: CustomEvent<JobState>) => seen.push(detail));
    socket.say(...described("first", 1));
    expect(seen).toMatchObject([{ id: "first", status: "working" }]);
  });

  it("is not bothered by what is no message", () => {
    const { client, socket } = open();
    for (const data of ["", "{", "null", "[]", '"text"', '{"type":5}', '{"type":"later","id":"first"}']) socket.onmessage?.({ data });
    expect(client.connection).toBe("open");
  });
});

describe("what several listeners want", () => {
  const asked = async (...options: Array<Parameters<JobsFlowClient["watch"]>[2]>): Promise<unknown> => {
    const { client, socket } = open();
    for (const each of options) client.watch("i", nobody, each);
    await turn();
    const requests = socket.asked("watchWorkflowInstance");
    expect(requests).toHaveLength(1);
    const { ref: _ref, type: _type, workflowId: _id, ...rest } = requests[0]!;
    return rest;
  };

  it.each([
    ["all logs are more than some", [{ logs: ["#.a"] }, {}], {}],
    ["some and some", [{ logs: ["#.a"] }, { logs: ["#.b", "#.a"] }], { logs: ["#.a", "#.b"] }],
    ["some and none", [{ logs: false }, { logs: ["#.a"] }], { logs: ["#.a"] }],
    ["none", [{ logs: false }, { logs: false }], { logs: false }],
    ["the wider window", [{ fold: 50 }, { fold: 200 }], { fold: 200 }],
    ["whoever wants all gets all", [{ fold: 50 }, {}], {}],
    ["the latest ticket", [{ ticket: "old" }, { ticket: "new" }, {}], { ticket: "new" }],
  ])("%s", async (_, options, expected) => {
    expect(await asked(...options)).toEqual(expected);
  });

  it("is asked for again, from the beginning, when somebody comes who wants more", async () => {
    const { client, socket } = open();
    client.watch("i", nobody, { logs: false, fold: 50 });
    await turn();
    socket.say(...described("i", 3));
    client.watch("i", nobody, { logs: false, fold: 20 });
    await turn();
    expect(socket.asked("watchWorkflowInstance")).toHaveLength(1);
    client.watch("i", nobody, { logs: ["#.a"], fold: 20 });
    await turn();
    expect(socket.asked("watchWorkflowInstance").slice(1)).toEqual([
      { type: "watchWorkflowInstance", workflowId: "i", logs: ["#.a"], fold: 50, ref: expect.any(String) },
    ]);
  });

  it("is not taken for known because a window was told as of later", async () => {
    const { client, socket } = open();
    client.watch("i", nobody, { fold: 10 });
    await turn();
    socket.say(...described("i", 3), { type: "workflowBlock", id: "i", taskPath: "#", from: 0, total: 50, tasks: [], statuses: {}, seq: 8 });
    socket.break();
    vi.advanceTimersByTime(1000);
    FakeSocket.last.greet();
    expect(FakeSocket.last.asked("watchWorkflowInstance").at(-1)).toMatchObject({ since: 3 });
  });

  it("includes the windows that were moved, when the connection is back", async () => {
    const { client, socket } = open();
    client.watch("i", nobody, { fold: 10 });
    await turn();
    const tasks = [{ name: "w", path: "#.w", children: [], total: 50, from: 0 }];
    socket.say({ type: "workflowDescription", id: "i", tasks, more: true }, { type: "setWorkflowStatus", id: "i", status: "working", seq: 1 });
    const block = client.setWindow("i", "#.w", 30);
    const [{ ref }] = socket.asked("setWindow") as unknown as [{ ref: number }];
    socket.say({ type: "workflowBlock", id: "i", taskPath: "#.w", from: 30, total: 50, tasks: [], statuses: {}, seq: 1, ref });
    expect(await block).toMatchObject({ from: 30 });
    socket.break();
    vi.advanceTimersByTime(1000);
    FakeSocket.last.greet();
    expect(FakeSocket.last.sent.slice(1)).toMatchObject([
      { type: "watchWorkflowInstance", since: 1, fold: 10 },
      { type: "setWindow", workflowId: "i", taskPath: "#.w", from: 30 },
    ]);
  });
});

describe("a request", () => {
  it("is answered by the message with its ref", async () => {
    const { client, socket } = open();
    const [one, other] = [client.pause("i"), client.getLogs("i", "#.a", { from: 0, limit: 5 })];
    const [pause, logs] = socket.sent as Array<{ ref: number }>;
    socket.say({ type: "taskLogs", ref: logs!.ref, id: "i", taskPath: "#.a", from: 0, lines: ["x"], total: 1 });
    socket.say({ type: "ack", ref: pause!.ref, id: "i", seq: 4 });
    expect(await other).toMatchObject({ lines: ["x"], total: 1 });
    expect(await one).toMatchObject({ seq: 4 });
  });

  it("that is refused is rejected with all that was said", async () => {
    const { client, socket } = open();
    const answer = client.resume("i", { mode: "failed" });
    const [{ ref }] = socket.sent as unknown as [{ ref: number }];
    socket.say({ type: "appError", ref, id: "i", error: { code: "INSTANCE_BUSY", message: "It runs.", run: 3 } as never });
    await expect(answer).rejects.toMatchObject({ name: "JobsFlowError", code: "INSTANCE_BUSY", message: "It runs.", problem: { run: 3 } });
  });

  it("waits for the connection, and keeps it until it is answered", async () => {
    const client = new JobsFlowClient(URL_);
    const answer = client.create("report", { data: { a: 1 }, execute: true });
    const socket = FakeSocket.last.greet();
    expect(socket.sent).toEqual([{ type: "createWorkflowInstance", workflow: "report", data: { a: 1 }, execute: true, ref: 1 }]);
    vi.advanceTimersByTime(10_000);
    expect(client.connection).toBe("open");
    socket.say({ type: "ack", ref: 1, id: "new" });
    expect((await answer).id).toBe("new");
    vi.advanceTimersByTime(10_000);
    expect(client.connection).toBe("closed");
  });

  it("that was sent is not sent again when the connection is lost: nobody knows what became of it", async () => {
    const { client, socket } = open();
    const answer = client.executeAll("i");
    socket.break();
    await expect(answer).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    const later = client.pause("i");
    vi.advanceTimersByTime(1000);
    FakeSocket.last.greet();
    expect(FakeSocket.last.asked("executeAllTasks")).toEqual([]);
    expect(FakeSocket.last.asked("pauseWorkflow")).toHaveLength(1);
    FakeSocket.last.say({ type: "ack", ref: FakeSocket.last.asked("pauseWorkflow")[0]!.ref! });
    await later;
  });

  it("is refused where the user is denied", async () => {
    const client = new JobsFlowClient(URL_);
    const waiting = client.pause("i");
    FakeSocket.last.break(4401);
    await expect(waiting).rejects.toMatchObject({ code: "NOT_AUTHENTICATED" });
    await expect(client.pause("i")).rejects.toMatchObject({ code: "NOT_AUTHENTICATED" });
    expect(FakeSocket.all).toHaveLength(1);
    // And not done after all, once the user is let in.
    client.watch("i", nobody);
    client.reconnect();
    expect(FakeSocket.last.greet().asked("pauseWorkflow")).toEqual([]);
  });

  it("tells an argument that was left out from one that is nothing", async () => {
    const { client, socket } = open();
    for (const args of [[], [undefined], [null], [0], [""], [false]]) client.execute("i", "#.a", ...args).catch(nobody);
    expect(socket.asked("executeTask").map((each) => ("arg" in each ? [each.arg] : []))).toEqual([[], [], [null], [0], [""], [false]]);
    client.close();
  });

  it("of details has the ticket of its watch", async () => {
    const { client, socket } = open();
    client.watch("i", nobody, { ticket: "t" });
    client.getTask("i", "#.a").catch(nobody);
    client.getTask("other", "#.a").catch(nobody);
    expect(socket.asked("getTask").map(({ ticket }) => ticket)).toEqual(["t", undefined]);
    client.close();
  });
});

describe("closing", () => {
  it("ends watches, requests and the connection; it can be used again", async () => {
    const { client, socket } = open();
    const told: JobState[] = [];
    client.watch("i", (state) => told.push(state));
    const answer = client.pause("i");
    client.close();
    await expect(answer).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect([client.connection, socket.closed, vi.getTimerCount()]).toEqual(["closed", true, 0]);
    client.watch("i", nobody);
    FakeSocket.last.greet();
    expect(FakeSocket.last.asked("watchWorkflowInstance")).toMatchObject([{ workflowId: "i" }]);
  });
});

describe("any history over any connection", () => {
  const known = ({ notice: _, ...state }: JobState): unknown => state;

  it("ends with the state of who was never disconnected, and never tells half of a change", async () => {
    await fc.assert(
      fc.asyncProperty(widths, histories, fc.infiniteStream(fc.nat(9)), async (shape, history, chances) => {
        FakeSocket.install();
        const story = new Story("i", shape);
        const chance = (): number => chances.next().value as number;
        const client = new JobsFlowClient(URL_);
        let latest = initialState("i");
        let steps = true;
        client.watch("i", (state) => {
          steps &&= state.seq >= latest.seq && (state.status === null || state.total === story.paths.length);
          latest = state;
        });
        let watching: FakeSocket | null = null;
        const come = (): void => {
          const socket = FakeSocket.last;
          if (socket.greeted || socket.closed) return;
          socket.greet();
          for (const request of socket.asked("watchWorkflowInstance")) {
            const told = request.since == null ? story.snapshot() : story.since(request.since);
            // The connection may break in the middle of an answer.
            if (chance() < 2) return (socket.say(...told.slice(0, 2)), socket.break());
            socket.say(...told);
          }
          watching = socket;
        };
        come();
        for (const happening of history) {
          const told = story.tell(happening);
          if (watching && chance() < 3) {
            FakeSocket.last.break();
            watching = null;
          } else if (watching) {
            FakeSocket.last.say(...told);
          } else {
            vi.advanceTimersByTime(60_000);
            come();
          }
        }
        while (!watching) {
          vi.advanceTimersByTime(60_000);
          come();
        }
        client.close();
        const expected = new JobsFlowClient(URL_);
        let whole = initialState("i");
        expected.watch("i", (state) => (whole = state));
        FakeSocket.last.greet().say(...story.snapshot());
        expected.close();
        expect(known(latest)).toEqual(known(whole));
        expect(steps).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
