import { describe, expect, test } from "vitest";

import { parseCommands, runOffers, taskOffers, updaterReason, type Situation } from "../../src/run/commands.js";

const ALL = parseCommands("all");
const situation = (more: Partial<Situation> = {}): Situation => ({
  ...{ status: "failed", error: null, run: 1, paused: false, cancelled: [], undo: null },
  ...{ counts: { ok: 2, failed: 1, inactive: 1 }, total: 4, ...more },
});
const reasons = (more: Partial<Situation>, connection = "open"): Record<string, string | null> =>
  Object.fromEntries(runOffers(situation(more), connection, ALL).map(({ label, reason }) => [label, reason]));

describe("the attribute", () => {
  test("allows what it names", () => {
    expect([...parseCommands("resume  run,nonsense")]).toEqual(["run", "resume"]);
    expect([...parseCommands("none")]).toEqual([]);
    expect([...parseCommands("")]).toEqual([]);
  });

  test("left out, allows all but what cannot be taken back, and a guest nothing", () => {
    expect(parseCommands(null).has("destroy")).toBe(false);
    expect(parseCommands(null).has("run")).toBe(true);
    expect(parseCommands(null, true).size).toBe(0);
    expect(parseCommands("run", true).size).toBe(1);
  });
});

describe("of the run", () => {
  test("at work it can be paused and cancelled, and nothing else", () => {
    expect(reasons({ status: "working" })).toEqual({
      ...{ run: "working", resume: "working", pause: null, cancel: null, reset: "working", destroy: null },
    });
  });

  test("paused, that can be taken back", () => {
    expect(reasons({ status: "working", paused: true })).toMatchObject({ unpause: null, cancel: null });
  });

  test("being cancelled, it may still be asked to be undone", () => {
    expect(reasons({ status: "working", cancelled: ["#"] })).toMatchObject({ pause: "cancelling", cancel: null });
    expect(reasons({ status: "working", cancelled: ["#"], undo: "wanted" })).toMatchObject({ cancel: "cancelling" });
  });

  test("failed, it can be resumed, run again, reset and undone", () => {
    expect(reasons({})).toEqual({ run: null, resume: null, pause: "idle", undo: null, reset: null, destroy: null });
  });

  test("done, there is nothing to resume", () => {
    expect(reasons({ status: "done", counts: { ok: 3, skipped: 1 } })).toMatchObject({ resume: "passed", run: null });
  });

  test("never run, it can be run", () => {
    const never = { status: "inactive", run: 0, counts: { inactive: 4 } } as const;
    expect(reasons(never)).toMatchObject({ run: null, resume: "never", reset: "never", cancel: "over" });
  });

  test("reset as a whole, it can be resumed from the beginning, and there is nothing to reset", () => {
    const reset = { status: "inactive", counts: { inactive: 4 } } as const;
    expect(reasons(reset)).toMatchObject({ run: null, resume: null, reset: "clean", cancel: "over" });
    expect(reasons({ ...reset, counts: { ok: 1, inactive: 3 } })).toMatchObject({ reset: null });
    // The broker was away, which a reset takes off the record.
    expect(reasons({ ...reset, error: { code: "BROKER_UNAVAILABLE" } })).toMatchObject({ reset: null });
  });

  test("being undone, it has to be waited for", () => {
    expect(reasons({ status: "cancelled", undo: "running" })).toMatchObject({ run: "undoing", cancel: "over" });
    expect(reasons({ status: "cancelled", undo: "done" })).toMatchObject({ run: null, cancel: "over" });
    expect(reasons({ status: "cancelled", undo: "failed" })).toMatchObject({ run: null, undo: null });
  });

  test("unknown or without a connection, nothing can be asked", () => {
    expect(new Set(Object.values(reasons({ status: null })))).toEqual(new Set(["unknown"]));
    expect(new Set(Object.values(reasons({}, "reconnecting")))).toEqual(new Set(["offline"]));
  });

  test("what is not allowed is not offered", () => {
    expect(runOffers(situation(), "open", parseCommands("pause"))).toMatchObject([{ command: "pause", path: "#" }]);
  });
});

describe("of a task", () => {
  const offers = (more: Partial<Situation>, status?: "ok" | "inactive") =>
    taskOffers(situation(more), "#.a.b", status, "open", ALL).map(({ label, reason }) => [label, reason]);

  test("it can be run, resumed from and reset while nothing runs", () => {
    expect(offers({}, "ok")).toEqual([["task", null], ["from", null], ["resetTask", null]]);
    expect(offers({}, "inactive").at(-1)).toEqual(["resetTask", "never"]);
  });

  test("while its run is at work it can be cancelled, once", () => {
    expect(offers({ status: "working" }, "ok")).toEqual([["task", "working"], ["from", "working"], ["stop", null]]);
    expect(offers({ status: "working", cancelled: ["#.a"] }).at(-1)).toEqual(["stop", "cancelling"]);
    expect(offers({ status: "working", cancelled: ["#.ab"] }).at(-1)).toEqual(["stop", null]);
  });

  test("its updaters can be edited once it is done and they are known", () => {
    expect(updaterReason("ok", true, "open")).toBeNull();
    expect(updaterReason("failed", true, "open")).toBe("notOk");
    expect(updaterReason("ok", false, "open")).toBe("hidden");
    expect(updaterReason("ok", true, "reconnecting")).toBe("offline");
  });
});
