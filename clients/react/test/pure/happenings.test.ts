import { initialState, type JobState, type TaskStatus, type TaskView } from "@jobs-flow/client";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { happenings, nothing, type Happening } from "../../src/happenings";

const known = (changes: Partial<JobState>): JobState => ({ ...initialState("one"), status: "working", run: 1, ...changes });

/** What is told to somebody who looks at these states. */
const toldOf = (states: readonly JobState[]): Happening[] => {
  let told = nothing;
  return states.flatMap((state) => {
    const next = happenings(told, state);
    told = next.told;
    return next.events;
  });
};

const names = (events: readonly Happening[]) => events.map((event) => ("path" in event ? `${event.type} ${event.path}` : event.type));

describe("happenings", () => {
  it("are told in order, and once", () => {
    const ok: TaskView = { status: "ok", run: 1, executionTime: 5, finishedAt: 9 };
    const states = [
      known({ statuses: { "#.a": { status: "inactive" }, "#.b": { status: "inactive" } } }),
      known({ statuses: { "#.a": { status: "running", run: 1, executionTime: 5 }, "#.b": { status: "inactive" } } }),
      known({ statuses: { "#.a": ok, "#.b": { status: "skipped", run: 1, finishedAt: 9 } } }),
      known({ status: "done", statuses: { "#.a": ok, "#.b": { status: "skipped", run: 1, finishedAt: 9 } } }),
    ];
    const told = ["taskStart #.a", "taskEnd #.a", "taskEnd #.b", "complete"];
    expect(names(toldOf(states))).toEqual(told);
    expect(names(toldOf([...states, ...states]))).toEqual(told);
    // Who comes at the end hears the same, and that it is late.
    const late = toldOf(states.slice(-1));
    expect(names(late)).toEqual(told);
    expect(late.every((event) => event.late)).toBe(true);
  });

  it("of an earlier run are not told to who comes later", () => {
    const statuses: Record<string, TaskView> = {
      "#.a": { status: "ok", run: 1, executionTime: 1 },
      "#.b": { status: "running", run: 2, executionTime: 7 },
    };
    expect(names(toldOf([known({ run: 2, statuses })]))).toEqual(["taskStart #.b"]);
  });

  it("say nothing of a start of what never was at work", () => {
    const statuses: Record<string, TaskView> = { "#.a": { status: "cancelled", run: 1 }, "#.b": { status: "failed", run: 1 } };
    expect(names(toldOf([known({ status: "cancelled", statuses })]))).toEqual(["taskEnd #.a", "taskEnd #.b", "error"]);
  });

  it("begin anew with a run, a second try of a task does not", () => {
    const a = (status: TaskStatus, run = 1): JobState => known({ run, statuses: { "#.a": { status, run, executionTime: run } } });
    expect(names(toldOf([a("running"), a("queued"), a("running"), a("failed")]))).toEqual(["taskStart #.a", "taskEnd #.a"]);
    expect(names(toldOf([a("ok"), a("ok", 2)]))).toEqual(["taskStart #.a", "taskEnd #.a", "taskStart #.a", "taskEnd #.a"]);
  });

  it("tell each failure: of the run, of a start, of a request, of the instance itself", () => {
    const error = { code: "EXECUTION_FAILED", message: "No." };
    expect(toldOf([known({ status: "failed", error }), known({ status: "failed", error })])).toMatchObject([{ type: "error", error }]);
    expect(toldOf([known({ status: "inactive", run: 0, error })])).toMatchObject([{ type: "error", error }]);
    const notice = { code: "CANNOT_START_TASK", message: "Not yet." };
    expect(toldOf([known({}), known({ notice }), known({ notice, seq: 9 })])).toMatchObject([{ type: "error", error: notice }]);
    // What somebody was refused before is none of ours.
    expect(toldOf([known({ notice })])).toEqual([]);
    const missing = { ...initialState("one"), missing: true, problem: { code: "INSTANCE_NOT_FOUND", message: "Where?" } };
    expect(toldOf([initialState("one"), missing, missing])).toMatchObject([{ type: "error", error: missing.problem }]);
    expect(names(toldOf([missing, known({ status: "done" })]))).toEqual(["error", "complete"]);
  });

  it("are the same whatever states are skipped or repeated on the way", () => {
    const ends: TaskStatus[] = ["ok", "failed", "skipped", "cancelled"];
    const history = fc.array(fc.tuple(fc.nat(4), fc.constantFrom(...ends)), { minLength: 1, maxLength: 12 }).map((steps) => {
      const statuses: Record<string, TaskView> = {};
      const states: JobState[] = [known({ statuses: { ...statuses } })];
      let time = 0;
      const put = (path: string, view: TaskView) => {
        statuses[path] = view;
        states.push(known({ statuses: { ...statuses } }));
      };
      for (const [task, end] of steps) {
        const path = `#.${task}`;
        if (statuses[path]) continue;
        put(path, { status: "queued", run: 1 });
        const started = end === "skipped" ? {} : { executionTime: ++time };
        if (end !== "skipped") put(path, { status: "running", run: 1, ...started });
        put(path, { status: end, run: 1, ...started, finishedAt: ++time });
      }
      states.push(known({ status: "done", statuses: { ...statuses } }));
      return states;
    });
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat(2)), (states, repeats) => {
        const all = names(toldOf(states));
        expect(new Set(all).size).toBe(all.length);
        const last = states.at(-1) as JobState;
        const some = states.flatMap((state) => Array<JobState>(repeats.next().value as number).fill(state));
        expect(names(toldOf([...some, last]))).toEqual(all);
      }),
    );
  });
});
