/** What the tree of a run shows, as rows from top to bottom. Pure. */

import { ROOT } from "../state.js";
import { WINDOW } from "../tree.js";
import type { Counts, TaskNode, TaskView } from "../protocol.gen.js";

/** Blocks of more tasks are closed until the reader opens them. */
export const OPEN_UP_TO = 20;

/** What the rows are made of; a `JobState` has it. */
export interface Known {
  tasks: readonly TaskNode[];
  statuses: Readonly<Record<string, TaskView>>;
  blocks: Readonly<Record<string, Counts>>;
  /** Where the root block is folded: how many tasks it has, and the index of the first that is known. */
  window: { total: number; from: number } | null;
}

/** A task. */
export interface TaskRow {
  kind: "task";
  key: string;
  task: TaskNode;
  /** 1 for root tasks. */
  level: number;
  /** Its place among its siblings, from 1, and how many they are. */
  position: number;
  size: number;
  /** null where there is nothing below it. */
  open: boolean | null;
}

/** The tasks of a folded block before or after its window. */
export interface WindowRow {
  kind: "earlier" | "later";
  key: string;
  /** Path of the block. */
  block: string;
  level: number;
  /** Where the window goes: index of its first task, and how many it shows. */
  from: number;
  count: number;
  total: number;
}

export type Row = TaskRow | WindowRow;

/** Which blocks the reader opened and closed; of others their width says it. */
export type Opened = ReadonlyMap<string, boolean>;

/** How many tasks are directly below. */
export const widthOf = (task: TaskNode): number => task.total ?? task.children.length;

/** Whether a block is open. */
export const isOpen = (task: TaskNode, opened: Opened): boolean =>
  opened.get(task.path) ?? widthOf(task) <= OPEN_UP_TO;

/** The tasks of a block that are shown, of all that are known; the server folds as a rule, yet not for every watcher. */
const windowOf = (tasks: readonly TaskNode[], from: number): [tasks: readonly TaskNode[], from: number] =>
  tasks.length > WINDOW ? [tasks.slice(from, from + WINDOW), from] : [tasks, 0];

/** The rows of all that is open. `windows`: first tasks shown of wide blocks that came whole. */
export const rowsOf = (known: Known, opened: Opened, windows: ReadonlyMap<string, number> = new Map()): Row[] => {
  const rows: Row[] = [];
  const add = (block: string, all: readonly TaskNode[], level: number, start: number, total: number) => {
    const whole = all.length === total;
    const [tasks, from] = whole ? windowOf(all, windows.get(block) ?? 0) : [all, start];
    if (from > 0) {
      const before = Math.max(0, from - WINDOW);
      rows.push({
        ...{ kind: "earlier", key: `${block} earlier`, block, level },
        ...{ from: before, count: from - before, total },
      });
    }
    tasks.forEach((task, index) => {
      const below = widthOf(task);
      const open = below ? isOpen(task, opened) : null;
      rows.push({ kind: "task", key: task.path, task, level, position: from + index + 1, size: total, open });
      if (open) add(task.path, task.children, level + 1, task.from ?? 0, below);
    });
    const end = from + tasks.length;
    if (end < total) {
      const count = Math.min(WINDOW, total - end);
      rows.push({ kind: "later", key: `${block} later`, block, level, from: end, count, total });
    }
  };
  add(ROOT, known.tasks, 1, known.window?.from ?? 0, known.window?.total ?? known.tasks.length);
  return rows;
};

/** The task at a path; null where it is not there, or in no window. */
export const findTask = (tasks: readonly TaskNode[], path: string): TaskNode | null => {
  let level = tasks;
  for (;;) {
    const found = level.find((task) => path === task.path || path.startsWith(`${task.path}.`));
    if (!found) return null;
    if (found.path === path) return found;
    level = found.children;
  }
};

/** The paths of the blocks around a task, outermost first. */
export const ancestorsOf = (path: string): string[] => {
  const names = path.split(".");
  return names.slice(1, -1).map((_, index) => names.slice(0, index + 2).join("."));
};

/** The tasks directly below, by status. */
export const countsBelow = (known: Known, task: TaskNode): Counts => {
  const folded = known.blocks[task.path];
  if (folded) return folded;
  const counts: Counts = {};
  for (const { path } of task.children) {
    const status = known.statuses[path]?.status ?? "inactive";
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
};

/** Where a key moves to in a tree: "toggle" opens or closes `row`, "open" acts on it; null is no business of ours. */
export type Move = { to: number } | { open: boolean; row: number } | { act: number } | null;

/** What a key does at the row with that index, as in the WAI-ARIA pattern of a tree. `rtl` swaps left and right. */
export const moveOf = (key: string, rows: readonly Row[], at: number, rtl = false): Move => {
  const row = rows[at];
  if (!row) return null;
  const clamp = (index: number) => ({ to: Math.min(rows.length - 1, Math.max(0, index)) });
  const open = row.kind === "task" ? row.open : null;
  const inward = rtl ? "ArrowLeft" : "ArrowRight";
  const outward = rtl ? "ArrowRight" : "ArrowLeft";
  switch (key) {
    case "ArrowDown":
      return clamp(at + 1);
    case "ArrowUp":
      return clamp(at - 1);
    case "PageDown":
      return clamp(at + 10);
    case "PageUp":
      return clamp(at - 10);
    case "Home":
      return clamp(0);
    case "End":
      return clamp(rows.length - 1);
    case "Enter":
    case " ":
      return { act: at };
    case inward:
      if (open === false) return { open: true, row: at };
      return open ? clamp(at + 1) : null;
    case outward: {
      if (open) return { open: false, row: at };
      for (let index = at - 1; index >= 0; index--) if (rows[index]!.level < row.level) return { to: index };
      return null;
    }
    default:
      return null;
  }
};

/** The index of the next row whose name begins with what was typed, going round; -1 for none. */
export const typedTo = (text: string, rows: readonly Row[], at: number): number => {
  const wanted = text.toLocaleLowerCase();
  const first = text.length > 1 ? at : at + 1;
  for (let step = 0; step < rows.length; step++) {
    const index = (first + step) % rows.length;
    const row = rows[index]!;
    if (row.kind === "task" && row.task.name.toLocaleLowerCase().startsWith(wanted)) return index;
  }
  return -1;
};
