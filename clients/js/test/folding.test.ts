import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { initialState, reduce, type JobState, type Message, type TaskNode, type TaskView } from "../src/index.js";
import { movedWindows } from "../src/tree.js";

const id = "i";
const FOLD = 10;

/** A block of `total` tasks, of which every third is ok. */
const child = (k: number, parent: string): TaskNode => ({ name: `s${k}`, path: `${parent}.s${k}`, children: [] });
const view = (k: number): TaskView => ({ status: k % 3 ? "inactive" : "ok" });
const window = (total: number, from: number, parent: string): TaskNode[] =>
  Array.from({ length: Math.min(FOLD, total - from) }, (_, i) => child(from + i, parent));
const viewsOf = (nodes: TaskNode[]): Record<string, TaskView> =>
  Object.fromEntries(nodes.map(({ name, path }) => [path, view(Number(name.slice(1)))]));
const countsOf = (total: number): Record<string, number> => ({ ok: Math.ceil(total / 3), inactive: total - Math.ceil(total / 3) });

const BLOCK = "#.wide";
const snapshot = (total: number): Message[] => {
  const children = window(total, 0, BLOCK);
  const { ok = 0, inactive = 0 } = countsOf(total);
  return [
    { type: "workflowDescription", id, tasks: [{ name: "wide", path: BLOCK, children, total, from: 0 }] },
    { type: "setWorkflowStatus", id, status: "working", seq: 1 },
    { type: "setTasksStatuses", id, seq: 1, statuses: { [BLOCK]: { status: "ok" }, ...viewsOf(children) }, counts: { ok: ok + 1, inactive }, blocks: { [BLOCK]: countsOf(total) } },
  ];
};
const moved = (total: number, from: number): Message => {
  const tasks = window(total, from, BLOCK);
  return { type: "workflowBlock", id, taskPath: BLOCK, from, total, tasks, statuses: viewsOf(tasks), seq: 1 };
};
const after = (messages: Message[], start: JobState = initialState(id)): JobState => messages.reduce(reduce, start);

const totals = fc.integer({ min: FOLD + 1, max: 500 });

describe("a folded block", () => {
  it("is counted as a whole, whatever of it is shown", () => {
    fc.assert(
      fc.property(totals, fc.nat(), (total, where) => {
        const start = after(snapshot(total));
        const state = after([moved(total, where % total)], start);
        for (const each of [start, state]) {
          expect(each.total).toBe(total + 1);
          expect(each.progress).toBeCloseTo((Math.ceil(total / 3) + 1) / (total + 1));
          expect(each.blocks[BLOCK]).toEqual(countsOf(total));
        }
      }),
    );
  });

  it("knows the tasks of its window and no others", () => {
    fc.assert(
      fc.property(totals, fc.array(fc.nat(), { maxLength: 5 }), (total, moves) => {
        let state = after(snapshot(total));
        for (const where of moves) state = after([moved(total, where % total)], state);
        const [wide] = state.tasks;
        const expected = [BLOCK, ...wide!.children.map(({ path }) => path)];
        expect(Object.keys(state.statuses).sort()).toEqual(expected.sort());
        expect(movedWindows(state)).toEqual(wide!.from ? [{ path: BLOCK, from: wide!.from }] : []);
      }),
    );
  });

  it("takes new counts as they are told, and none from the window alone", () => {
    const state = after(snapshot(100));
    const told: Message = { type: "setTasksStatuses", id, seq: 2, statuses: { [`${BLOCK}.s1`]: { status: "running" } } };
    expect(after([told], state).counts).toBe(state.counts);
    const counted = after([{ ...told, counts: { ok: 36, running: 1, inactive: 64 }, blocks: { [BLOCK]: { ok: 35, running: 1, inactive: 64 } } } as Message], state);
    expect(counted.counts).toEqual({ ok: 36, running: 1, inactive: 64 });
    expect(counted.blocks[BLOCK]).toEqual({ ok: 35, running: 1, inactive: 64 });
  });

  it("leaves the tasks beside it as they are", () => {
    const beside: TaskNode = { name: "b", path: "#.b", children: [{ name: "c", path: "#.b.c", children: [] }] };
    const tasks = [{ name: "wide", path: BLOCK, children: window(50, 0, BLOCK), total: 50, from: 0 }, beside];
    const start = after([{ type: "workflowDescription", id, tasks }]);
    expect(after([moved(50, 20)], start).tasks[1]).toBe(beside);
  });

  it("may be the root", () => {
    const tasks = window(50, 0, "#");
    const start = after([
      { type: "workflowDescription", id, tasks, total: 50, from: 0 },
      { type: "setTasksStatuses", id, seq: 1, statuses: viewsOf(tasks), counts: countsOf(50), blocks: { "#": countsOf(50) } },
    ]);
    expect([start.window, start.total]).toEqual([{ total: 50, from: 0 }, 50]);
    const later = window(50, 40, "#");
    const state = after([{ type: "workflowBlock", id, taskPath: "#", from: 40, total: 50, tasks: later, statuses: viewsOf(later), seq: 1 }], start);
    expect(state.window).toEqual({ total: 50, from: 40 });
    expect(state.tasks).toEqual(later);
    expect(Object.keys(state.statuses)).toHaveLength(10);
    expect(movedWindows(state)).toEqual([{ path: "#", from: 40 }]);
  });
});
