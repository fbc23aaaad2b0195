import { render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { JobsProvider, Progression, type Happening, type JobId, type ProgressionContext } from "../../src";
import { Server, settle } from "../support/server";

let server: Server;
let calls: string[];
let context: ProgressionContext;
beforeEach(() => {
  server = new Server().add("one", "load report").add("two", "load").add("empty", "");
  calls = [];
});
afterEach(() => server.client.close());

const note = (event: Happening) => {
  calls.push(`${event.id} ${event.type} ${"path" in event ? event.path : ""}${event.late ? "late" : ""}`.trim());
};
const page = (ids: JobId[], extra: object = {}) => (
  <StrictMode>
    <JobsProvider client={server.client}>
      <Progression ids={ids} onError={note} onComplete={note} onTaskStart={note} onTaskEnd={note} {...extra}>
        {(given) => {
          context = given;
          return <p>{Object.entries(given.workflows).map(([id, { progression }]) => `${id} ${progression}`).join(", ")}</p>;
        }}
      </Progression>
    </JobsProvider>
  </StrictMode>
);

const ALL = ["taskStart #.load", "taskEnd #.load", "taskStart #.report", "taskEnd #.report", "complete"].map((each) => `one ${each}`);

describe("Progression", () => {
  it("gives its function the connection and the workflows", async () => {
    render(page(["one", null, "empty"]));
    await settle();
    // 0, not NaN, where there are no tasks.
    expect(screen.getByText("one 0, empty 0")).toBeTruthy();
    await server.run("one");
    expect(screen.getByText("one 1, empty 0")).toBeTruthy();
    expect(context.socket).toBe(server.client);
    expect(context.workflows["one"]?.workflow.status).toBe("done");
    expect(context.workflows["one"]?.tasksStatuses["#.load"]?.status).toBe("ok");
  });

  it("calls for each thing once, in strict mode and whatever renders it again", async () => {
    const { rerender } = render(page(["one"]));
    await settle();
    await server.run("one");
    rerender(page(["one"]));
    rerender(page(["one", "two"]));
    await settle();
    expect(calls).toEqual(ALL);
    await server.run("one", 2);
    expect(calls).toEqual([...ALL, ...ALL]);
  });

  it("watches all again after a reconnection, and loses and repeats no call", async () => {
    render(page(["one", "two"]));
    await settle();
    await server.change("one", { header: { status: "working", run: 1 } });
    await server.change("one", { statuses: { "#.load": { status: "running", run: 1, executionTime: 1001 } } });
    await server.cut();
    // What nobody hears of.
    await server.run("one");
    expect(calls).toEqual(ALL.slice(0, 1));
    await server.back();
    await settle();
    expect(server.of("watchWorkflowInstance").map(({ workflowId }) => workflowId)).toEqual(["one", "two", "one", "two"]);
    expect(calls).toEqual(ALL);
  });

  it("tells who comes late what the others have heard", async () => {
    await server.run("one");
    render(page(["one"]));
    await settle();
    expect(calls).toEqual(ALL.map((each) => (each.endsWith("complete") ? `${each} late` : `${each}late`)));
  });

  it("tells of errors", async () => {
    render(page(["one", "none"]));
    await settle();
    expect(calls).toEqual(["none error late"]);
    await server.change("one", { header: { status: "working", run: 1 } });
    await server.change("one", { header: { status: "failed", error: { code: "EXECUTION_FAILED", message: "No." } } });
    expect(calls).toEqual(["none error late", "one error"]);
  });

  it("goes on when a call throws", async () => {
    const said = vi.fn();
    vi.stubGlobal("reportError", said);
    const throwing = { onTaskStart: () => { throw new Error("mine"); } };
    render(page(["one"], throwing));
    await settle();
    await server.run("one");
    vi.unstubAllGlobals();
    expect(calls).toEqual(ALL.filter((each) => !each.includes("taskStart")));
    expect(said).toHaveBeenCalledTimes(2);
  });

  it("does not tell again of an id that comes back", async () => {
    await server.run("one");
    const { rerender } = render(page(["one"]));
    await settle();
    const told = calls.length;
    rerender(page([]));
    await settle();
    rerender(page(["one"]));
    await settle();
    expect(calls).toHaveLength(told);
  });
});
