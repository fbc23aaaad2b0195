// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { JobsFlowClient } from "../src/index.js";
import { PATIENCE } from "../src/connection.js";
import { FakeSocket, turn } from "./support/socket.js";

let visibility: DocumentVisibilityState = "visible";
const show = (state: DocumentVisibilityState): void => {
  visibility = state;
  document.dispatchEvent(new Event("visibilitychange"));
};
const nobody = (): void => {};
let client: JobsFlowClient;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.install();
  visibility = "visible";
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility);
  client = new JobsFlowClient();
});
afterEach(() => {
  client.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("in a page", () => {
  it("the URL is the page's own by default", () => {
    client.watch("i", nobody);
    expect(FakeSocket.last.url).toBe("ws://localhost:3000/ws/jobs-flow/");
  });

  it("that is hidden nothing is wanted, until it is shown", () => {
    client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    show("hidden");
    show("visible");
    expect(socket.asked("setVisibility").map(({ visible }) => visible)).toEqual([false, true]);
  });

  it("that is hidden from the start says so before it asks", async () => {
    visibility = "hidden";
    client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    await turn();
    expect(socket.sent.map(({ type }) => type)).toEqual(["setVisibility", "watchWorkflowInstance"]);
    expect(socket.sent[0]).toMatchObject({ visible: false });
  });

  it("that was hidden meanwhile says so on the next connection", () => {
    client.watch("i", nobody);
    FakeSocket.last.greet().break();
    show("hidden");
    vi.advanceTimersByTime(1000);
    expect(FakeSocket.last.greet().sent[0]).toMatchObject({ type: "setVisibility", visible: false });
  });

  it("that is shown again a connection that died meanwhile is noticed", () => {
    client.watch("i", nobody);
    FakeSocket.last.greet();
    show("hidden");
    show("visible");
    vi.advanceTimersByTime(PATIENCE);
    expect(client.connection).toBe("reconnecting");
  });

  it("that is shown again it is tried at once", () => {
    client.watch("i", nobody);
    FakeSocket.last.greet().break();
    show("visible");
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("that goes offline the connection is lost, and back online tried at once", () => {
    client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    dispatchEvent(new Event("offline"));
    expect([client.connection, socket.closed]).toEqual(["reconnecting", true]);
    dispatchEvent(new Event("online"));
    FakeSocket.last.greet();
    expect(client.connection).toBe("open");
  });

  it("that is shown again who was not let in is tried once more: they may have signed in elsewhere", () => {
    client.watch("i", nobody);
    FakeSocket.last.break(4401);
    show("hidden");
    expect(FakeSocket.all).toHaveLength(1);
    show("visible");
    FakeSocket.last.greet();
    expect([client.connection, FakeSocket.all.length]).toEqual(["open", 2]);
  });

  it("where the user is denied, going offline and online changes nothing", () => {
    client.watch("i", nobody);
    FakeSocket.last.break(4401);
    dispatchEvent(new Event("offline"));
    dispatchEvent(new Event("online"));
    expect([client.connection, FakeSocket.all.length]).toEqual(["denied", 1]);
  });

  it("that is left lets go of its connection, and has one when it comes back from memory", () => {
    client.watch("i", nobody);
    const socket = FakeSocket.last.greet();
    dispatchEvent(new PageTransitionEvent("pagehide"));
    expect(socket.closed).toBe(true);
    dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    FakeSocket.last.greet();
    expect([client.connection, FakeSocket.all.length]).toEqual(["open", 2]);
  });

  it("nothing is left behind when it is closed", () => {
    const added = vi.spyOn(document, "addEventListener");
    client.watch("i", nobody);
    FakeSocket.last.greet();
    client.close();
    const { signal } = added.mock.calls.find(([type]) => type === "visibilitychange")![2] as { signal: AbortSignal };
    expect(signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
