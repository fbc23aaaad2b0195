import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff, JobsFlowClient, type ConnectionState } from "../src/index.js";
import { LINGER, ONCE_IN, PATIENCE, QUIET } from "../src/connection.js";
import { FakeSocket, turn } from "./support/socket.js";

const URL_ = "http://site.test/ws/jobs-flow/";
const nobody = (): void => {};

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.install();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const connect = (): { client: JobsFlowClient; states: ConnectionState[] } => {
  const client = new JobsFlowClient(URL_);
  const states: ConnectionState[] = [];
  client.addEventListener("connection", ({ detail }: CustomEvent<ConnectionState>) => states.push(detail));
  return { client, states };
};

describe("the pause before the next attempt", () => {
  const random = fc.double({ min: 0, max: 1, noNaN: true });

  it("is half a second at first, doubles, is 30 seconds at most, and random by half", () => {
    fc.assert(
      fc.property(fc.nat(5000), random, (failures, chance) => {
        const whole = Math.min(30_000, 500 * 2 ** failures);
        const pause = backoff(failures, chance);
        expect(pause).toBeGreaterThanOrEqual(whole / 2);
        expect(pause).toBeLessThanOrEqual(whole);
      }),
    );
  });

  it("never shrinks as failures go on", () => {
    fc.assert(fc.property(fc.nat(100), random, (failures, chance) => backoff(failures + 1, chance) >= backoff(failures, chance)));
  });

  it("is not the same for all", () => {
    expect(new Set(Array.from({ length: 20 }, () => backoff(4))).size).toBeGreaterThan(10);
  });
});

