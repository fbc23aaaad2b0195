import { fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { JobsProvider, Workflow, type WorkflowProps } from "../../src";
import { Server, settle } from "../support/server";

let server: Server;
beforeEach(() => {
  server = new Server().add("one", "load split/rain/wind report", { name: "Weather" });
  const task = { status: "ok", argument: { of: 3 }, context: { seen: [] }, body: [1, 2], updaters: [{ seen: { $push: [3] } }] };
  server.answers = {
    getTask: ({ workflowId, taskPath }) => ({ type: "taskDetails", id: workflowId, taskPath, task, attempts: [] }) as never,
  };
});
afterEach(() => server.client.close());

const open = async (props: Partial<WorkflowProps> = {}) => {
  render(<JobsProvider client={server.client}><Workflow jobId="one" {...props} /></JobsProvider>);
  await settle();
};
const row = (name: string) => screen.getByRole("treeitem", { name: new RegExp(`^${name}`, "i") });
const rows = () => screen.getAllByRole("treeitem").map((each) => each.querySelector(".jobs-flow-name, .jobs-flow-more")?.textContent);
const press = (key: string) => fireEvent.keyDown(document.activeElement as Element, { key });
const button = (name: string) => screen.getByRole("button", { name });
const clicked = async (name: string) => {
  fireEvent.click(button(name));
  await settle();
};

describe("the tree", () => {
  it("shows each task with its status, nested ones too", async () => {
    await open();
    await server.run("one");
    expect(rows()).toEqual(["Weather", "load", "split", "rain", "wind", "report"]);
    expect(row("rain").getAttribute("aria-level")).toBe("3");
    expect(row("rain").getAttribute("aria-setsize")).toBe("2");
    expect(row("rain").dataset["status"]).toBe("ok");
    expect(within(row("Weather")).getByText("Done")).toBeTruthy();
  });

  it("does not say that a task waits where there is no run", async () => {
    await open();
    expect(within(row("load")).getByText("Not run")).toBeTruthy();
    await server.change("one", { header: { status: "working", run: 1 } });
    expect(within(row("load")).getByText("Waiting")).toBeTruthy();
  });

  it("is moved in with the keyboard, and selects nested tasks", async () => {
    const onSelect = vi.fn();
    await open({ onSelect });
    // One stop for Tab.
    expect(screen.getAllByRole("treeitem").filter((each) => each.tabIndex === 0)).toEqual([row("Weather")]);
    row("Weather").focus();
    press("End");
    expect(document.activeElement).toBe(row("report"));
    press("s");
    expect(document.activeElement).toBe(row("split"));
    press("ArrowRight");
    press("ArrowDown");
    expect(document.activeElement).toBe(row("wind"));
    press("Enter");
    expect(onSelect).toHaveBeenLastCalledWith("#.split.wind");
    expect(row("wind").getAttribute("aria-selected")).toBe("true");
    press("ArrowLeft");
    expect(document.activeElement).toBe(row("split"));
    press("ArrowLeft");
    expect(rows()).toEqual(["Weather", "load", "split", "report"]);
    expect(row("split").getAttribute("aria-expanded")).toBe("false");
    press("ArrowRight");
    expect(rows()).toHaveLength(6);
    press("Home");
    expect(document.activeElement).toBe(row("Weather"));
  });

  it("shows a window of a wide block, and moves it", async () => {
    await open();
    const children = ["c5", "c6"].map((name) => ({ name, path: `#.wide.${name}`, children: [] }));
    const tasks = [{ name: "wide", path: "#.wide", children, total: 9, from: 5 }];
    await server.say({ type: "workflowDescription", id: "one", tasks });
    expect(rows()).toEqual(["Weather", "wide", "Show 4 to 5 of 9", "c5", "c6", "Show 8 to 9 of 9"]);
    expect(row("c6").getAttribute("aria-posinset")).toBe("7");
    fireEvent.click(screen.getByText("Show 8 to 9 of 9"));
    expect(server.of("setWindow")).toMatchObject([{ taskPath: "#.wide", from: 7 }]);
    expect(server.of("watchWorkflowInstance")[0]?.fold).toBe(100);
  });

  it("leaves the panel to others", async () => {
    await open({ selected: "#.load", panel: (path, state) => <p>{`${path} of ${state.name}`}</p> });
    expect(screen.getByText("#.load of Weather")).toBeTruthy();
  });
});

describe("the panel", () => {
  it("shows what is recorded of a task, and asks again when that changes", async () => {
    await server.run("one");
    await server.change("one", { log: ["#.load", ["reading", "done"]] });
    await open({ selected: "#.load" });
    const panel = screen.getByRole("region", { name: "load" });
    expect([...panel.querySelectorAll("pre")].map((each) => JSON.parse(each.textContent ?? ""))).toEqual([[1, 2], { of: 3 }, { seen: [] }]);
    expect(within(panel).getByText("reading")).toBeTruthy();
    expect(server.of("getTask")).toHaveLength(1);
    await server.change("one", { statuses: { "#.load": { progress: 0.5 } } });
    expect(server.of("getTask")).toHaveLength(1);
    await server.change("one", { statuses: { "#.load": { run: 2, finishedAt: 9 } } });
    await settle();
    expect(server.of("getTask")).toHaveLength(2);
  });

  it("says what is withheld, what is too large and what was refused", async () => {
    await server.run("one");
    server.answers.getTask = ({ workflowId, taskPath }) =>
      ({ type: "taskDetails", id: workflowId, taskPath, task: { status: "ok" }, attempts: [], omitted: ["body"] }) as never;
    await open({ selected: "#.load" });
    expect(screen.getByText("Too large to be shown here.")).toBeTruthy();
    expect(screen.queryByText("Argument")).toBeNull();
  });

  it("says when nothing of it is for this reader", async () => {
    server.answers.getTask = () => ({ type: "appError", error: { code: "NOT_ALLOWED", message: "Not yours." } }) as never;
    await open({ selected: "#.load" });
    expect(screen.getByRole("alert").textContent).toBe("Not yours.");
  });

  it("asks again for what was lost with the connection, and says that there is none for this reader", async () => {
    const answer = server.answers.getTask;
    server.answers.getTask = () => ({ type: "appError", error: { code: "CONNECTION_LOST", message: "It was lost." } }) as never;
    await open({ selected: "#.load" });
    expect(screen.getByText("It was lost.")).toBeTruthy();
    server.answers.getTask = answer!;
    await server.cut();
    await server.back();
    await settle();
    expect(screen.queryByText("It was lost.")).toBeNull();
    expect(screen.getByText("Argument")).toBeTruthy();
    await server.turnAway();
    expect(screen.getByRole("alert").textContent).toBe("Sign in to see this progress.");
  });

  it("drops an answer that comes when another task is shown", async () => {
    await server.run("one");
    server.answers.getTask = ({ workflowId, taskPath }) =>
      (taskPath === "#.load" ? { type: "nothing" } : { type: "taskDetails", id: workflowId, taskPath, task: { body: taskPath }, attempts: [] }) as never;
    render(<JobsProvider client={server.client}><Workflow jobId="one" /></JobsProvider>);
    await settle();
    fireEvent.click(row("load"));
    await settle();
    const { ref } = server.of("getTask")[0] as { ref: number };
    fireEvent.click(row("report"));
    await settle();
    await server.say({ type: "taskDetails", id: "one", taskPath: "#.load", task: { body: "#.load" }, attempts: [], ref });
    expect(document.querySelector("pre")?.textContent).toBe('"#.report"');
  });

  it("runs a task, with an argument or without", async () => {
    await server.run("one");
    await open({ selected: "#.load" });
    await clicked("Run this task");
    expect(server.of("executeTask")[0]).not.toHaveProperty("arg");
    fireEvent.change(screen.getByLabelText(/^JSON\. Left empty/), { target: { value: "nonsense" } });
    await clicked("Run this task");
    expect(screen.getByRole("alert").textContent).toContain("This is not JSON");
    fireEvent.change(screen.getByLabelText(/^JSON\. Left empty/), { target: { value: "0" } });
    await clicked("Run this task");
    expect(server.of("executeTask")).toHaveLength(2);
    expect(server.of("executeTask")[1]?.arg).toBe(0);
  });

  it("says why it was refused", async () => {
    server.answers.executeTask = () => ({ type: "appError", error: { code: "CANNOT_START_TASK", message: "Run load first." } }) as never;
    await open({ selected: "#.report" });
    await clicked("Run this task");
    expect(screen.getByRole("alert").textContent).toBe("Run load first.");
  });

  it("forgets what was typed and said when another task is chosen", async () => {
    server.answers.executeTask = () => ({ type: "appError", error: { code: "CANNOT_START_TASK", message: "Run load first." } }) as never;
    await open();
    fireEvent.click(row("report"));
    fireEvent.change(screen.getByLabelText(/^JSON\. Left empty/), { target: { value: "1" } });
    await clicked("Run this task");
    fireEvent.click(row("load"));
    expect(screen.queryByRole("alert")).toBeNull();
    expect((screen.getByLabelText(/^JSON\. Left empty/) as HTMLTextAreaElement).value).toBe("");
  });

  it("keeps the keyboard where it is, and takes it to a question and back", async () => {
    server.answers.resumeWorkflow = () => ({ type: "ack", paths: ["#.load"] }) as never;
    await open();
    await server.change("one", { header: { status: "failed", run: 1 } });
    button("Resume…").focus();
    fireEvent.click(button("Resume…"));
    expect(button("Resume…").getAttribute("aria-disabled")).toBe("true");
    fireEvent.click(button("Resume…"));
    expect(document.activeElement).toBe(button("Resume…"));
    await settle();
    expect(server.of("resumeWorkflow")).toHaveLength(1);
    expect(document.activeElement).toBe(screen.getByRole("group", { name: "Resume?" }));
    await clicked("Back");
    expect(document.activeElement).toBe(button("Resume…"));
  });

  it("resumes after it has said what would run", async () => {
    await server.run("one", 1, { status: "failed" });
    server.answers.resumeWorkflow = ({ preview }) => ({ type: "ack", paths: preview ? ["#.split.wind", "#.report"] : undefined }) as never;
    await open({ selected: "#.split.wind" });
    await clicked("Resume from here…");
    expect(screen.getByText("2 tasks will run:")).toBeTruthy();
    await clicked("Resume");
    expect(server.of("resumeWorkflow").map(({ taskPath, preview }) => [taskPath, preview])).toEqual([["#.split.wind", true], ["#.split.wind", undefined]]);
    expect(screen.queryByText("2 tasks will run:")).toBeNull();
  });

  it("edits the updaters that a task has recorded", async () => {
    await server.run("one");
    await open({ selected: "#.load" });
    const field = screen.getByLabelText(/^A JSON list/) as HTMLTextAreaElement;
    expect(JSON.parse(field.value)).toEqual([{ seen: { $push: [3] } }]);
    expect((button("Save") as HTMLButtonElement).disabled).toBe(true);
    fireEvent.change(field, { target: { value: "{}" } });
    await clicked("Save");
    expect(screen.getByRole("alert").textContent).toBe("Updaters are a list of objects.");
    expect(server.of("setContextUpdaters")).toEqual([]);
    fireEvent.change(field, { target: { value: '[{"seen": {"$set": 1}}]' } });
    await clicked("Save");
    expect(server.of("setContextUpdaters")).toMatchObject([{ taskPath: "#.load", updaters: [{ seen: { $set: 1 } }] }]);
    expect(server.of("getTask")).toHaveLength(2);
    fireEvent.change(field, { target: { value: "[]" } });
    await clicked("Discard");
    expect(JSON.parse(field.value)).toEqual([{ seen: { $push: [3] } }]);
  });

  it("fetches earlier lines of a long log", async () => {
    await server.run("one");
    await server.change("one", { statuses: { "#.load": { logCount: 3 } } });
    server.answers.getTaskLogs = ({ workflowId, taskPath }) =>
      ({ type: "taskLogs", id: workflowId, taskPath, from: 0, lines: ["a", "b"], total: 3 }) as never;
    await open({ selected: "#.load" });
    await server.say({ type: "taskLog", id: "one", seq: 99, taskPath: "#.load", from: 2, lines: ["c"] });
    await clicked("Load 2 earlier lines");
    expect(server.of("getTaskLogs")).toMatchObject([{ from: 0, limit: 2 }]);
    expect([...document.querySelectorAll(".jobs-flow-lines li")].map((each) => each.textContent)).toEqual(["a", "b", "c"]);
  });
});
