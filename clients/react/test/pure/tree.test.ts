import { initialState, type JobState, type TaskNode } from "@jobs-flow/client";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { moveOf, rowsOf } from "../../src/tree";

const { node: anyTree } = fc.letrec<{ node: { name: string; children: unknown[]; hidden: number } }>((tie) => ({
  node: fc.record({
    name: fc.constantFrom("load", "split", "rain"),
    children: fc.oneof({ depthSize: "small" }, fc.constant<unknown[]>([]), fc.array<unknown>(tie("node"), { maxLength: 3 })),
    hidden: fc.nat(2),
  }),
}));

/** Nodes with paths of their own; a block with hidden ones is folded. */
const nodesOf = (trees: readonly unknown[], parent: string): TaskNode[] =>
  (trees as { name: string; children: unknown[]; hidden: number }[]).map(({ name, children, hidden }, index) => {
    const path = `${parent}.${name}${index}`;
    const folded = hidden && children.length ? { from: hidden, total: children.length + 2 * hidden } : {};
    return { name, path, children: nodesOf(children, path), ...folded };
  });

const KEYS = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "l", "r", " ", "x", "F5"];

describe("the tree", () => {
  it("has each row once, under its parent, and every key leads to one of them or nowhere", () => {
    fc.assert(
      fc.property(fc.array(anyTree, { maxLength: 4 }), fc.array(fc.tuple(fc.constantFrom(...KEYS), fc.boolean())), (trees, presses) => {
        const state: JobState = { ...initialState("one"), tasks: nodesOf(trees, "#") };
        const closed = new Set<string>();
        let current = "#";
        for (const [key] of presses) {
          const rows = rowsOf(state, closed);
          const keys = rows.map((row) => row.key);
          expect(new Set(keys).size).toBe(keys.length);
          for (const row of rows) {
            expect(row.position).toBeLessThanOrEqual(row.size);
            if (row.parent !== null) expect(rows.find((each) => each.key === row.parent)?.level).toBe(row.level - 1);
          }
          const move = moveOf(key, rows, current);
          if (!move) continue;
          if ("to" in move) current = move.to;
          else if (move.open) closed.delete(move.toggle);
          else closed.add(move.toggle);
          expect(rowsOf(state, closed).map((row) => row.key)).toContain(current);
        }
      }),
    );
  });

  it("has no rows of what is closed", () => {
    const tasks = nodesOf([{ name: "a", children: [{ name: "b", children: [], hidden: 0 }], hidden: 0 }], "#");
    const state: JobState = { ...initialState("one"), tasks };
    expect(rowsOf(state, new Set()).map(({ key }) => key)).toEqual(["#", "#.a0", "#.a0.b0"]);
    expect(rowsOf(state, new Set(["#.a0"])).map(({ key }) => key)).toEqual(["#", "#.a0"]);
    expect(rowsOf(state, new Set(["#"])).map(({ key }) => key)).toEqual(["#"]);
  });
});
