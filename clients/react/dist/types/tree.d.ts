/** The rows of a tree of tasks, and where the keys of a keyboard lead in it. Pure. */
import { type JobState, type TaskNode } from "@jobs-flow/client";
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
} & ({
    readonly kind: "task";
    readonly path: string;
    readonly node: TaskNode | null;
    readonly open: boolean | null;
} | {
    readonly kind: "page";
    readonly path: string;
    readonly from: number;
    readonly to: number;
    readonly total: number;
});
/** The rows that show, in order. `closed` has the paths whose subtasks are hidden. */
export declare function rowsOf(state: JobState, closed: ReadonlySet<string>): Row[];
/** What a key does in the tree, as the pattern for trees of the ARIA guide has it. null: nothing. */
export type Move = {
    readonly to: string;
} | {
    readonly toggle: string;
    readonly open: boolean;
} | null;
/** What `key` does while the row `current` has the focus. */
export declare function moveOf(key: string, rows: readonly Row[], current: string): Move;
