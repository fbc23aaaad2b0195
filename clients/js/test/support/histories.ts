/** Random histories of an instance. */
import fc from "fast-check";
import type { Happening } from "./story.js";

const TASK_STATUSES = ["inactive", "queued", "running", "ok", "skipped", "failed", "cancelled"] as const;
const INSTANCE_STATUSES = ["inactive", "working", "done", "failed", "cancelled"] as const;

const task = fc.nat(20);

/** Most of what happens are statuses and logs; a new run is rare. */
export const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("status" as const), task, status: fc.constantFrom(...TASK_STATUSES) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("progress" as const), task, value: fc.constantFrom(0, 0.25, 1) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("log" as const), task, lines: fc.array(fc.string(), { maxLength: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("header" as const), status: fc.constantFrom(...INSTANCE_STATUSES), paused: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: "refused" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "run" as const }) },
);

/** Subtasks of each task of the tree. */
export const widths = fc.array(fc.nat(4), { maxLength: 4, minLength: 1 });

export const histories = fc.array(happening, { maxLength: 40 });
