import { describe, expect, test, vi } from "vitest";

import type { TaskDetails } from "../../src/protocol.gen.js";
import { DetailsStore } from "../../src/run/details.js";
import { joined } from "../../src/run/logs.js";
import { checkUpdaters } from "../../src/run/updaters.js";

const details = (path: string, attempts: TaskDetails["attempts"] = []): TaskDetails => ({
  ...{ type: "taskDetails", id: "i", taskPath: path, task: { argument: path }, attempts },
});
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("details", () => {
  test("are asked for once, and again when the task has changed", async () => {
    const fetch = vi.fn((path: string) => Promise.resolve(details(path)));
    const changed = vi.fn();
    const store = new DetailsStore(fetch, changed);
    expect(store.of("#.a", { status: "running" })).toMatchObject({ details: null, loading: true });
    store.of("#.a", { status: "running" });
    await settled();
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(changed).toHaveBeenCalledTimes(1);
    expect(store.of("#.a", { status: "running", progress: 0.5 })).toMatchObject({ loading: false });
    expect(fetch).toHaveBeenCalledTimes(1);
    // What is known is shown until the new ones are there.
    const known = store.of("#.a", { status: "ok" });
    expect(known.details?.task.argument).toBe("#.a");
    await settled();
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("that come late do not take the place of newer ones", async () => {
    const answers: ((answer: TaskDetails) => void)[] = [];
    const store = new DetailsStore(() => new Promise((resolve) => answers.push(resolve)), () => undefined);
    store.of("#.a", { status: "running" });
    store.of("#.a", { status: "ok" });
    answers[1]?.({ ...details("#.a"), task: { argument: "new" } });
    await settled();
    answers[0]?.({ ...details("#.a"), task: { argument: "old" } });
    await settled();
    expect(store.of("#.a", { status: "ok" })).toMatchObject({ details: { task: { argument: "new" } }, loading: false });
    expect(answers).toHaveLength(2);
  });

  test("that are refused say why, and can be asked for again", async () => {
    const fetch = vi.fn().mockRejectedValueOnce(Object.assign(new Error("no"), { code: "FORBIDDEN" }));
    fetch.mockResolvedValue(details("#.a"));
    const store = new DetailsStore(fetch, () => undefined);
    store.of("#.a", undefined);
    await settled();
    expect(store.of("#.a", undefined)).toMatchObject({ problem: { code: "FORBIDDEN", message: "no" }, loading: false });
    expect(fetch).toHaveBeenCalledTimes(1);
    store.reload("#.a");
    await settled();
    expect(store.of("#.a", undefined)).toMatchObject({ problem: null, details: { taskPath: "#.a" } });
  });

  test("of many tasks are asked for a few at a time, all of them", async () => {
    let under = 0;
    let most = 0;
    const fetch = vi.fn(async (path: string) => {
      most = Math.max(most, ++under);
      await settled();
      under -= 1;
      return details(path);
    });
    const store = new DetailsStore(fetch, () => undefined);
    for (let number = 0; number < 20; number++) store.attempts(`#.${number}`, { attempt: 2 });
    await vi.waitFor(() => expect(fetch).toHaveBeenCalledTimes(20), { timeout: 20_000 });
    expect(most).toBe(3);
  });

  test("of a task at its first attempt need no attempts", () => {
    const fetch = vi.fn((path: string) => Promise.resolve(details(path)));
    expect(new DetailsStore(fetch, () => undefined).attempts("#.a", { attempt: 1 })).toEqual([]);
    expect(fetch).not.toHaveBeenCalled();
  });

  test("of another instance do not come in late", async () => {
    const changed = vi.fn();
    const store = new DetailsStore((path) => Promise.resolve(details(path)), changed);
    store.of("#.a", undefined);
    store.clear();
    await settled();
    expect(changed).not.toHaveBeenCalled();
    expect(store.peek("#.a")).toBeUndefined();
  });
});

describe("log lines", () => {
  test.each([
    [undefined, undefined, { from: 0, lines: [] }],
    [undefined, { from: 3, lines: ["d"] }, { from: 3, lines: ["d"] }],
    [{ from: 1, lines: ["b", "c"] }, undefined, { from: 1, lines: ["b", "c"] }],
    [{ from: 1, lines: ["b", "c"] }, { from: 3, lines: ["d"] }, { from: 1, lines: ["b", "c", "d"] }],
    [{ from: 1, lines: ["b", "c", "d"] }, { from: 2, lines: ["c", "d", "e"] }, { from: 1, lines: ["b", "c", "d", "e"] }],
    [{ from: 0, lines: ["a"] }, { from: 5, lines: ["f"] }, { from: 5, lines: ["f"] }],
    [{ from: 5, lines: ["f"] }, { from: 0, lines: ["new"] }, { from: 0, lines: ["new"] }],
  ])("%j and %j", (earlier, live, expected) => {
    expect(joined(earlier, live)).toEqual(expected);
  });
});

describe("updaters", () => {
  test("are a list of objects", () => {
    expect(checkUpdaters('[{"a": {"$set": 1}}]')).toEqual([{ a: { $set: 1 } }]);
    expect(checkUpdaters("[]")).toEqual([]);
    for (const text of ["{}", "[1]", "[null]", "[[]]", "null"]) expect(() => checkUpdaters(text)).toThrow(TypeError);
    expect(() => checkUpdaters("[")).toThrow(SyntaxError);
  });
});
