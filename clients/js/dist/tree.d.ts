/** Walks over the tree of tasks. */
import type { TaskNode } from "./protocol.gen.js";
import type { JobState } from "./state.js";
/** Blocks of more tasks than this come to an element in parts of so many. */
export declare const WINDOW = 100;
/** The tree with other fields in the node at `path`; the nodes beside the way to it stay as they are. */
export declare const replaced: (tasks: TaskNode[], path: string, fields: Partial<TaskNode>) => TaskNode[];
/** The folded blocks whose window has been moved: the paths of their parents, outer ones first, and where they begin. */
export declare const movedWindows: ({ tasks, window }: JobState) => Array<{
    path: string;
    from: number;
}>;
