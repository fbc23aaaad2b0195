import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { JobsProvider, Panel, Workflow, type PanelProps } from "../../src";
import { Server, settle } from "../support/server";

let server: Server;
beforeEach(() => {
  server = new Server().add("one", "load split/rain/wind report", { name: "Weather" });
  server.answers = {
    getTask: ({ workflowId, taskPath }) => ({ type: "taskDetails", id: workflowId, taskPath, task: {}, attempts: [] }) as never,
  };
});
afterEach(() => server.client.close());

const open = async (props: Partial<PanelProps> = {}) => {
  render(<JobsProvider client={server.client}><Panel jobId="one" path="#" {...props} /></JobsProvider>);
  await settle();
};
const button = (name: string) => screen.getByRole("button", { name });
const buttons = () => screen.getAllByRole("button").map(({ textContent }) => textContent);
const unusable = (name: string) => button(name).getAttribute("aria-disabled") === "true";
const clicked = async (name: string) => {
  fireEvent.click(button(name));
  await settle();
};
const question = (name: string) => screen.getByRole("group", { name });
const refused = { type: "appError", error: { code: "NOT_ALLOWED", message: "Not for you." } } as never;

describe("the buttons of the whole", () => {
  it("run it, pause it and go on", async () => {
    await open();
    await clicked("Run all");
    expect(server.of("executeAllTasks")).toHaveLength(1);
    await server.change("one", { header: { status: "working", run: 1 } });
    const pause = button("Pause");
    await clicked("Pause");
    await server.change("one", { header: { paused: true } });
    expect(button("Unpause")).toBe(pause);
    await clicked("Unpause");
    expect([server.of("pauseWorkflow"), server.of("unpauseWorkflow")].map((each) => each.length)).toEqual([1, 1]);
  });

  it("have places of their own, whatever the status", async () => {
    await open();
    const places = () => screen.getAllByRole("button");
    const before = places();
    expect(buttons()).toEqual(["Run all", "Resume…", "Pause", "Cancel…", "Reset…"]);
    await server.change("one", { header: { status: "working", run: 1 } });
    expect(places()).toEqual(before);
    expect(buttons()).toEqual(["Run all", "Resume…", "Pause", "Cancel…", "Reset…"]);
    await server.run("one");
    expect(places()).toEqual(before);
    expect(buttons()[3]).toBe("Undo…");
  });

  it("take a double click for one", async () => {
    await open();
    const run = button("Run all");
    fireEvent.click(run, { detail: 1 });
    await settle();
    await server.change("one", { header: { status: "working", run: 1 } });
    fireEvent.click(run, { detail: 2 });
    fireEvent.click(button("Pause"), { detail: 1 });
    await settle();
    await server.change("one", { header: { paused: true } });
    fireEvent.click(button("Unpause"), { detail: 2 });
    await settle();
    expect(server.asked.map(({ type }) => type)).toEqual(["watchWorkflowInstance", "executeAllTasks", "pauseWorkflow"]);
  });

  it("say why they cannot be used", async () => {
    await open({ commands: true });
    expect(buttons().filter((name) => !unusable(name!))).toEqual(["Run all", "Destroy…"]);
    expect(button("Pause").title).toBe("It is not running.");
    await clicked("Reset…");
    expect(screen.getByRole("status").textContent).toBe("It has not run yet.");
    expect(server.of("resetWorkflow")).toEqual([]);
    await server.run("one");
    expect(screen.getByRole("status").textContent).toBe("");
    await server.cut();
    await clicked("Run all");
    expect(screen.getByRole("status").textContent).toBe("There is no connection.");
    expect(server.of("executeAllTasks")).toEqual([]);
  });

  it("are those that were asked for", async () => {
    await open({ commands: ["run", "cancel"] });
    expect(buttons()).toEqual(["Run all", "Cancel…"]);
  });

  it("destroy only where that is asked for", async () => {
    await open();
    expect(screen.queryByRole("button", { name: "Destroy…" })).toBeNull();
    cleanup();
    await open({ commands: true });
    expect(buttons().at(-1)).toBe("Destroy…");
    cleanup();
    await open({ commands: ["destroy"] });
    expect(buttons()).toEqual(["Destroy…"]);
    cleanup();
    await open({ path: "#.load" });
    expect(buttons().slice(0, 3)).toEqual(["Run this task", "Resume from here…", "Reset this task…"]);
  });

  it("are none where none are wanted, and for guests with a ticket none unless they are", async () => {
    await open({ commands: false });
    await open({ ticket: "signed" });
    expect(screen.queryByRole("button")).toBeNull();
    await open({ ticket: "signed", commands: ["run"] });
    expect(buttons()).toEqual(["Run all"]);
  });

  it("have the words of the page, and of what it does not name their own", async () => {
    const words = { commands: { run: "Alles ausführen" } };
    render(<JobsProvider client={server.client} words={words}><Panel jobId="one" path="#" /></JobsProvider>);
    await settle();
    expect(buttons().slice(0, 2)).toEqual(["Alles ausführen", "Resume…"]);
  });
});

