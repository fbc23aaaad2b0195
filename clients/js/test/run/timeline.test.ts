import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { axisOf, spansOf, ticksOf } from "../../src/run/timeline.js";

const attempt = (queuedAt: number | null, executionTime: number | null, finishedAt: number | null, status = "ok", run = 1) => ({
  ...{ run, status, queuedAt, executionTime, finishedAt },
});

describe("the axis", () => {
  test("holds all times of a run, and now while it is at work", () => {
    const attempts = [attempt(1_000, 1_200, 3_000), attempt(500, null, null, "queued"), attempt(1, 2, 90_000, "ok", 7)];
    expect(axisOf(1, attempts, null)).toEqual({ start: 500, end: 3_000 });
    expect(axisOf(1, attempts, 4_000)).toEqual({ start: 500, end: 4_000 });
  });

  test("is not there before anything was queued", () => {
    expect(axisOf(1, [], 4_000)).toBeNull();
    expect(axisOf(1, [attempt(null, null, null)], null)).toBeNull();
    expect(axisOf(2, [attempt(1, 2, 3)], null)).toBeNull();
  });

  test("has round marks, few of them, for any length", () => {
    expect(ticksOf({ start: 0, end: 10_000 }).map(({ after }) => after)).toEqual([0, 5_000]);
    expect(ticksOf({ start: 0, end: 3_600_000 }).map(({ after }) => after / 60_000)).toEqual([0, 15, 30, 45]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), (length) => {
        const ticks = ticksOf({ start: 5, end: 5 + length });
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(5);
        expect(ticks.every(({ at }) => at >= 0 && at < 1)).toBe(true);
      }),
    );
  });
});

describe("bars", () => {
  const axis = { start: 0, end: 1_000 };

  test("say how long it was queued and ran", () => {
    expect(spansOf(axis, 1, attempt(0, 250, 750))).toEqual([
      { kind: "queued", left: 0, width: 0.25 },
      { kind: "ok", left: 0.25, width: 0.5 },
    ]);
  });

  test("go to the end of what goes on still", () => {
    expect(spansOf(axis, 1, attempt(null, 400, null, "running"))).toEqual([{ kind: "running", left: 0.4, width: 0.6 }]);
    expect(spansOf(axis, 1, attempt(500, null, null, "queued"))).toEqual([{ kind: "queued", left: 0.5, width: 0.5 }]);
  });

  test("are not there for what was cancelled at once, or of another run", () => {
    expect(spansOf(axis, 1, attempt(300, null, 300, "cancelled"))).toEqual([]);
    expect(spansOf(axis, 2, attempt(0, 1, 2))).toEqual([]);
  });

  test("are always within the axis, and wide enough to be seen", () => {
    const time = fc.option(fc.integer({ min: -2_000, max: 3_000 }), { nil: null });
    fc.assert(
      fc.property(time, time, time, (queued, began, ended) => {
        for (const { left, width } of spansOf(axis, 1, attempt(queued, began, ended))) {
          expect(left).toBeGreaterThanOrEqual(0);
          expect(width).toBeGreaterThan(0);
          expect(left + width).toBeLessThanOrEqual(1 + 1e-9);
        }
      }),
    );
  });
});
