import { describe, expect, test } from "vitest";

import type { TaskNode } from "../../src/protocol.gen.js";
import { ancestorsOf, countsBelow, findTask, moveOf, rowsOf, typedTo, type Known, type Row } from "../../src/run/model.js";
import { WINDOW } from "../../src/tree.js";

const node = (path: string, children: TaskNode[] = [], more: Partial<TaskNode> = {}): TaskNode => ({
  name: path.slice(path.lastIndexOf(".") + 1),
  path,
  children,
  ...more,
});
const many = (block: string, from: number, count: number): TaskNode[] =>
  Array.from({ length: count }, (_, index) => node(`${block}.t${from + index}`));
const known = (tasks: TaskNode[], more: Partial<Known> = {}): Known => ({ tasks, statuses: {}, blocks: {}, window: null, ...more });
const keys = (rows: Row[]): string[] => rows.map(({ key }) => key);

const SMALL = [node("#.load"), node("#.plots", [node("#.plots.rain"), node("#.plots.wind")]), node("#.report")];

describe("rows", () => {
  test("are those of all that is open, in order, with their place", () => {
    const rows = rowsOf(known(SMALL), new Map());
    expect(keys(rows)).toEqual(["#.load", "#.plots", "#.plots.rain", "#.plots.wind", "#.report"]);
    expect(rows[3]).toMatchObject({ level: 2, position: 2, size: 2, open: null });
    expect(rows[1]).toMatchObject({ level: 1, position: 2, size: 3, open: true });
  });

  test("of a closed block are not there", () => {
    const rows = rowsOf(known(SMALL), new Map([["#.plots", false]]));
    expect(keys(rows)).toEqual(["#.load", "#.plots", "#.report"]);
    expect(rows[1]).toMatchObject({ open: false });
  });

  test("of a wide block are closed until the reader opens them", () => {
    const tasks = [node("#.each", many("#.each", 0, 21))];
    expect(rowsOf(known(tasks), new Map())).toHaveLength(1);
    expect(rowsOf(known(tasks), new Map([["#.each", true]]))).toHaveLength(22);
  });

  test("of a folded block are its window, with ways to what is before and after", () => {
    const tasks = [node("#.each", many("#.each", 150, 100), { total: 1_000, from: 150 })];
    const rows = rowsOf(known(tasks), new Map([["#.each", true]]));
    expect(rows).toHaveLength(103);
    expect(rows[1]).toMatchObject({ kind: "earlier", block: "#.each", from: 50, count: 100 });
    expect(rows[2]).toMatchObject({ key: "#.each.t150", position: 151, size: 1_000 });
    expect(rows.at(-1)).toMatchObject({ kind: "later", from: 250, count: 100 });
  });

  test("at the ends of a folded block do not go beyond them", () => {
    const at = (from: number, count: number) =>
      rowsOf(known(many("#", from, count), { window: { total: 130, from } }), new Map()).filter(({ kind }) => kind !== "task");
    expect(at(0, 100)).toMatchObject([{ kind: "later", from: 100, count: 30 }]);
    expect(at(30, 100)).toMatchObject([{ kind: "earlier", from: 0, count: 30 }]);
  });

  test("of a wide block that came whole are a window as well", () => {
    const tasks = many("#", 0, 250);
    expect(rowsOf(known(tasks), new Map())).toHaveLength(WINDOW + 1);
    const rows = rowsOf(known(tasks), new Map(), new Map([["#", 200]]));
    expect(keys(rows).slice(0, 2)).toEqual(["# earlier", "#.t200"]);
    expect(rows).toHaveLength(51);
    expect(rows[1]).toMatchObject({ position: 201, size: 250 });
  });
});

describe("a task", () => {
  test("is found by its path, also where one name begins another", () => {
    const tasks = [node("#.a"), node("#.ab", [node("#.ab.c")])];
    expect(findTask(tasks, "#.ab.c")?.name).toBe("c");
    expect(findTask(tasks, "#.ab.d")).toBeNull();
    expect(findTask(tasks, "#.b")).toBeNull();
  });

  test("has ancestors, outermost first", () => {
    expect(ancestorsOf("#.a.b.c")).toEqual(["#.a", "#.a.b"]);
    expect(ancestorsOf("#.a")).toEqual([]);
  });

  test("counts what is below it: told where it is folded, else by itself", () => {
    const statuses = { "#.plots.rain": { status: "ok" } } as const;
    expect(countsBelow(known(SMALL, { statuses }), SMALL[1]!)).toEqual({ ok: 1, inactive: 1 });
    expect(countsBelow(known(SMALL, { statuses, blocks: { "#.plots": { ok: 7 } } }), SMALL[1]!)).toEqual({ ok: 7 });
  });
});

describe("keys", () => {
  const rows = rowsOf(known(SMALL), new Map());
  const closed = rowsOf(known(SMALL), new Map([["#.plots", false]]));
  test.each([
    ["ArrowDown", 0, { to: 1 }],
    ["ArrowDown", 4, { to: 4 }],
    ["ArrowUp", 0, { to: 0 }],
    ["Home", 3, { to: 0 }],
    ["End", 0, { to: 4 }],
    ["ArrowRight", 1, { to: 2 }],
    ["ArrowRight", 0, null],
    ["ArrowLeft", 1, { open: false, row: 1 }],
    ["ArrowLeft", 3, { to: 1 }],
    ["ArrowLeft", 0, null],
    ["Enter", 2, { act: 2 }],
    [" ", 2, { act: 2 }],
    ["Tab", 2, null],
  ])("%s at row %i", (key, at, expected) => {
    expect(moveOf(key, rows, at)).toEqual(expected);
  });

  test("open a closed block, from right to left with the other arrow", () => {
    expect(moveOf("ArrowRight", closed, 1)).toEqual({ open: true, row: 1 });
    expect(moveOf("ArrowLeft", closed, 1, true)).toEqual({ open: true, row: 1 });
    expect(moveOf("ArrowRight", rows, 1, true)).toEqual({ open: false, row: 1 });
  });

  test("letters go to the next name that begins with them", () => {
    expect(typedTo("r", rows, 0)).toBe(2);
    expect(typedTo("r", rows, 2)).toBe(4);
    expect(typedTo("re", rows, 2)).toBe(4);
    expect(typedTo("L", rows, 4)).toBe(0);
    expect(typedTo("x", rows, 0)).toBe(-1);
  });
});
