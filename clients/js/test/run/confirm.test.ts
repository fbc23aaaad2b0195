// @vitest-environment jsdom
import { beforeEach, describe, expect, test, vi } from "vitest";

import type { JobsFlowClient } from "../../src/index.js";
import type { Asked, Offer } from "../../src/run/commands.js";
import { parseCommands } from "../../src/run/commands.js";
import type { Actions, Scene } from "../../src/run/context.js";
import { DetailsStore } from "../../src/run/details.js";
import { request, type Given } from "../../src/run/request.js";
import { RunView } from "../../src/run/view.js";
import { initialState, type JobState } from "../../src/state.js";
import { turn } from "../support/socket.js";

vi.stubGlobal("ResizeObserver", class { observe(): void {} });
// jsdom has the element, but neither opens nor closes it.
HTMLDialogElement.prototype.showModal = function () {
  this.open = true;
};
HTMLDialogElement.prototype.close = function () {
  this.open = false;
  this.dispatchEvent(new Event("close"));
};

const never = () => new Promise<never>(() => {});
const clientThat = () => ({ pause: vi.fn(async () => ({})), unpause: vi.fn(async () => ({})) });

test("a request goes by what was offered", async () => {
  const client = clientThat();
  const send = (label: string) => request(client as unknown as JobsFlowClient, "i", { command: "pause", label, path: "#" });
  await send("pause");
  expect([client.pause.mock.calls, client.unpause.mock.calls]).toEqual([[["i"]], []]);
  await send("unpause");
  expect([client.pause.mock.calls, client.unpause.mock.calls]).toEqual([[["i"]], [["i"]]]);
});

describe("the question", () => {
  let view: RunView;
  let root: ShadowRoot;
  let scene: Scene;
  let send: ReturnType<typeof vi.fn<(asked: Asked, given: Given) => Promise<boolean>>>;

  beforeEach(() => {
    document.body.replaceChildren();
    const host = document.createElement("div");
    document.body.append(host);
    root = host.attachShadow({ mode: "open" });
    send = vi.fn(async () => true);
    const actions: Actions = {
      select: () => {},
      setOpen: () => {},
      moveWindow: async () => {},
      ask: (offer, opener) => view.confirm.open(offer, opener),
      send,
      preview: never,
      redraw: () => {},
    };
    view = new RunView(root, actions, never, () => {});
    scene = {
      ...{ connection: "open", now: 0, rows: [], selected: null, view: "tree" },
      state: { ...initialState("i"), status: "working", run: 1 },
      ...{ allowed: parseCommands(null), details: new DetailsStore(never, () => {}) },
    };
    change({});
  });

  const change = (state: Partial<JobState>, more: Partial<Scene> = {}) => {
    scene = { ...scene, state: { ...scene.state, ...state }, ...more };
    view.update(scene, null);
  };
  const press = (command: Offer["command"]) => root.querySelector<HTMLElement>(`[data-command="${command}"]`)!.click();
  const confirm = async () => {
    root.querySelector("dialog form")!.dispatchEvent(new Event("submit", { cancelable: true }));
    await turn();
  };
  const isAsked = () => root.querySelector("dialog")!.open;
  const told = () => root.querySelector(".told")!.textContent;

  test("is answered by what was asked, though it would be called otherwise now", async () => {
    press("pause");
    // Not drawn yet.
    scene.state = { ...scene.state, paused: true };
    await confirm();
    expect(send.mock.calls[0]![0]).toMatchObject({ command: "pause", label: "pause", path: "#" });
    expect(told()).toBe("Paused.");
  });

  test("is not asked any more once somebody else has done it", async () => {
    press("pause");
    expect(isAsked()).toBe(true);
    change({ counts: { ...scene.state.counts, running: 1 } });
    expect(isAsked()).toBe(true);
    change({ paused: true });
    expect(isAsked()).toBe(false);
    await confirm();
    expect(send).not.toHaveBeenCalled();
    change({ paused: false });
    expect(isAsked()).toBe(false);
  });

  test("nor when it makes no sense, or is not for this reader any more", () => {
    press("cancel");
    change({ status: "done" });
    expect(isAsked()).toBe(false);
    press("run");
    expect(isAsked()).toBe(true);
    change({}, { allowed: parseCommands("reset") });
    expect(isAsked()).toBe(false);
  });

  test("of a task is of that task", () => {
    const tasks = ["a", "b"].map((name) => ({ name, path: `#.${name}`, children: [] }));
    const statuses = { "#.a": { status: "ok" }, "#.b": { status: "ok" } } as JobState["statuses"];
    change({ status: "done", tasks, statuses }, { selected: "#.a" });
    root.querySelector<HTMLElement>('.panel [data-command="reset"]')!.click();
    change({ statuses: { ...statuses, "#.b": { status: "inactive" } } }, { selected: "#.b" });
    expect(isAsked()).toBe(true);
    change({ statuses: { ...statuses, "#.a": { status: "inactive" } } });
    expect(isAsked()).toBe(false);
  });

  test("stays while the connection is lost, with what was typed", () => {
    change({ status: "done" });
    press("run");
    root.querySelector("textarea")!.value = "[1]";
    change({}, { connection: "reconnecting" });
    change({}, { connection: "open" });
    expect(isAsked()).toBe(true);
    expect(root.querySelector("textarea")!.value).toBe("[1]");
  });

  test("stays until it is answered, and a refusal outlives it", async () => {
    let refuse: (error: Error) => void = () => {};
    send.mockImplementation(() => new Promise((_, reject) => (refuse = reject)));
    press("pause");
    await confirm();
    change({ status: "done" });
    expect(isAsked()).toBe(true);
    refuse(new Error("It is over."));
    await turn();
    expect(root.querySelector("dialog [role=alert]")!.textContent).toBe("Refused: It is over.");
    change({});
    expect(isAsked()).toBe(false);
    expect(told()).toBe("Refused: It is over.");
  });
});
