import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ENDED, initialState, reduce, type JobState, type Message } from "../src/index.js";
import { histories, widths } from "./support/histories.js";
import { Story } from "./support/story.js";

const frozen = <T>(value: T): T => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
};

/** All messages one after the other; a state that is modified throws. */
const reduced = (messages: readonly Message[], start: JobState = initialState("i")): JobState =>
  messages.reduce((state, message) => frozen(reduce(state, frozen(message))), frozen(start));

/** What a late one cannot know is left out: what was said only to those who were there. */
const known = ({ notice: _, ...state }: JobState): Omit<JobState, "notice"> => state;

const recount = (state: JobState): Pick<JobState, "counts" | "total" | "progress"> => {
  const counts: Record<string, number> = {};
  for (const { status = "inactive" } of Object.values(state.statuses)) counts[status] = (counts[status] ?? 0) + 1;
  const total = Object.keys(state.statuses).length;
  const ended = Object.entries(counts).reduce((sum, [status, count]) => sum + (ENDED.has(status) ? count : 0), 0);
  return { counts, total, progress: total ? ended / total : 0 };
};

describe("any history", () => {
  it("gives who comes late the state of who was there", () => {
    fc.assert(
      fc.property(widths, histories, fc.nat(), (shape, history, when) => {
        const story = new Story("i", shape);
        let early = reduced(story.snapshot());
        let late: JobState | null = null;
        history.forEach((happening, i) => {
          const told = story.tell(happening);
          early = reduced(told, early);
          if (late) late = reduced(told, late);
          else if (i === when % history.length) late = reduced(story.snapshot());
        });
        expect(known(late ?? reduced(story.snapshot()))).toEqual(known(early));
      }),
    );
  });

  it("gives who comes back the state of who never left", () => {
    fc.assert(
      fc.property(widths, histories, histories, histories, (shape, before, away, after) => {
        const story = new Story("i", shape);
        let stayed = reduced(story.snapshot());
        before.forEach((happening) => (stayed = reduced(story.tell(happening), stayed)));
        let left = stayed;
        away.forEach((happening) => (stayed = reduced(story.tell(happening), stayed)));
        left = reduced(story.since(left.seq), left);
        for (const happening of after) {
          const told = story.tell(happening);
          stayed = reduced(told, stayed);
          left = reduced(told, left);
        }
        expect(known(left)).toEqual(known(stayed));
      }),
    );
  });

  it("is not changed by what is told twice", () => {
    fc.assert(
      fc.property(widths, histories, fc.nat(), (shape, history, when) => {
        const story = new Story("i", shape);
        let state = reduced(story.snapshot());
        history.forEach((happening) => (state = reduced(story.tell(happening), state)));
        const again = reduced(story.since(when % (story.seq + 1)), state);
        expect(known(again)).toEqual(known(state));
        // What comes last, again: not even another object.
        const last = story.since(Math.max(0, story.seq - 1)).at(-1)!;
        expect(reduce(again, last)).toBe(again);
      }),
    );
  });

  it("counts as if it counted from the beginning", () => {
    fc.assert(
      fc.property(widths, histories, (shape, history) => {
        const story = new Story("i", shape);
        let state = reduced(story.snapshot());
        for (const happening of history) {
          state = reduced(story.tell(happening), state);
          expect(state).toMatchObject(recount(state));
          expect(state.progress).toBeGreaterThanOrEqual(0);
          expect(state.progress).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("keeps the identity of what did not change", () => {
    fc.assert(
      fc.property(widths, histories, (shape, history) => {
        const story = new Story("i", shape);
        let state = reduced(story.snapshot());
        for (const happening of history) {
          const before = state;
          state = reduced(story.tell(happening), state);
          if (happening.kind === "run") continue;
          expect(state.tasks).toBe(before.tasks);
          for (const [path, view] of Object.entries(state.statuses)) {
            if (JSON.stringify(view) === JSON.stringify(before.statuses[path])) expect(view).toBe(before.statuses[path]);
          }
          if (happening.kind !== "log") expect(state.logs).toBe(before.logs);
        }
      }),
    );
  });
});

const UNAVAILABLE = { code: "STORAGE_UNAVAILABLE", message: "no" };
const id = "i";
const status = (...records: Array<[name: string, status: string]>): Message =>
  ({ type: "setTasksStatuses", id, seq: 1, statuses: Object.fromEntries(records.map(([name, is]) => [`#.${name}`, { status: is }])) }) as Message;
const lines = (from: number, ...texts: string[]): Message => ({ type: "taskLog", id, seq: 1, taskPath: "#.a", from, lines: texts });
const header = (fields: object): Message => ({ type: "setWorkflowStatus", id, seq: 1, status: "working", ...fields });
const refusal = (code: string): Message => ({ type: "appError", id, error: { code, message: "no" } });

const TABLE: Record<string, [told: Message[], so: Partial<JobState>]> = {
  "nothing is known": [[], { progress: 0, total: 0, status: null, color: "muted" }],
  "there are no tasks": [[status()], { progress: 0, total: 0 }],
  "nothing has ended": [[status(["a", "inactive"], ["b", "queued"])], { progress: 0, total: 2 }],
  "every end is an end": [
    [status(["a", "ok"], ["b", "skipped"], ["c", "failed"], ["d", "cancelled"], ["e", "running"])],
    { progress: 0.8, counts: { ok: 1, skipped: 1, failed: 1, cancelled: 1, running: 1 } },
  ],
  "records are merged": [[status(["a", "running"]), status(["a", "ok"])], { progress: 1, counts: { ok: 1 } }],
  "a description begins again": [
    [status(["a", "ok"]), lines(0, "a"), { type: "workflowDescription", id, tasks: [] }],
    { statuses: {}, progress: 0, total: 0, logs: {} },
  ],
  "lines are appended": [[lines(0, "a", "b"), lines(2, "c")], { logs: { "#.a": { from: 0, lines: ["a", "b", "c"] } } }],
  "lines may be known": [[lines(3, "d", "e"), lines(4, "e", "f")], { logs: { "#.a": { from: 3, lines: ["d", "e", "f"] } } }],
  "lines may all be known": [[lines(3, "d", "e", "f"), lines(3, "d")], { logs: { "#.a": { from: 3, lines: ["d", "e", "f"] } } }],
  "lines may be missing": [[lines(0, "a"), lines(5, "f")], { logs: { "#.a": { from: 5, lines: ["f"] } } }],
  "the instance failed": [
    [header({ status: "failed", run: 2, error: { code: "X", message: "no" } })],
    { status: "failed", run: 2, error: { code: "X", message: "no" }, color: "failed" },
  ],
  "a cancelled one warns": [[header({ status: "cancelled" })], { color: "warning" }],
  "a request was refused": [
    [{ type: "executionError", id, error: { type: "Y", payload: { message: "not now" } } }],
    { notice: { code: "Y", message: "not now" }, status: null, missing: false },
  ],
  "a refusal is over with the next status": [
    [{ type: "executionError", id, error: { type: "Y", payload: {} } }, header({})],
    { notice: null, status: "working" },
  ],
  "a refusal is still news while the status is the same": [
    [header({}), { type: "executionError", id, error: { type: "Y", payload: {} } }, header({ paused: true })],
    { notice: { code: "Y", message: "" }, paused: true },
  ],
  "the storage is away": [[refusal(UNAVAILABLE.code)], { problem: UNAVAILABLE, missing: false }],
  "the storage is back": [[refusal(UNAVAILABLE.code), header({})], { problem: null, status: "working" }],
  "there is no such instance": [[refusal("INSTANCE_NOT_FOUND")], { missing: true }],
  "it was removed": [[header({}), { type: "workflowDeleted", id }], { status: "deleted", color: "muted" }],
  "it is about another instance": [[{ ...status(["a", "ok"]), id: "another" } as Message], { total: 0 }],
  "it is of a later version": [[{ type: "somethingNew", id, status: "x" } as never], { status: null }],
};

describe("the state after", () => {
  it.each(Object.entries(TABLE))("%s", (_, [told, so]) => {
    expect(reduced(told)).toMatchObject(so);
  });

  it.each([
    ["lines", lines(0, "a", "b")],
    ["records", status(["a", "ok"], ["b", "running"])],
    ["a header", header({ name: "n", error: { code: "X", message: "no" } })],
  ])("%s that were told already is the same object", (_, message) => {
    const state = reduced([lines(0, "a", "b", "c"), status(["a", "ok"], ["b", "running"]), header({ name: "n", error: { code: "X", message: "no" } })]);
    expect(reduce(state, message)).toBe(state);
  });

  it("one record of two that were told is a new object, the other is not", () => {
    const state = reduced([status(["a", "ok"], ["b", "running"])]);
    const next = reduce(state, status(["a", "ok"], ["b", "ok"]));
    expect(next.statuses["#.a"]).toBe(state.statuses["#.a"]);
    expect(next.statuses["#.b"]).not.toBe(state.statuses["#.b"]);
  });

  it("a log that never ends keeps its last thousand lines", () => {
    const many = (from: number, count: number): Message => lines(from, ...Array.from({ length: count }, (_, i) => `${from + i}`));
    const log = reduced([many(0, 800), many(800, 800)]).logs["#.a"]!;
    expect([log.from, log.lines.length, log.lines[0], log.lines.at(-1)]).toEqual([600, 1000, "600", "1599"]);
  });
});

describe("a result too large to be shown", () => {
  it("is not taken for the null of before", () => {
    const story = new Story("i", [0]);
    const [path = ""] = story.paths;
    const told = (record: object): Message => ({ type: "setTasksStatuses", id: "i", statuses: { [path]: record }, seq: 9 });
    const queued = reduced([...story.snapshot(), told({ status: "queued", body: null, bodySize: null })]);
    const large = reduced([told({ status: "ok", bodySize: 70_000 })], queued);
    expect(queued.statuses[path]).toHaveProperty("body", null);
    expect(large.statuses[path]).not.toHaveProperty("body");
    expect(reduced([told({ progress: 1 })], reduced([told({ status: "ok", bodySize: 4, body: null })], queued)).statuses[path]).toHaveProperty("body", null);
  });
});
