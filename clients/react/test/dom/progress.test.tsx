import { initialState, type JobState } from "@jobs-flow/client";
import { render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { JobsProvider, Progress } from "../../src";
import { Server, settle, tree } from "../support/server";

let server: Server;
beforeEach(() => {
  server = new Server().add("one", "load report", { workflow: "weather_report" });
});
afterEach(() => server.client.close());

const state = (changes: Partial<JobState>): JobState => ({ ...initialState("one"), status: "working", color: "accent", ...changes });
const bar = () => screen.getByRole("progressbar", { hidden: false });
const texts = (selector: string) => [...document.querySelectorAll(selector)].map((each) => each.textContent);

describe("Progress", () => {
  it("follows a job by its id, for eyes and for screen readers", async () => {
    render(<JobsProvider client={server.client}><Progress jobId="one" /></JobsProvider>);
    expect(bar().getAttribute("aria-valuenow")).toBeNull();
    await settle();
    await server.change("one", { header: { status: "working", run: 1 } });
    await server.change("one", { statuses: { "#.load": { status: "ok" }, "#.report": { status: "running", progressText: "line 3" } } });
    expect(bar().getAttribute("aria-valuenow")).toBe("50");
    expect(bar().getAttribute("aria-valuetext")).toBe("Running, 1 of 2 tasks");
    expect(bar().getAttribute("aria-label")).toBe("Weather report");
    expect(bar().dataset["color"]).toBe("accent");
    expect((bar().firstElementChild as HTMLElement).style.width).toBe("50%");
    expect(screen.getByText("report (line 3)")).toBeTruthy();
    expect(screen.getByRole("status").textContent).toBe("Weather report: Running, 50 %");
  });

  it("shows nothing without a job, and 0 where there are no tasks", () => {
    const { container, rerender } = render(<Progress jobId={null} />);
    expect(container.innerHTML).toBe("");
    rerender(<Progress state={state({})} />);
    expect(bar().getAttribute("aria-valuenow")).toBe("0");
    // No attribute that a strict policy would block in a page from a server.
    expect(container.innerHTML).not.toContain("style=");
  });

  it("shows the last lines of the logs, those of the latest task at the end", async () => {
    const logs = { "#.b": { from: 7, lines: ["late"] }, "#.a": { from: 0, lines: ["one", "two", "three"] } };
    const statuses = { "#.a": { executionTime: 1 }, "#.b": { executionTime: 2 } };
    const { rerender } = render(<Progress state={state({ logs, statuses })} lines={3} />);
    expect(texts("li")).toEqual(["a two", "a three", "b late"]);
    rerender(<Progress state={state({ logs, statuses })} lines={0} />);
    expect(texts("li")).toEqual([]);
  });

  it("says what is wrong", () => {
    const { rerender } = render(<Progress state={state({ status: "failed", error: { code: "X", message: "No shelf." } })} />);
    expect(screen.getByText("No shelf.")).toBeTruthy();
    rerender(<Progress state={state({ status: null, missing: true })} />);
    expect(screen.getByText("There is no such workflow, or you may not see it.")).toBeTruthy();
    rerender(<Progress state={state({ cancelled: ["#"] })} />);
    expect(texts(".jobs-flow-status")).toEqual(["Cancelling"]);
  });

  it("says why nothing is learned, and does not call that loading", async () => {
    const element = (shown: JobState) => <JobsProvider client={server.client}><Progress state={shown} /></JobsProvider>;
    const problem = { code: "TOO_MANY_WATCHES", message: "Too many are watched." };
    const { rerender } = render(element(state({ status: null, problem })));
    expect(screen.getByText("No news for now: Too many are watched.")).toBeTruthy();
    expect(screen.queryByText("Loading…")).toBeNull();
    rerender(<JobsProvider client={server.client}><Progress jobId="one" /></JobsProvider>);
    await settle();
    await server.turnAway();
    expect(texts(".jobs-flow-trouble")).toEqual(["Sign in to see this progress."]);
    expect(screen.getByRole("status").textContent).toBe("Weather report: Sign in to see this progress.");
  });

  it("speaks other languages", () => {
    const words = { loading: "Lädt …", workflow: "Ablauf" };
    render(<JobsProvider client={server.client} words={words}><Progress state={initialState("one")} /></JobsProvider>);
    expect(screen.getByText("Ablauf")).toBeTruthy();
    expect(screen.getByText("Lädt …")).toBeTruthy();
  });

  it("names three running tasks at most", () => {
    const tasks = tree("a b c d");
    const statuses = Object.fromEntries(tasks.map(({ path }) => [path, { status: "running" as const }]));
    render(<Progress state={state({ tasks, statuses })} />);
    expect(texts(".jobs-flow-running")).toEqual(["a, b, c, …"]);
  });
});
