/**
 * What is known of one instance, and how a message of the server changes it.
 *
 * Pure: a state is never modified, and what did not change keeps its identity, down to the single task.
 */
import { appended } from "./lines.js";
import { same } from "./same.js";
import { replaced } from "./tree.js";
/** The path of the whole. */
export const ROOT = "#";
/** Task statuses that are an end; a failure is one as well. */
export const ENDED = new Set(["ok", "skipped", "failed", "cancelled"]);
/** Instance statuses that are the end of a run. */
export const FINISHED = new Set(["done", "failed", "cancelled"]);
/** The state before the first message. */
export const initialState = (id) => ({
    id,
    status: null,
    workflow: "",
    name: "",
    run: 0,
    startedAt: null,
    finishedAt: null,
    error: null,
    paused: false,
    cancelled: [],
    undo: null,
    tasks: [],
    window: null,
    statuses: {},
    counts: {},
    total: 0,
    progress: 0,
    color: "muted",
    blocks: {},
    logs: {},
    notice: null,
    problem: null,
    missing: false,
    seq: 0,
});
const HEADER = [
    ...["workflow", "name", "status", "run", "startedAt", "finishedAt", "error"],
    ...["paused", "cancelled", "undo"],
];
const COLORS = {
    working: "accent",
    done: "ok",
    failed: "failed",
    cancelled: "warning",
};
/** The state with changes; the same object when there are none. */
const changed = (state, changes) => {
    const real = {};
    let any = false;
    for (const [name, value] of Object.entries(changes)) {
        if (same(state[name], value))
            continue;
        real[name] = value;
        any = true;
    }
    return any ? { ...state, ...real } : state;
};
const counted = (counts) => {
    let total = 0;
    let ended = 0;
    const present = {};
    for (const [status, count] of Object.entries(counts)) {
        if (!count)
            continue;
        present[status] = count;
        total += count;
        if (ENDED.has(status))
            ended += count;
    }
    return { counts: present, total, progress: total ? ended / total : 0 };
};
/** Nothing is folded as long as no message said how many there are of what it did not tell. */
const folded = ({ blocks, window }) => window !== null || Object.keys(blocks).length > 0;
const header = (state, message) => {
    const changes = { problem: null, missing: false, seq: message.seq };
    for (const name of HEADER)
        if (message[name] !== undefined)
            changes[name] = message[name];
    if (message.status !== state.status)
        changes["notice"] = null;
    changes["color"] = COLORS[message.status] ?? "muted";
    return changed(state, changes);
};
/** A length without a result: it is too large to be shown, and the one known before is another's. */
const merged = (known, change) => {
    const view = { ...known, ...change };
    if (change.bodySize != null && !("body" in change))
        delete view.body;
    return view;
};
const views = (state, message) => {
    const counts = { ...state.counts };
    let statuses;
    for (const [path, record] of Object.entries(message.statuses)) {
        const known = state.statuses[path];
        const view = known ? merged(known, record) : record;
        if (known && same(known, view))
            continue;
        statuses ??= { ...state.statuses };
        statuses[path] = view;
        if (known)
            counts[known.status ?? "inactive"]--;
        const status = view.status ?? "inactive";
        counts[status] = (counts[status] ?? 0) + 1;
    }
    const changes = { problem: null, seq: message.seq };
    if (statuses)
        changes.statuses = statuses;
    if (message.blocks)
        changes.blocks = { ...state.blocks, ...message.blocks };
    if (message.counts)
        Object.assign(changes, counted(message.counts));
    else if (statuses && !folded(state))
        Object.assign(changes, counted(counts));
    return changed(state, changes);
};
/** Other children of a folded block are shown; what was known of those before would grow old. */
const block = (state, { taskPath, from, total, tasks, statuses }) => {
    const below = `${taskPath}.`;
    const kept = Object.entries(state.statuses).filter(([path]) => !path.startsWith(below));
    const changes = { statuses: { ...Object.fromEntries(kept), ...statuses } };
    if (taskPath === ROOT)
        Object.assign(changes, { tasks, window: { total, from } });
    else
        changes.tasks = replaced(state.tasks, taskPath, { children: tasks, total, from });
    // Without seq: what else happened until then has not been told yet.
    return changed(state, changes);
};
/** The state after a message of the server; the same object when that is no news. */
export const reduce = (state, message) => {
    if (!("id" in message) || message.id !== state.id)
        return state;
    switch (message.type) {
        case "workflowDescription": {
            const { tasks, total, from = 0 } = message;
            const fresh = { statuses: {}, blocks: {}, logs: {}, notice: null, problem: null, missing: false };
            const window = total === undefined ? null : { total, from };
            return changed(state, { ...fresh, tasks, window, ...counted({}) });
        }
        case "setWorkflowStatus":
            return header(state, message);
        case "setTasksStatuses":
            return views(state, message);
        case "workflowBlock":
            return block(state, message);
        case "taskLog": {
            const { taskPath, from, lines, seq } = message;
            const log = appended(state.logs[taskPath], from, lines);
            return changed(state, { logs: log === state.logs[taskPath] ? state.logs : { ...state.logs, [taskPath]: log }, seq });
        }
        case "executionError": {
            const { type, payload } = message.error;
            const notice = { code: type, message: String(payload?.message ?? "") };
            return changed(state, { notice, missing: type === "INSTANCE_NOT_FOUND", seq: message.seq ?? state.seq });
        }
        case "workflowDeleted":
            return changed(state, { status: "deleted", color: "muted", problem: null, notice: null });
        case "appError":
            return changed(state, { problem: message.error, missing: message.error.code === "INSTANCE_NOT_FOUND" });
        default:
            return state;
    }
};