describe("what has to be confirmed", () => {
  it("is not done before it is", async () => {
    await server.change("one", { header: { status: "working", run: 1 } });
    await open();
    button("Cancel…").focus();
    await clicked("Cancel…");
    expect(document.activeElement).toBe(question("Cancel the run?"));
    await clicked("Back");
    expect(document.activeElement).toBe(button("Cancel…"));
    await clicked("Cancel…");
    fireEvent.keyDown(question("Cancel the run?"), { key: "Escape" });
    expect(screen.queryByRole("group", { name: "Cancel the run?" })).toBeNull();
    await clicked("Cancel…");
    expect(server.of("cancelWorkflow")).toEqual([]);
    await clicked("Cancel the run");
    expect(server.of("cancelWorkflow").map(({ undo }) => undo)).toEqual([undefined]);
    expect(screen.getByRole("status").textContent).toBe("Cancelled.");
  });

  it("cancels, and undoes what is finished", async () => {
    await server.change("one", { header: { status: "working", run: 1 } });
    await open();
    await clicked("Cancel…");
    fireEvent.click(screen.getByLabelText("Undo what is finished, too"));
    await clicked("Cancel the run");
    // What was ticked counts once.
    await clicked("Cancel…");
    await clicked("Cancel the run");
    expect(server.of("cancelWorkflow").map(({ undo }) => undo)).toEqual([true, undefined]);
  });

  it("undoes a run that is over", async () => {
    await server.run("one");
    await open();
    await clicked("Undo…");
    expect(server.of("cancelWorkflow")).toEqual([]);
    await clicked("Undo");
    expect(server.of("cancelWorkflow")).toMatchObject([{ workflowId: "one", undo: true }]);
  });

  it("resets all, or one task with those below it", async () => {
    await server.run("one");
    render(<JobsProvider client={server.client}><Workflow jobId="one" /></JobsProvider>);
    await settle();
    await clicked("Reset…");
    await clicked("Reset");
    fireEvent.click(screen.getByRole("treeitem", { name: /^split/ }));
    await clicked("Reset this task…");
    await clicked("Reset");
    expect(server.of("resetWorkflow").map(({ taskPath }) => taskPath)).toEqual(["#", "#.split"]);
  });

  it("cancels one task", async () => {
    await server.change("one", { header: { status: "working", run: 1 } });
    await open({ path: "#.split" });
    await clicked("Cancel this task…");
    await clicked("Cancel the task");
    expect(server.of("cancelWorkflow")).toMatchObject([{ taskPath: "#.split" }]);
  });

  it("destroys, and leaves the keyboard in the panel", async () => {
    await open({ commands: true });
    button("Destroy…").focus();
    await clicked("Destroy…");
    expect(server.of("destroyWorkflow")).toEqual([]);
    await clicked("Destroy");
    expect(server.of("destroyWorkflow")).toMatchObject([{ workflowId: "one" }]);
    await clicked("Destroy…");
    await server.say({ type: "workflowDeleted", id: "one", seq: 99 });
    expect(screen.queryByRole("button")).toBeNull();
    const panel = screen.getByRole("region", { name: "Weather" });
    expect(within(panel).getByText("Deleted")).toBeTruthy();
    expect(document.activeElement).toBe(panel);
  });

  it("is still there when it was refused, with the message", async () => {
    await server.run("one");
    server.answers.resetWorkflow = server.answers.destroyWorkflow = () => refused;
    await open({ commands: true });
    await clicked("Reset…");
    await clicked("Reset");
    expect(within(question("Reset all tasks?")).getByRole("alert").textContent).toBe("Not for you.");
    expect(unusable("Reset")).toBe(false);
    // It was said of this question, and is not of the next one.
    await clicked("Back");
    expect(screen.queryByRole("alert")).toBeNull();
    await clicked("Destroy…");
    expect(screen.queryByRole("alert")).toBeNull();
    await clicked("Destroy");
    expect(screen.getAllByRole("alert").map(({ textContent }) => textContent)).toEqual(["Not for you."]);
    expect(screen.getByRole("region").dataset["status"]).toBe("done");
  });

  it("says that there was nothing to do", async () => {
    await server.run("one");
    server.answers.cancelWorkflow = () => ({ type: "ack", changed: false }) as never;
    await open();
    await clicked("Undo…");
    await clicked("Undo");
    expect(screen.getByRole("status").textContent).toBe("There was nothing to do.");
    expect(screen.queryByRole("group", { name: "Undo what was done?" })).toBeNull();
  });

  it("is not asked any more when it has become pointless", async () => {
    await server.change("one", { header: { status: "working", run: 1 } });
    await open();
    await clicked("Cancel…");
    await server.change("one", { header: { status: "done" } });
    expect(screen.queryByRole("group", { name: "Cancel the run?" })).toBeNull();
    await server.change("one", { header: { status: "working", run: 2 } });
    expect(screen.queryByRole("group", { name: "Cancel the run?" })).toBeNull();
  });

  it("leaves a reader who is elsewhere there when it goes", async () => {
    await server.change("one", { header: { status: "working", run: 1 } });
    render(<input aria-label="Notes" />);
    await open();
    const notes = screen.getByLabelText("Notes");
    button("Cancel…").focus();
    await clicked("Cancel…");
    notes.focus();
    await server.change("one", { header: { status: "done" } });
    expect(screen.queryByRole("group", { name: "Cancel the run?" })).toBeNull();
    expect(document.activeElement).toBe(notes);

    await server.change("one", { header: { status: "working", run: 2 } });
    button("Cancel…").focus();
    await clicked("Cancel…");
    button("Pause").focus();
    await clicked("Pause");
    await server.change("one", { header: { status: "done" } });
    expect(document.activeElement).toBe(button("Pause"));
  });

  it("gives the keyboard back where it was lost with it", async () => {
    await server.change("one", { header: { status: "working", run: 1 } });
    await open();
    button("Cancel…").focus();
    await clicked("Cancel…");
    button("Back").focus();
    await server.change("one", { header: { status: "done" } });
    // "Cancel…" is "Undo…" now, and still the same button.
    expect(document.activeElement?.getAttribute("aria-disabled")).not.toBeNull();
    expect(document.activeElement).toBe(screen.getAllByRole("button")[3]);
  });

  it("lists a hundred tasks that would run, and says how many more", async () => {
    await server.run("one", 1, { status: "failed" });
    let count = 100;
    server.answers.resumeWorkflow = () => ({ type: "ack", paths: Array.from({ length: count }, (_, index) => `#.t${index}`) }) as never;
    await open({ path: "#.report" });
    await clicked("Resume from here…");
    expect(screen.getAllByRole("listitem")).toHaveLength(100);
    expect(screen.queryByText(/ more$/)).toBeNull();
    await clicked("Back");
    count = 123;
    await clicked("Resume from here…");
    expect(screen.getByText("123 tasks will run:")).toBeTruthy();
    expect(screen.getAllByRole("listitem")).toHaveLength(100);
    expect(screen.getByText("… and 23 more")).toBeTruthy();
  });
});
