/** Walks over the tree of tasks. */
import type { TaskNode } from "./protocol.gen.js";
import type { JobState } from "./state.js";

/** Blocks of more tasks than this come to an element in parts of so many. */
export const WINDOW = 100;

/** The tree with other fields in the node at `path`; the nodes beside the way to it stay as they are. */
export const replaced = (tasks: TaskNode[], path: string, fields: Partial<TaskNode>): TaskNode[] =>
  tasks.map((task) => {
    if (task.path === path) return { ...task, ...fields };
    if (!path.startsWith(`${task.path}.`)) return task;
    return { ...task, children: replaced(task.children, path, fields) };
  });

/** The folded blocks whose window has been moved: the paths of their parents, outer ones first, and where they begin. */
export const movedWindows = ({ tasks, window }: JobState): Array<{ path: string; from: number }> => {
  const below = (nodes: TaskNode[]): Array<{ path: string; from: number }> =>
    nodes.flatMap(({ path, from, children }) => [...(from ? [{ path, from }] : []), ...below(children)]);
  return [...(window?.from ? [{ path: "#", from: window.from }] : []), ...below(tasks)];
};
