import { act, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ContinuousProgression, JobsProvider } from "../../src";
import { Server, settle } from "../support/server";

let server: Server;
const shown: number[] = [];
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  server = new Server().add("one", "load report");
  shown.length = 0;
});
afterEach(() => {
  server.client.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const element = () => (
  <StrictMode>
    <JobsProvider client={server.client}>
      <ContinuousProgression jobId="one" estimations={{ "#.load": 1000, "#.report": 1000 }} interval={40}>
        {(progress) => {
          shown.push(progress);
          return null;
        }}
      </ContinuousProgression>
    </JobsProvider>
  </StrictMode>
);
const pass = (milliseconds: number) => act(async () => void (await vi.advanceTimersByTimeAsync(milliseconds)));
const last = () => shown.at(-1) as number;
const start = () =>
  server.change("one", {
    header: { status: "working", run: 1 },
    statuses: { "#.load": { status: "running", run: 1, executionTime: Date.now() } },
  });

describe("ContinuousProgression", () => {
  it("moves all the time, never back, and is full when the job is done", async () => {
    render(element());
    await settle();
    await start();
    await pass(500);
    const early = last();
    expect(early).toBeGreaterThan(0.2);
    expect(early).toBeLessThan(0.5);
    await pass(500);
    expect(last()).toBeGreaterThan(early);
    await server.change("one", { statuses: { "#.load": { status: "ok" }, "#.report": { status: "running", executionTime: Date.now() } } });
    await pass(5000);
    expect(last()).toBeGreaterThan(0.95);
    expect(last()).toBeLessThan(1);
    await server.change("one", { header: { status: "done" }, statuses: { "#.report": { status: "ok" } } });
    await pass(1500);
    expect(last()).toBe(1);
    for (const [index, value] of shown.entries()) expect(value).toBeGreaterThanOrEqual(shown[index - 1] ?? 0);
  });

  it("draws once an interval at most, and not at all when nothing moves", async () => {
    const { unmount } = render(element());
    await settle();
    await pass(100);
    const frames = vi.spyOn(globalThis, "requestAnimationFrame");
    await pass(1000);
    expect(frames).not.toHaveBeenCalled();
    await start();
    await pass(100);
    const before = new Set(shown).size;
    for (let frame = 0; frame < 60; frame++) await pass(16);
    expect(new Set(shown).size - before).toBeLessThanOrEqual(960 / 40 + 1);
    expect(new Set(shown).size - before).toBeGreaterThan(15);
    unmount();
    frames.mockClear();
    await pass(1000);
    expect(frames).not.toHaveBeenCalled();
  });

  it("shows who comes late how far it is, at once", async () => {
    await start();
    await pass(1000);
    render(element());
    await settle();
    await pass(20);
    expect(last()).toBeGreaterThan(0.4);
  });

  it("begins anew with a run", async () => {
    await server.run("one");
    render(element());
    await settle();
    await pass(100);
    expect(last()).toBe(1);
    const again = { status: "inactive", run: 2 } as const;
    await server.change("one", { header: { status: "working", run: 2 }, statuses: { "#.load": again, "#.report": again } });
    await pass(100);
    expect(last()).toBe(0);
  });

  it("moves in large steps for readers who want little motion", async () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    render(element());
    await settle();
    await start();
    await pass(3000);
    expect(new Set(shown).size).toBeLessThanOrEqual(5);
    expect(last()).toBeGreaterThan(0.3);
  });

  it("draws a bar of its own", async () => {
    render(<JobsProvider client={server.client}><ContinuousProgression jobId="one" label="Report" /></JobsProvider>);
    await settle();
    await pass(50);
    expect(screen.getByRole("progressbar", { name: "Report" }).getAttribute("aria-valuenow")).toBe("0");
  });
});
