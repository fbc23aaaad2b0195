/** Both sides of the protocol against its schema, and against each other. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it, vi } from "vitest";
import { initialState, JobsFlowClient, reduce, type JobState, type Message, type Request } from "../src/index.js";
import { FakeSocket, turn } from "./support/socket.js";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const schema = JSON.parse(readFileSync(at("../../../jobs_flow_django/live/protocol.schema.json"), "utf8")) as {
  $defs: Record<string, { oneOf?: Array<{ $ref: string }>; properties?: { type?: { const: string } } }>;
};
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
ajv.addSchema(schema, "protocol");

/** The definitions of a union by the type they are about. */
const byType = (union: "Request" | "Message"): Map<string, string> =>
  new Map(schema.$defs[union]!.oneOf!.map(({ $ref }) => [schema.$defs[$ref.split("/").at(-1)!]!.properties!.type!.const, $ref]));
const REQUESTS = byType("Request");
const MESSAGES = byType("Message");

const faults = (value: Request | Message, known: Map<string, string>): unknown => {
  const definition = known.get(value.type);
  if (!definition) return `${value.type} is no type of the schema`;
  const valid = ajv.validate(`protocol${definition}`, value);
  return valid ? null : { value, errors: ajv.errors };
};

/** A page that can be hidden and shown. */
class Page extends EventTarget {
  visibilityState = "visible";
  baseURI = "http://site.test/";

  hideAndShow(): void {
    for (this.visibilityState of ["hidden", "visible"]) this.dispatchEvent(new Event("visibilitychange"));
  }
}

describe("every request of the client", () => {
  const nobody = (): void => {};

  const recorded = async (page: Page): Promise<Request[]> => {
    FakeSocket.install();
    const client = new JobsFlowClient("http://site.test/ws/");
    client.watch("plain", nobody);
    const socket = FakeSocket.last.greet();
    client.watch("other", nobody, { logs: ["#.a"], fold: 100, ticket: "ticket" });
    const stop = client.watch("left", nobody, { logs: false });
    await turn();
    stop();
    const asked = [
      ...[[], [null], [0], ["text"], [{ deep: [1, { more: null }] }]].map((args) => client.execute("i", "#.a", ...args)),
      client.executeAll("i"),
      client.executeAll("i", { first: 1 }),
      client.create("report"),
      client.create("report", { data: [1], realm: "r", name: "n", key: "k", execute: true }),
      client.create("report", { realm: null, name: null, key: null, data: null }),
      client.resume("i"),
      client.resume("i", { mode: "failed_and_downstream", preview: true }),
      client.resume("i", { taskPath: "#.a" }),
      client.cancel("i"),
      client.cancel("i", { taskPath: "#.a", undo: true }),
      client.pause("i"),
      client.unpause("i"),
      client.reset("i"),
      client.reset("i", "#.a"),
      client.destroy("i"),
      client.setContextUpdaters("i", "#.a", [{ seen: { $push: [3] } }]),
      client.getTask("i", "#.a"),
      client.getTask("other", "#.a"),
      client.getLogs("i", "#.a"),
      client.getLogs("other", "#.a", { from: 0, limit: 1000 }),
      client.setWindow("other", "#", 100),
    ];
    page.hideAndShow();
    await turn();
    for (const each of asked) each.catch(nobody);
    // Again, after a lost connection: with what is known, and windows that were moved.
    const tasks = [{ name: "w", path: "#.w", children: [], total: 500, from: 200 }];
    socket.say({ type: "workflowDescription", id: "other", tasks, more: true }, { type: "setWorkflowStatus", id: "other", status: "working", seq: 7 });
    client.reconnect();
    FakeSocket.last.greet();
    const requests = [...socket.sent, ...FakeSocket.last.sent];
    client.close();
    vi.unstubAllGlobals();
    return requests;
  };

  it("is one of the schema", async () => {
    const page = new Page();
    vi.stubGlobal("document", page);
    const requests = await recorded(page);
    expect(requests.map((request) => faults(request, REQUESTS)).filter(Boolean)).toEqual([]);
    // And there is none that the client cannot send.
    expect([...new Set(requests.map(({ type }) => type))].sort()).toEqual([...REQUESTS.keys()].sort());
    expect(requests.filter(({ type }) => type === "watchWorkflowInstance").at(-1)).toMatchObject({ since: 7 });
    expect(requests.filter(({ type }) => type === "setWindow").at(-1)).toMatchObject({ taskPath: "#.w", from: 200 });
  });
});

/** What the Python server said, and what a reader of it in Python knows at the end: see tests/support/corpus.py. */
interface Record_ {
  name: string;
  messages: Message[];
  id: string | null;
  knowledge: { tree: unknown; instance: object; statuses: unknown; logs: { [path: string]: string[] } } | null;
}

describe("what the server said", () => {
  const corpus = JSON.parse(readFileSync(process.env["JOBS_FLOW_CORPUS"] ?? at("corpus.json"), "utf8")) as Record_[];

  it("is of every kind there is", () => {
    const seen = new Set(corpus.flatMap(({ messages }) => messages.map(({ type }) => type)));
    expect([...seen].sort()).toEqual([...MESSAGES.keys()].sort());
  });

  it.each(corpus)("is as the schema says: $name", ({ messages }) => {
    expect(messages.map((message) => faults(message, MESSAGES)).filter(Boolean)).toEqual([]);
  });

  it.each(corpus.filter(({ name }) => name === "windows"))("has of a folded block what is in its window: $name", ({ messages, id }) => {
    const state = messages.reduce(reduce, initialState(id!));
    const [wide] = state.tasks;
    expect(wide).toMatchObject({ path: "#.wide", total: 30, from: 20 });
    expect(Object.keys(state.statuses).sort()).toEqual(["#.wide", ...wide!.children.map(({ path }) => path)].sort());
    expect(wide!.children.filter(({ path }) => state.statuses[path]?.status === "ok").map(({ name }) => name)).toEqual(["s25", "s29"]);
    expect(state.blocks["#.wide"]).toMatchObject({ ok: 3 });
    expect([state.total, state.counts.ok]).toEqual([31, 4]);
  });

  const lines = ({ logs }: JobState): object => Object.fromEntries(Object.entries(logs).map(([path, log]) => [path, log.lines]));

  it.each(corpus.filter(({ knowledge }) => knowledge))("is understood here as it is in Python: $name", ({ messages, id, knowledge }) => {
    const state = messages.reduce(reduce, initialState(id!));
    expect(state).toMatchObject(knowledge!.instance);
    expect(state.tasks).toEqual(knowledge!.tree);
    expect(state.statuses).toEqual(knowledge!.statuses);
    expect(lines(state)).toEqual(knowledge!.logs);
    expect(state.progress).toBeGreaterThanOrEqual(0);
    expect(state.progress).toBeLessThanOrEqual(1);
  });
});
