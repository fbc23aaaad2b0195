import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { JobsFlowClient, type ConnectionState, type JobState, type Message } from "../src/index.js";
import { eventSource, eventSourceWith } from "../src/sse.js";
import { readEvents } from "../src/sse_read.js";
import { Story } from "./support/story.js";

const bodyOf = (chunks: Uint8Array[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a stream of events", () => {
  const read = async (chunks: Uint8Array[]): Promise<string[]> => {
    const seen: string[] = [];
    for await (const data of readEvents(bodyOf(chunks), 1000)) seen.push(data);
    return seen;
  };

  it("is read however it is cut into pieces", async () => {
    const texts = fc.array(fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, "_")), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 9 }), async (data, size) => {
        const whole = encoded(["retry: 3000", "", ...data.flatMap((text, i) => [": still here", "", `id: ${i}`, `data: ${text}`, ""]), ""].join("\n"));
        const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.slice(i * size, (i + 1) * size));
        expect(await read(chunks)).toEqual(data);
      }),
    );
  });

  it("has no event that was not told to its end", async () => {
    expect(await read([encoded("data: one\n\ndata: tw")])).toEqual(["one"]);
    expect(await read([encoded("data: one\n\ndata: two\n")])).toEqual(["one"]);
  });

  it("may have lines and carriage returns", async () => {
    expect(await read([encoded("event: x\r\ndata:one\r\ndata: two\r\n\r\n")])).toEqual(["one\ntwo"]);
  });
});

/** The server's answers: streams that the test writes, and what was posted. */
class Site {
  streams: Array<{ url: URL; say: (...messages: Message[]) => void; end: () => void; comment: () => void; gone: () => boolean }> = [];
  posted: Array<{ url: string; headers: Record<string, string>; body: { type: string; ref?: unknown } }> = [];
  refusal: { status: number; body: unknown } | null = null;
  answer: () => Response = () => Response.json({ type: "ack", ref: null });

  fetch = (input: string, options: RequestInit = {}): Promise<Response> => {
    if (options.method === "POST") {
      this.posted.push({ url: input, headers: options.headers as Record<string, string>, body: JSON.parse(options.body as string) });
      return Promise.resolve().then(this.answer);
    }
    if (this.refusal) {
      const { status, body } = this.refusal;
      return Promise.resolve(typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status }));
    }
    let gone = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const write = (text: string): void => (gone ? undefined : controller.enqueue(encoded(text)));
        options.signal?.addEventListener("abort", () => {
          gone = true;
          controller.error(new DOMException("aborted", "AbortError"));
        });
        this.streams.push({
          url: new URL(input),
          say: (...messages) => messages.forEach((message) => write(`data: ${JSON.stringify(message)}\n\n`)),
          comment: () => write(": still here\n\n"),
          end: () => controller.close(),
          gone: () => gone,
        });
      },
      cancel: () => void (gone = true),
    });
    return Promise.resolve(new Response(body));
  };

  get last(): Site["streams"][number] {
    return this.streams.at(-1)!;
  }
}

const PREFIX = "http://site.test/jobs-flow";
const nobody = (): void => {};
let site: Site;

beforeEach(() => {
  vi.useFakeTimers();
  site = new Site();
  vi.stubGlobal("fetch", site.fetch);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Let streams be read: many turns of the event loop, and no time. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 200; i++) await Promise.resolve();
};
const open = async (...options: Array<Parameters<JobsFlowClient["watch"]>[2]>): Promise<{ client: JobsFlowClient; told: JobState[]; states: ConnectionState[] }> => {
  const client = new JobsFlowClient(PREFIX, { transport: eventSourceWith({ csrfToken: () => "token" }) });
  const told: JobState[] = [];
  const states: ConnectionState[] = [];
  client.addEventListener("connection", ({ detail }: CustomEvent<ConnectionState>) => states.push(detail));
  client.watch("a b", (state) => told.push(state), ...options);
  await settle();
  return { client, told, states };
};

