/** The rows of a tree of tasks, and where the keys of a keyboard lead in it. Pure. */
import { ROOT, type JobState, type TaskNode } from "@jobs-flow/client";

/** A row: a task or the whole, or what leads to other tasks of a folded block. */
export type Row = {
  /** Unique among the rows. */
  readonly key: string;
  /** 1 for the whole. */
  readonly level: number;
  /** Its position among those of its block, from 1, and how many these are. */
  readonly position: number;
  readonly size: number;
  /** The key of the row above it, null for the whole. */
  readonly parent: string | null;
} & (
  | { readonly kind: "task"; readonly path: string; readonly node: TaskNode | null; readonly open: boolean | null }
  | { readonly kind: "page"; readonly path: string; readonly from: number; readonly to: number; readonly total: number }
);

/** The rows that show, in order. `closed` has the paths whose subtasks are hidden. */
export function rowsOf(state: JobState, closed: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const block = (path: string, nodes: readonly TaskNode[], level: number, from: number, total: number) => {
    const position = { level, size: total, parent: path };
    const page = (start: number, end: number): void => {
      rows.push({ ...position, kind: "page", key: `${path} ${start}`, path, from: start, to: end, total, position: start + 1 });
    };
    if (from > 0) page(Math.max(0, from - nodes.length), from);
    nodes.forEach((node, index) => {
      const open = node.children.length || node.total ? !closed.has(node.path) : null;
      rows.push({ ...position, kind: "task", key: node.path, path: node.path, node, open, position: from + index + 1 });
      if (open) block(node.path, node.children, level + 1, node.from ?? 0, node.total ?? node.children.length);
    });
    const end = from + nodes.length;
    if (end < total) page(end, Math.min(total, end + nodes.length));
  };
  const open = state.tasks.length ? !closed.has(ROOT) : null;
  rows.push({ kind: "task", key: ROOT, path: ROOT, node: null, open, level: 1, position: 1, size: 1, parent: null });
  if (open) block(ROOT, state.tasks, 2, state.window?.from ?? 0, state.window?.total ?? state.tasks.length);
  return rows;
}

/** What a key does in the tree, as the pattern for trees of the ARIA guide has it. null: nothing. */
export type Move = { readonly to: string } | { readonly toggle: string; readonly open: boolean } | null;

/** What `key` does while the row `current` has the focus. */
export function moveOf(key: string, rows: readonly Row[], current: string): Move {
  const index = rows.findIndex((row) => row.key === current);
  const row = rows[index];
  if (!row) return null;
  const to = (target: Row | undefined): Move => (target ? { to: target.key } : null);
  switch (key) {
    case "ArrowDown":
      return to(rows[index + 1]);
    case "ArrowUp":
      return to(rows[index - 1]);
    case "Home":
      return to(rows[0]);
    case "End":
      return to(rows[rows.length - 1]);
    case "ArrowRight":
      if (row.kind !== "task" || row.open === null) return null;
      return row.open ? to(rows[index + 1]) : { toggle: row.path, open: true };
    case "ArrowLeft":
      if (row.kind === "task" && row.open) return { toggle: row.path, open: false };
      return row.parent === null ? null : { to: row.parent };
    default: {
      // Letters: the next row whose name begins so.
      if (key.length !== 1 || key === " ") return null;
      const wanted = key.toLowerCase();
      const ordered = [...rows.slice(index + 1), ...rows.slice(0, index)];
      return to(ordered.find((each) => each.kind === "task" && each.node?.name.toLowerCase().startsWith(wanted)));
    }
  }
}
