import { act, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Jobify, JobsProvider, type JobifyProps } from "../../src";
import { Server, settle } from "../support/server";

let server: Server;
beforeEach(() => {
  server = new Server().add("one", "load report").add("two", "load");
});
afterEach(() => {
  vi.useRealTimers();
  server.client.close();
});

const element = (props: Partial<JobifyProps>) => (
  <JobsProvider client={server.client}>
    <Jobify
      jobId="one"
      progression={(state) => <p>{`at ${state.progress}`}</p>}
      component={(state) => <p>{state ? `form, ${state.id} is ${state.status}` : "form"}</p>}
      {...props}
    />
  </JobsProvider>
);

const shows = (text: string | RegExp) => expect(screen.getByText(text)).toBeTruthy();
const failure = { code: "EXECUTION_FAILED", message: "No shelf.", path: "#.load" };

describe("Jobify", () => {
  it("swaps the component for the progression of its job, and back when that is done", async () => {
    const onDone = vi.fn();
    const { rerender, container } = render(element({ jobId: null, onDone }));
    shows("form");
    rerender(element({ onDone }));
    shows("at 0");
    await settle();
    await server.change("one", { header: { status: "working", run: 1 } });
    await server.change("one", { statuses: { "#.load": { status: "ok", run: 1 } } });
    shows("at 0.5");
    expect(onDone).not.toHaveBeenCalled();
    await server.change("one", { header: { status: "done" } });
    shows("form, one is done");
    expect(onDone).toHaveBeenCalledTimes(1);
    expect(onDone.mock.calls[0]?.[0]).toMatchObject({ id: "one", status: "done" });
    // No element of its own.
    expect(container.innerHTML).toBe("<p>form, one is done</p>");
  });

  it("takes elements as well as functions, and has a progression of its own", async () => {
    const { rerender } = render(element({ progression: <b>wait</b>, component: <b>view</b> }));
    shows("wait");
    rerender(element({ jobId: null, progression: <b>wait</b>, component: <b>view</b> }));
    shows("view");
    rerender(element({ progression: undefined }));
    expect(screen.getByRole("progressbar")).toBeTruthy();
  });

  it("calls onDone once, in strict mode and for a job that was done before", async () => {
    await server.run("one");
    const onDone = vi.fn();
    const { rerender } = render(<StrictMode>{element({ onDone })}</StrictMode>);
    await settle();
    shows("form, one is done");
    rerender(<StrictMode>{element({ onDone })}</StrictMode>);
    await server.cut();
    await server.back();
    await settle();
    expect(onDone).toHaveBeenCalledTimes(1);
    await server.run("one", 2);
    expect(onDone).toHaveBeenCalledTimes(2);
  });

  it("keeps the progression of a job that has failed, says why, and leads back", async () => {
    const onFailed = vi.fn();
    const onBack = vi.fn();
    render(element({ onFailed, onBack }));
    await settle();
    await server.run("one", 1, { status: "failed", error: failure });
    shows("at 1");
    expect(screen.getByRole("alert").textContent).toContain("load failed: No shelf.");
    expect(onFailed.mock.calls).toEqual([[failure, expect.objectContaining({ status: "failed" })]]);
    fireEvent.click(screen.getByRole("button", { name: "Back" }));
    shows("form, one is failed");
    expect(onBack).toHaveBeenCalledTimes(1);
    // Run again, by whomever: at work again.
    await server.change("one", { header: { status: "working", run: 2, error: null } });
    shows("at 1");
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("lets the failure be drawn otherwise, or not at all", async () => {
    await server.run("one", 1, { status: "cancelled" });
    const draw: JobifyProps["failure"] = (error, back) => <button onClick={back}>{error.code}</button>;
    const { rerender } = render(element({ failure: null }));
    await settle();
    expect(screen.queryByRole("alert")).toBeNull();
    rerender(element({ failure: draw }));
    fireEvent.click(screen.getByRole("button", { name: "CANCELLED" }));
    shows("form, one is cancelled");
  });

  it.each([
    ["does not exist", "none", "There is no instance none."],
    ["could not be started", "refused", "No broker."],
  ])("leads back from a job that %s", async (_, jobId, message) => {
    server.add("refused", "load", { error: { code: "BROKER_UNAVAILABLE", message: "No broker." } });
    render(element({ jobId }));
    await settle();
    expect(screen.getByRole("alert").textContent).toContain(message);
    fireEvent.click(screen.getByRole("button", { name: "Back" }));
    shows(/^form, /);
  });

  it("asks to sign in where the connection is refused for good", async () => {
    render(element({}));
    await settle();
    await server.turnAway();
    expect(screen.getByRole("alert").textContent).toContain("Sign in");
  });

  it("keeps the progression of a finished job for as long as it is told to", async () => {
    vi.useFakeTimers({ now: 1_000_000 });
    const onDone = vi.fn();
    render(element({ keep: 3000, onDone }));
    await settle();
    await server.run("one", 1, { status: "done", finishedAt: 1_000_000 });
    expect(onDone).toHaveBeenCalledTimes(1);
    shows("at 1");
    act(() => void vi.advanceTimersByTime(2900));
    shows("at 1");
    act(() => void vi.advanceTimersByTime(200));
    shows("form, one is done");
  });

  it("does not wait for what ended long ago, and keeps for good what is to be kept", async () => {
    await server.run("one");
    const { rerender } = render(element({ keep: 3000 }));
    await settle();
    await act(async () => new Promise((resolve) => setTimeout(resolve)));
    shows("form, one is done");
    rerender(element({ keep: true }));
    shows("at 1");
  });

  it("leaves the view of a job that was done where it is when the instance is removed", async () => {
    const [onDone, onFailed] = [vi.fn(), vi.fn()];
    render(<StrictMode>{element({ onDone, onFailed })}</StrictMode>);
    await settle();
    await server.run("one");
    shows("form, one is done");
    await server.say({ type: "workflowDeleted", id: "one" });
    shows("form, one is done");
    expect([onDone.mock.calls.length, onFailed.mock.calls.length]).toEqual([1, 0]);
  });

  it("says that one was removed before it was done", async () => {
    const onFailed = vi.fn();
    render(element({ onFailed }));
    await settle();
    await server.change("one", { header: { status: "working", run: 1 } });
    await server.say({ type: "workflowDeleted", id: "one" });
    shows("This workflow has been removed.");
    expect(onFailed.mock.calls[0]?.[0]).toMatchObject({ code: "INSTANCE_DELETED" });
  });

  it("begins anew with another job", async () => {
    await server.run("one", 1, { status: "failed", error: failure });
    const { rerender } = render(element({}));
    await settle();
    fireEvent.click(screen.getByRole("button", { name: "Back" }));
    rerender(element({ jobId: "two" }));
    await settle();
    shows("at 0");
  });
});
