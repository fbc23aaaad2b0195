/** Blocks of more tasks than this come to an element in parts of so many. */
export const WINDOW = 100;
/** The tree with other fields in the node at `path`; the nodes beside the way to it stay as they are. */
export const replaced = (tasks, path, fields) => tasks.map((task) => {
    if (task.path === path)
        return { ...task, ...fields };
    if (!path.startsWith(`${task.path}.`))
        return task;
    return { ...task, children: replaced(task.children, path, fields) };
});
/** The folded blocks whose window has been moved: the paths of their parents, outer ones first, and where they begin. */
export const movedWindows = ({ tasks, window }) => {
    const below = (nodes) => nodes.flatMap(({ path, from, children }) => [...(from ? [{ path, from }] : []), ...below(children)]);
    return [...(window?.from ? [{ path: "#", from: window.from }] : []), ...below(tasks)];
};
