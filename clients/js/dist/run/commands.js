/** What can be asked of a run, and when that makes sense. Pure; whether somebody may is for the server to say. */
import { ROOT } from "../state.js";
/** Of the whole run, then of one task. */
export const COMMANDS = [
    ...["run", "resume", "pause", "cancel", "reset", "destroy"],
    ...["task", "update"],
];
/** Paths of a preview that are listed. */
export const LISTED = 100;
/** Labels of commands that stop or take away something: their buttons are red, and the way back is the nearer one. */
export const GRAVE = new Set(["cancel", "stop", "undo", "reset", "resetTask", "destroy"]);
/** What is offered where nobody says which commands: all but what cannot be taken back. */
export const USUAL = COMMANDS.filter((command) => command !== "destroy");
/** The commands that an attribute allows; words it does not know are left out. `null`: those that are usual. */
export const parseCommands = (text, hasTicket = false) => {
    // Who watches by a ticket is a guest: the server would close the door.
    if (text === null)
        return new Set(hasTicket ? [] : USUAL);
    const wanted = new Set(text.split(/[\s,]+/));
    return new Set(wanted.has("all") ? COMMANDS : COMMANDS.filter((command) => wanted.has(command)));
};
const busy = ({ status, undo }) => {
    if (status === null)
        return "unknown";
    if (status === "working")
        return "working";
    return undo === "running" || undo === "wanted" ? "undoing" : null;
};
const offline = (connection) => (connection === "open" ? null : "offline");
const passedAll = ({ counts, total }) => total > 0 && (counts["ok"] ?? 0) + (counts["skipped"] ?? 0) === total;
const isReset = ({ status, error, counts, total }) => status === "inactive" && !error && total > 0 && counts["inactive"] === total;
/** What is offered for the whole run, in order. */
export const runOffers = (state, connection, allowed) => {
    const offers = [];
    const offer = (command, label, reason) => {
        if (allowed.has(command))
            offers.push({ command, label, path: ROOT, reason: offline(connection) ?? reason });
    };
    const working = state.status === "working";
    const cancelling = state.cancelled.includes(ROOT);
    const idle = state.status === null ? "unknown" : working ? null : "idle";
    offer("run", "run", busy(state));
    offer("resume", "resume", busy(state) ?? (state.run ? (passedAll(state) ? "passed" : null) : "never"));
    offer("pause", state.paused ? "unpause" : "pause", idle ?? (cancelling ? "cancelling" : null));
    offer("cancel", working || !undoable(state) ? "cancel" : "undo", cancelReason(state, cancelling));
    offer("reset", "reset", busy(state) ?? (state.run ? (isReset(state) ? "clean" : null) : "never"));
    offer("destroy", "destroy", state.status === null ? "unknown" : null);
    return offers;
};
/** Whether finished tasks of a run that is over may be undone. */
export const undoable = ({ status, undo, counts }) => status !== null && status !== "working" && undo !== "running" && undo !== "done" && (counts["ok"] ?? 0) > 0;
const cancelReason = (state, cancelling) => {
    if (state.status === null)
        return "unknown";
    if (state.status === "working")
        return cancelling && state.undo !== null ? "cancelling" : null;
    return undoable(state) ? null : "over";
};
/** What is offered for one task, in order. */
export const taskOffers = (state, path, status, connection, allowed) => {
    const offers = [];
    const offer = (command, label, reason) => {
        if (allowed.has(command))
            offers.push({ command, label, path, reason: offline(connection) ?? reason });
    };
    offer("task", "task", busy(state));
    offer("resume", "from", busy(state));
    if (state.status === "working") {
        const going = state.cancelled.some((each) => each === ROOT || path === each || path.startsWith(`${each}.`));
        offer("cancel", "stop", going ? "cancelling" : null);
    }
    else {
        offer("reset", "resetTask", busy(state) ?? (status === undefined || status === "inactive" ? "never" : null));
    }
    return offers;
};
/** Whether the updaters of a task may be edited now. */
export const updaterReason = (status, known, connection) => offline(connection) ?? (status !== "ok" ? "notOk" : known ? null : "hidden");