describe("over HTTP", () => {
  it("what is watched is a stream, with what is wanted in its address", async () => {
    const { told, client } = await open({ logs: ["#.a", "#.b"], fold: 50, ticket: "t:1" });
    expect(site.last.url.href).toBe("http://site.test/jobs-flow/instances/a%20b/events/?fold=50&ticket=t%3A1&logs=%23.a&logs=%23.b");
    site.last.say({ type: "hello", version: 1, time: Date.now() + 700 }, ...new Story("a b", [2]).snapshot());
    await settle();
    expect(told).toHaveLength(1);
    expect([told[0]!.total, client.connection, client.clockOffset]).toEqual([3, "open", 700]);
    client.close();
    expect(site.last.gone()).toBe(true);
  });

  it("a stream that ends goes on where it was", async () => {
    const { told, states } = await open();
    const story = new Story("a b", [1]);
    site.last.say(...story.snapshot(), ...story.tell({ kind: "status", task: 0, status: "ok" }));
    await settle();
    site.last.end();
    await settle();
    story.tell({ kind: "status", task: 1, status: "ok" });
    expect(states.at(-1)).toBe("reconnecting");
    vi.advanceTimersByTime(1000);
    await settle();
    expect(site.last.url.search).toBe("?since=1");
    site.last.say(...story.since(1));
    await settle();
    expect(told.at(-1)).toMatchObject({ progress: 1, seq: 2 });
  });

  it("a stream without a sign of life is lost, and a comment is one", async () => {
    const { client } = await open();
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(15_000);
      site.last.comment();
      await settle();
    }
    expect([client.connection, site.streams.length]).toEqual(["open", 1]);
    await vi.advanceTimersByTimeAsync(46_000);
    expect(site.streams.length).toBeGreaterThan(1);
    client.close();
  });

  it("the last word on an instance is not asked for again", async () => {
    const { told, client } = await open();
    site.last.say(...new Story("a b", [1]).snapshot(), { type: "workflowDeleted", id: "a b" });
    await settle();
    site.last.end();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([told.at(-1)!.status, client.connection, site.streams.length]).toEqual(["deleted", "open", 1]);
  });

  it.each([
    [404, "INSTANCE_NOT_FOUND"],
    [401, "TICKET_EXPIRED"],
    [403, "FORBIDDEN"],
  ])("a refusal with %i is told, and not tried again", async (status, code) => {
    site.refusal = { status, body: { type: "appError", error: { code, message: "no" } } };
    const { told, client } = await open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toMatchObject([{ problem: { code }, missing: code === "INSTANCE_NOT_FOUND" }]);
    expect(client.connection).toBe("open");
  });

  it("a server without streams is asked now and then, and told of when there is news", async () => {
    const snapshot = { id: "a b", seq: 1, status: "working", run: 1, paused: false, tasks: [{ name: "a", path: "#.a", children: [] }], statuses: { "#.a": { status: "running" } }, counts: {}, progress: 0 };
    const asked: string[] = [];
    let gone = false;
    vi.stubGlobal("fetch", (input: string, { signal }: RequestInit) => {
      asked.push(new URL(input).pathname + new URL(input).search);
      signal?.addEventListener("abort", () => (gone = true));
      const refusal = { type: "appError", error: { code: "NEEDS_ASGI", message: "no streams" } };
      return Promise.resolve(input.includes("/events/") ? Response.json(refusal, { status: 501 }) : Response.json(snapshot));
    });
    const { told, client } = await open({ ticket: "t" });
    expect(told).toMatchObject([{ status: "working", total: 1, progress: 0 }]);
    await vi.advanceTimersByTimeAsync(4500);
    expect([told.length, asked.length]).toEqual([1, 4]);
    Object.assign(snapshot, { seq: 2, status: "done", statuses: { "#.a": { status: "ok" } } });
    await vi.advanceTimersByTimeAsync(2000);
    expect(told.slice(1)).toMatchObject([{ status: "done", progress: 1, seq: 2 }]);
    expect(told[1]!.tasks).toBe(told[0]!.tasks);
    await vi.advanceTimersByTimeAsync(9000);
    expect(asked).toEqual(["/jobs-flow/instances/a%20b/events/?ticket=t", ...Array(4).fill("/jobs-flow/instances/a%20b/?ticket=t")]);
    client.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([gone, asked.length]).toEqual([true, 5]);
  });

  it("moving a window is refused without a request, for the server keeps none", async () => {
    const { client } = await open();
    await expect(client.setWindow("i", "#.wide", 100)).rejects.toMatchObject({ code: "NEEDS_CONNECTION" });
    expect(site.posted).toEqual([]);
  });

  it("who is not signed in is denied", async () => {
    site.refusal = { status: 401, body: { type: "appError", error: { code: "NOT_AUTHENTICATED", message: "no" } } };
    const { client } = await open();
    expect(client.connection).toBe("denied");
    site.refusal = null;
    client.reconnect();
    await settle();
    expect(client.connection).toBe("open");
    expect(site.streams).toHaveLength(1);
  });

  it.each([
    [502, "<h1>Bad gateway</h1>"],
    [503, { type: "appError", error: { code: "STORAGE_UNAVAILABLE", message: "no" } }],
    [429, { type: "appError", error: { code: "TOO_MANY_REQUESTS", message: "no" } }],
    [200, ""],
  ])("an answer %i is tried again after pauses", async (status, body) => {
    site.refusal = { status, body };
    const { client } = await open();
    expect(client.connection).toBe("reconnecting");
    site.refusal = null;
    await vi.advanceTimersByTimeAsync(1000);
    expect([client.connection, site.streams.length]).toEqual(["open", 1]);
  });

  it("a page that is hidden has no stream, and one from where it was when it is shown", async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: "visible", baseURI: PREFIX });
    const look = async (state: string): Promise<void> => {
      page.visibilityState = state;
      page.dispatchEvent(new Event("visibilitychange"));
      await settle();
    };
    vi.stubGlobal("document", page);
    await open();
    site.last.say(...new Story("a b", [1]).snapshot(), { type: "setTasksStatuses", id: "a b", statuses: {}, seq: 4 });
    await settle();
    await look("hidden");
    expect([site.last.gone(), site.streams.length]).toEqual([true, 1]);
    await look("visible");
    expect([site.streams.length, site.last.url.search]).toEqual([2, "?since=4"]);
  });

  it("what is no longer watched has no stream", async () => {
    const client = new JobsFlowClient(PREFIX, { transport: eventSource });
    const stop = client.watch("i", nobody);
    client.watch("other", nobody);
    await settle();
    stop();
    await settle();
    expect(site.streams.map(({ gone }) => gone())).toEqual([true, false]);
  });

  it("commands are requests with the token of the page, and answered by what comes back", async () => {
    const { client } = await open();
    site.answer = () => Response.json({ type: "ack", ref: "whatever", id: "a b", seq: 3 });
    expect(await client.pause("a b")).toMatchObject({ seq: 3 });
    expect(site.posted).toMatchObject([
      { url: "http://site.test/jobs-flow/requests/", headers: { "X-CSRFToken": "token" }, body: { type: "pauseWorkflow", workflowId: "a b" } },
    ]);
  });

  it.each([
    ["refused", () => Response.json({ type: "appError", error: { code: "FORBIDDEN", message: "no" } }, { status: 403 }), "FORBIDDEN"],
    ["answered by somebody else", () => new Response("<h1>no</h1>", { status: 502 }), "HTTP_502"],
    ["lost", () => { throw new TypeError("fetch failed"); }, "CONNECTION_LOST"],
  ])("a command that is %s is rejected, and the streams go on", async (_, answer, code) => {
    const { client } = await open();
    site.answer = answer;
    await expect(client.pause("a b")).rejects.toMatchObject({ code });
    expect([client.connection, site.streams.length]).toEqual(["open", 1]);
  });
});