describe("a connection", () => {
  it("is made when it is wanted, and open once the server has greeted", () => {
    const { client, states } = connect();
    expect([client.connection, FakeSocket.all.length]).toEqual(["closed", 0]);
    client.watch("i", nobody);
    expect(FakeSocket.last.url).toBe("ws://site.test/ws/jobs-flow/");
    expect(client.connection).toBe("connecting");
    FakeSocket.last.greet(Date.now() + 5000);
    expect(states).toEqual(["connecting", "open"]);
    expect(client.clockOffset).toBe(5000);
  });

  it("comes back after a pause when it is lost", () => {
    const { client, states } = connect();
    client.watch("i", nobody);
    FakeSocket.last.greet().break();
    expect(client.connection).toBe("reconnecting");
    vi.advanceTimersByTime(249);
    expect(FakeSocket.all).toHaveLength(1);
    vi.advanceTimersByTime(252);
    FakeSocket.last.greet();
    expect(FakeSocket.all).toHaveLength(2);
    expect(states).toEqual(["connecting", "open", "reconnecting", "open"]);
  });

  it("takes longer pauses as long as a server only greets", () => {
    connect().client.watch("i", nobody);
    vi.spyOn(Math, "random").mockReturnValue(1);
    for (const pause of [500, 1000, 2000, 4000]) {
      FakeSocket.last.greet().break();
      const before = FakeSocket.all.length;
      vi.advanceTimersByTime(pause - 1);
      expect(FakeSocket.all).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(FakeSocket.all).toHaveLength(before + 1);
    }
    // One that answers is well again.
    FakeSocket.last.greet().say({ type: "ack", ref: "watch 1" });
    FakeSocket.last.break();
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all).toHaveLength(6);
  });

  it.each([4401, 4403])("that is refused with %i is not tried again, until somebody asks for it", (code) => {
    const { client, states } = connect();
    client.watch("i", nobody);
    FakeSocket.last.break(code);
    vi.advanceTimersByTime(120_000);
    expect([FakeSocket.all.length, client.connection]).toEqual([1, "denied"]);
    client.reconnect();
    FakeSocket.last.greet();
    expect(states).toEqual(["connecting", "denied", "connecting", "open"]);
    expect(FakeSocket.last.asked("watchWorkflowInstance")).toHaveLength(1);
  });

  it("is denied when the session has ended", () => {
    const { client } = connect();
    client.watch("i", nobody);
    FakeSocket.last.greet().say({ type: "appError", error: { code: "NOT_AUTHENTICATED", message: "sign in" } });
    expect(client.connection).toBe("denied");
    expect(FakeSocket.last.closed).toBe(true);
  });

  it.each(["code", "message"])("that was let in is tried once more before it is denied, after a close %s", (kind) => {
    const { client, states } = connect();
    client.watch("i", nobody);
    const turnAway = (): void => {
      if (kind === "code") FakeSocket.last.break(4401);
      else FakeSocket.last.say({ type: "appError", error: { code: "NOT_AUTHENTICATED", message: "sign in" } });
    };
    const letIn = (): void => void FakeSocket.last.greet().say({ type: "ack", ref: "watch 1" });
    letIn();
    turnAway();
    expect(client.connection).toBe("reconnecting");
    vi.advanceTimersByTime(2_000);
    expect(FakeSocket.all).toHaveLength(2);
    // A new password: the same user, in another session.
    letIn();
    expect(client.connection).toBe("open");
    vi.advanceTimersByTime(ONCE_IN - 30_000);
    // Once: who is let in and turned away again and again has to sign in.
    turnAway();
    vi.advanceTimersByTime(120_000);
    expect([FakeSocket.all.length, client.connection]).toEqual([2, "denied"]);
    client.reconnect();
    letIn();
    turnAway();
    vi.advanceTimersByTime(2_000);
    FakeSocket.last.greet();
    turnAway();
    expect([FakeSocket.all.length, client.connection]).toEqual([4, "denied"]);
    expect(states.slice(0, 6)).toEqual(["connecting", "open", "reconnecting", "open", "denied", "connecting"]);
  });

  it("is given up when the greeting does not come", () => {
    const { client } = connect();
    client.watch("i", nobody);
    vi.advanceTimersByTime(PATIENCE);
    expect([client.connection, FakeSocket.last.closed]).toEqual(["reconnecting", true]);
  });

  it("that is silent is asked for a word, and lost without one", async () => {
    const { client } = connect();
    client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    await turn();
    vi.advanceTimersByTime(QUIET);
    expect(socket.asked("setVisibility")).toMatchObject([{ visible: true, ref: expect.any(String) }]);
    vi.advanceTimersByTime(PATIENCE - 1);
    expect(client.connection).toBe("open");
    vi.advanceTimersByTime(1);
    expect([client.connection, socket.closed]).toEqual(["reconnecting", true]);
  });

  it("that answers is kept", () => {
    const { client } = connect();
    client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(QUIET);
      socket.say({ type: "ack", ref: socket.asked("setVisibility").at(-1)!.ref! });
    }
    expect([client.connection, FakeSocket.all.length]).toEqual(["open", 1]);
  });

  it("is closed soon after nobody wants it, and made again", async () => {
    const { client } = connect();
    const stop = client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    await turn();
    stop();
    await turn();
    vi.advanceTimersByTime(LINGER - 1);
    expect(client.connection).toBe("open");
    vi.advanceTimersByTime(1);
    expect([client.connection, socket.closed]).toEqual(["closed", true]);
    client.watch("i", nobody);
    FakeSocket.last.greet();
    expect([client.connection, FakeSocket.all.length]).toEqual(["open", 2]);
  });

  it("stays when it is wanted again in time", async () => {
    const { client } = connect();
    const stop = client.watch("i", nobody);
    FakeSocket.last.greet();
    stop();
    await turn();
    client.watch("other", nobody);
    vi.advanceTimersByTime(LINGER * 2);
    expect([client.connection, FakeSocket.all.length]).toEqual(["open", 1]);
  });

  it("is not tried for ever for nobody", async () => {
    const { client } = connect();
    const stop = client.watch("i", nobody);
    FakeSocket.last.greet().break();
    stop();
    await turn();
    vi.advanceTimersByTime(120_000);
    expect(client.connection).toBe("closed");
    expect(FakeSocket.all.length).toBeLessThanOrEqual(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("that is lost when nobody wants it any more is closed at once", async () => {
    const { client, states } = connect();
    const stop = client.watch("i", nobody);
    FakeSocket.last.greet();
    stop();
    await turn();
    FakeSocket.last.break();
    expect([client.connection, states]).toEqual(["closed", ["connecting", "open", "closed"]]);
  });

  it("that cannot be made is tried again", () => {
    const complaint = vi.spyOn(console, "error").mockReturnValue();
    let attempts = 0;
    const client = new JobsFlowClient(URL_, {
      transport: () => {
        attempts += 1;
        throw new Error("refused by the policy of the page");
      },
    });
    client.watch("i", nobody);
    vi.advanceTimersByTime(1000);
    expect([client.connection, attempts > 1, complaint.mock.calls.length > 0]).toEqual(["reconnecting", true, true]);
  });

  it("hears nothing of the one before", () => {
    const { client } = connect();
    client.watch("i", nobody);
    const first = FakeSocket.last.greet();
    client.reconnect();
    expect(first.closed).toBe(true);
    first.onclose?.({ code: 4401 });
    first.onmessage?.({ data: '{"type":"hello","version":1,"time":0}' });
    expect(client.connection).toBe("reconnecting");
  });

  it("of one URL is shared by all who ask, from whichever script", () => {
    expect(JobsFlowClient.for(URL_)).toBe(JobsFlowClient.for("http://site.test/x/../ws/jobs-flow/"));
    expect(JobsFlowClient.for(URL_)).not.toBe(JobsFlowClient.for("http://site.test/other/"));
  });

  it("needs an absolute URL where there is no page", () => {
    expect(() => new JobsFlowClient("/ws/jobs-flow/")).toThrow(/absolute/);
  });
});
