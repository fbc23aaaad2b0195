/** What the listeners of one instance want, as one request. */
import { initialState, reduce } from "./state.js";
/** What satisfies all of them: whoever wants more gets it, and the others with him. Without what goes without saying. */
export const merged = (options) => {
    const wanted = {};
    const folds = options.map(({ fold }) => fold ?? Infinity);
    const fold = Math.max(...folds);
    if (Number.isFinite(fold))
        wanted.fold = fold;
    const logs = options.map((each) => each.logs ?? true);
    if (!logs.includes(true)) {
        const paths = [...new Set(logs.flatMap((each) => (Array.isArray(each) ? each : [])))].sort();
        wanted.logs = paths.length ? paths : false;
    }
    const ticket = options.filter((each) => each.ticket).at(-1)?.ticket;
    if (ticket)
        wanted.ticket = ticket;
    return wanted;
};
/** Messages that build on the description before them. */
const PARTS = ["setWorkflowStatus", "setTasksStatuses", "taskLog", "workflowBlock"];
/** One instance that is watched. */
export class Watch {
    state;
    /** The latest state that the listeners were told. */
    told;
    entries = new Set();
    /** What the server was asked for, as JSON; "" before that. */
    asked = "";
    /** The description that belongs to what was asked for has come. */
    #described = false;
    /** Everything up to `#seq` is known. */
    #complete = false;
    #seq = 0;
    constructor(id) {
        this.state = this.told = initialState(id);
    }
    get wanted() {
        return [...this.entries].map(({ options }) => options);
    }
    /** Whether the listeners want something else than what the server was asked for. */
    get news() {
        return JSON.stringify(merged(this.wanted)) !== this.asked;
    }
    /** The fields of the request to watch it. */
    ask() {
        const wanted = merged(this.wanted);
        const asked = JSON.stringify(wanted);
        // What was not asked for before is in no change since then: it has to come from the beginning.
        if (asked !== this.asked)
            this.#described = this.#complete = false;
        this.asked = asked;
        return { ...wanted, since: this.#complete ? this.#seq : undefined };
    }
    /** Take in a message; whether there is something to tell the listeners. */
    take(message) {
        // What is wrong with somebody's request is theirs to hear; only the watch's own errors are of the instance.
        if (message.type === "appError" && message.ref !== undefined && !String(message.ref).startsWith("watch "))
            return false;
        if (message.type === "workflowDescription") {
            this.#described = true;
            this.#complete = false;
        }
        // The rest of an earlier watch, still on its way.
        if (!this.#described && PARTS.includes(message.type))
            return false;
        this.state = reduce(this.state, message);
        if ("more" in message && message.more)
            return false;
        if (this.#described && message.type !== "workflowBlock" && "seq" in message && message.seq !== undefined) {
            this.#seq = message.seq;
            this.#complete = true;
        }
        if (this.state === this.told)
            return false;
        this.told = this.state;
        return true;
    }
}
