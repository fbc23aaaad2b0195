import { initialState, type JobState, type TaskNode, type TaskStatus, type TaskView } from "@jobs-flow/client";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { approach, ease, estimateOf, jobProgress, taskProgress } from "../../src/estimation";

const time = fc.double({ min: 0, max: 1e9, noNaN: true });
const anything = fc.oneof(fc.double(), fc.constantFrom(0, -1, NaN, Infinity, -Infinity));

const job = (changes: Partial<JobState>): JobState => ({ ...initialState("one"), status: "working", run: 1, ...changes });
const node = (path: string, children: TaskNode[] = []): TaskNode => ({ name: path.slice(path.lastIndexOf(".") + 1), path, children });

describe("approach", () => {
  it("is 95 % at the estimate", () => {
    expect(approach(1000, 1000)).toBeCloseTo(0.95, 2);
    expect(approach(0, 1000)).toBe(0);
  });

  it("never falls, never gets to 1, and is a number whatever comes", () => {
    fc.assert(
      fc.property(time, time, time, (a, b, estimate) => {
        const [early, late] = [approach(Math.min(a, b), estimate), approach(Math.max(a, b), estimate)];
        expect(early).toBeLessThanOrEqual(late);
        expect(late).toBeLessThan(1);
      }),
    );
    fc.assert(
      fc.property(anything, anything, (elapsed, estimate) => {
        expect(approach(elapsed, estimate)).toBeGreaterThanOrEqual(0);
        expect(approach(elapsed, estimate)).toBeLessThan(1);
      }),
    );
  });
});

describe("taskProgress", () => {
  it("takes what the task says where that is more", () => {
    const view: TaskView = { status: "running", executionTime: 1000, progress: 0.9 };
    expect(taskProgress(view, 10_000, 1500)).toBe(0.9);
    expect(taskProgress(view, 100, 1500)).toBeGreaterThan(0.99);
    expect(taskProgress({ ...view, progress: 1 }, 100, 1500)).toBeLessThan(1);
  });

  it("is 0 before the start, also when the clocks differ, and 1 at the end", () => {
    expect(taskProgress(undefined, 100, 0)).toBe(0);
    expect(taskProgress({ status: "queued" }, 100, 0)).toBe(0);
    expect(taskProgress({ status: "running", executionTime: 5000 }, 100, 1000)).toBe(0);
    for (const status of ["ok", "skipped", "failed", "cancelled"] as const) expect(taskProgress({ status }, 100, 0)).toBe(1);
  });
});

describe("estimateOf", () => {
  it("takes the mean of the others for what nobody has estimated", () => {
    expect(estimateOf({ "#.a": 100, "#.b": 300 })("#.c")).toBe(200);
    expect(estimateOf({ "#.a": 100 })("constructor")).toBe(100);
    expect(estimateOf({})("#.c")).toBe(1000);
    expect(estimateOf({ "#.a": NaN, "#.b": 50 })("#.a")).toBe(50);
  });
});

describe("jobProgress", () => {
  it("weighs tasks by their estimates, and a block by its longest branch", () => {
    const tasks = [node("#.a"), node("#.b", [node("#.b.x"), node("#.b.y")])];
    const estimations = { "#.a": 100, "#.b": 0, "#.b.x": 300, "#.b.y": 50 };
    const at = (statuses: Record<string, TaskView>) => jobProgress(job({ tasks, statuses }), estimations, 0);
    expect(at({ "#.a": { status: "ok" } })).toBeCloseTo(0.25);
    expect(at({ "#.a": { status: "ok" }, "#.b.y": { status: "ok" } })).toBeCloseTo(0.25);
    expect(at({ "#.a": { status: "ok" }, "#.b.x": { status: "ok" } })).toBeCloseTo(0.875);
  });

  it("is 1 when, and only when, it is done; 0 where there is nothing", () => {
    const tasks = [node("#.a")];
    expect(jobProgress(job({ status: "done" }), {}, 0)).toBe(1);
    expect(jobProgress(job({}), {}, 0)).toBe(0);
    expect(jobProgress(job({ tasks, statuses: { "#.a": { status: "ok" } } }), {}, 0)).toBeLessThan(1);
    const failed: TaskView = { status: "failed", executionTime: 0, duration: 500 };
    expect(jobProgress(job({ tasks, status: "failed", statuses: { "#.a": failed } }), { "#.a": 1000 }, 9e9)).toBeCloseTo(0.777, 2);
  });

  it("never falls while time passes and tasks go on, and is always between 0 and 1", () => {
    const order: TaskStatus[] = ["inactive", "queued", "running", "ok"];
    const paths = ["#.a", "#.b", "#.b.x", "#.b.y", "#.c"];
    const tasks = [node("#.a"), node("#.b", [node("#.b.x"), node("#.b.y")]), node("#.c")];
    const estimations = fc.dictionary(fc.constantFrom(...paths), anything);
    const steps = fc.array(fc.tuple(fc.constantFrom(...paths), fc.double({ min: 0, max: 5000, noNaN: true }), anything), { maxLength: 40 });
    fc.assert(
      fc.property(estimations, steps, (given, moves) => {
        const statuses: Record<string, TaskView> = {};
        let now = 1_000_000;
        let before = 0;
        for (const [path, passed, progress] of moves) {
          now += passed;
          const known = statuses[path];
          const status = order[Math.min(3, order.indexOf(known?.status ?? "inactive") + 1)] as TaskStatus;
          statuses[path] = { ...known, status, ...(status === "running" && { executionTime: now }), ...(status === "ok" && { progress }) };
          const value = jobProgress(job({ tasks, statuses }), given, now);
          expect(value).toBeGreaterThanOrEqual(before - 1e-9);
          expect(value).toBeLessThan(1);
          before = value;
        }
      }),
    );
  });
});

describe("ease", () => {
  it("never goes back, never beyond, and arrives", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, time, (shown, target, elapsed) => {
        const next = ease(shown, target, elapsed);
        expect(next).toBeGreaterThanOrEqual(shown);
        expect(next).toBeLessThanOrEqual(Math.max(shown, target));
      }),
    );
    let shown = 0;
    for (let frames = 0; frames < 60; frames++) shown = ease(shown, 1, 40);
    expect(shown).toBe(1);
    expect(ease(0.5, 0.2, 40)).toBe(0.5);
    expect(ease(0.2, 0.5, -40)).toBe(0.2);
  });
});
