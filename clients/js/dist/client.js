import { Connection } from "./connection.js";
import { errors, JobsFlowError } from "./errors.js";
import { watchPage } from "./page.js";
import { ROOT } from "./state.js";
import { absolute, webSocket } from "./transport.js";
import { movedWindows } from "./tree.js";
import { merged, Watch } from "./watch.js";
/** Version of the protocol that is spoken here. */
export const VERSION = 1;
/** Where the socket is when nothing else is said, relative to the page. */
export const DEFAULT_URL = "/ws/jobs-flow/";
/** A message; null for what is none. */
const parsed = (text) => {
    try {
        const message = JSON.parse(text);
        return typeof message === "object" ? message : null;
    }
    catch {
        return null;
    }
};
/** By URL. Of the page, not of this module: scripts that were built apart share their connections. */
const shared = (globalThis[Symbol.for("jobs-flow.clients")] ??= new Map());
/**
 * One connection, shared by all that watch something at the same URL. It reconnects by itself, with growing and
 * random pauses, and then asks for what it missed. While the page is hidden the server sends it nothing.
 *
 * Events: "connection" (detail: connecting, open, reconnecting, denied, closed) and "state" (detail: a state).
 */
export class JobsFlowClient extends EventTarget {
    /** The client of a URL, relative to the page; the same for all who ask. The options are those of who asks first. */
    static for(url = DEFAULT_URL, options = {}) {
        const key = absolute(url);
        let client = shared.get(key);
        if (!client)
            shared.set(key, (client = new this(key, options)));
        return client;
    }
    /** Milliseconds that the server's clock is ahead of this one. */
    clockOffset = 0;
    #connection;
    #watches = new Map();
    #answers = new Map();
    #dirty = new Set();
    #outbox = [];
    #lastRef = 0;
    #leavePage = null;
    /** `url`: of the socket, relative to the page; http and https serve as well as ws and wss. */
    constructor(url = DEFAULT_URL, { transport = webSocket } = {}) {
        super();
        this.#connection = new Connection(absolute(url), transport, {
            wanted: () => this.#watches.size > 0 || this.#outbox.length > 0 || this.#answers.size > 0,
            receive: (text) => this.#receive(text),
            probe: () => this.#showOrHide(),
            dropped: () => this.#refuse(errors.lost, (answer) => answer.sent),
            moved: (state) => this.#moved(state),
        });
    }
    /** closed, connecting, open, reconnecting or denied. */
    get connection() {
        return this.#connection.state;
    }
    /**
     * Call `listener` with the state of an instance: now, if it is known, and whenever it changes. Gives the
     * function that ends it. Several may watch one instance; what they want is asked for together.
     */
    watch(id, listener, options = {}) {
        let watch = this.#watches.get(id);
        if (!watch)
            this.#watches.set(id, (watch = new Watch(id)));
        const { entries, told } = watch;
        const entry = { listener, options };
        entries.add(entry);
        this.#soon(watch);
        if (told.status || told.problem)
            listener(told);
        this.#connection.wake();
        return () => {
            if (entries.delete(entry) && !entries.size)
                this.#soon(watch);
        };
    }
    /** Run one task. Without `arg` it gets what the task before it handed on. Resolves once it has been started. */
    execute(workflowId, taskPath, arg) {
        return this.#request({ type: "executeTask", workflowId, taskPath, arg });
    }
    /** Run all tasks; `initialArg` goes to the first. Resolves once the run has been started. */
    executeAll(workflowId, initialArg) {
        return this.#request({ type: "executeAllTasks", workflowId, initialArg });
    }
    /** Make an instance; resolves to {id}. With a `key` that an instance of the caller has already, to that one. */
    create(workflow, options = {}) {
        const { data, realm, name, key, execute } = options;
        return this.#request({ type: "createWorkflowInstance", workflow, data, realm, name, key, execute });
    }
    /** Run again what has to be: mode "failed", "failed_and_downstream" or "all", or from `taskPath` on. */
    resume(workflowId, options = {}) {
        const { mode, taskPath, preview } = options;
        return this.#request({ type: "resumeWorkflow", workflowId, mode, taskPath, preview });
    }
    /** Stop the run, or what of it is at `taskPath` and below; with `undo` what is finished is undone. */
    cancel(workflowId, { taskPath, undo } = {}) {
        return this.#request({ type: "cancelWorkflow", workflowId, taskPath, undo });
    }
    /** Start no further task. */
    pause(workflowId) {
        return this.#request({ type: "pauseWorkflow", workflowId });
    }
    /** Start them again. */
    unpause(workflowId) {
        return this.#request({ type: "unpauseWorkflow", workflowId });
    }
    /** Put the tasks at `taskPath` and below back to inactive. */
    reset(workflowId, taskPath = ROOT) {
        return this.#request({ type: "resetWorkflow", workflowId, taskPath });
    }
    /** Remove the instance with all its records. */
    destroy(workflowId) {
        return this.#request({ type: "destroyWorkflow", workflowId });
    }
    /** Replace the recorded context updaters of a task. */
    setContextUpdaters(workflowId, taskPath, updaters) {
        return this.#request({ type: "setContextUpdaters", workflowId, taskPath, updaters });
    }
    /** Everything recorded of a task. */
    getTask(workflowId, taskPath) {
        return this.#request({ type: "getTask", workflowId, taskPath, ticket: this.#ticket(workflowId) });
    }
    /** Lines of a task's log: `limit` of them (200), from index `from` on, or the last ones. */
    getLogs(workflowId, taskPath, { from, limit } = {}) {
        return this.#request({ type: "getTaskLogs", workflowId, taskPath, from, limit, ticket: this.#ticket(workflowId) });
    }
    /** Show other children of a folded block of a watched instance: those from index `from` on. */
    setWindow(workflowId, taskPath, from) {
        return this.#request({ type: "setWindow", workflowId, taskPath, from });
    }
    /** Try again at once, after signing in for example. */
    reconnect() {
        this.#connection.reconnect();
    }
    /** End all watches and requests, and the connection. Using it again opens it again. */
    close() {
        this.#watches.clear();
        this.#refuse(errors.lost);
        this.#connection.close();
    }
    #ticket(id) {
        const watch = this.#watches.get(id);
        return watch && merged(watch.wanted).ticket;
    }
    #request(message) {
        return new Promise((resolve, reject) => {
            if (this.connection === "denied")
                return reject(new JobsFlowError(errors.denied));
            const ref = ++this.#lastRef;
            this.#answers.set(ref, { resolve, reject, sent: false });
            const request = { ...message, ref };
            if (this.#connection.open)
                this.#send(request);
            else
                this.#outbox.push(request);
            this.#connection.wake();
        });
    }
    #refuse(problem, which = () => true) {
        for (const [ref, answer] of this.#answers) {
            if (!which(answer))
                continue;
            this.#answers.delete(ref);
            answer.reject(new JobsFlowError(problem));
        }
        this.#outbox = this.#outbox.filter(({ ref }) => this.#answers.has(ref));
    }
    #moved(state) {
        if (state === "denied")
            this.#refuse(errors.denied);
        if (state === "closed") {
            this.#leavePage?.();
            this.#leavePage = null;
        }
        else {
            this.#leavePage ??= watchPage(this.#connection, () => this.#showOrHide());
        }
        this.dispatchEvent(new CustomEvent("connection", { detail: state }));
    }
    #send(message) {
        const answer = this.#answers.get(message.ref);
        if (answer)
            answer.sent = true;
        // An undefined argument is left out; null, 0, "" and false are not: they differ.
        this.#connection.send(JSON.stringify(message));
    }
    /** Tell the server whether anybody looks; the answer shows that the connection is alive. */
    #showOrHide() {
        const visible = globalThis.document?.visibilityState !== "hidden";
        this.#send({ type: "setVisibility", visible, ref: `look ${++this.#lastRef}` });
    }
    /** What comes and goes within one turn of the event loop is asked for once. */
    #soon(watch) {
        this.#dirty.add(watch);
        if (this.#dirty.size === 1)
            queueMicrotask(() => this.#settle());
    }
    #settle() {
        const open = this.#connection.open;
        for (const watch of this.#dirty) {
            const { id } = watch.state;
            if (this.#watches.get(id) !== watch)
                continue;
            if (watch.entries.size) {
                if (open && watch.news)
                    this.#ask(watch);
                continue;
            }
            this.#watches.delete(id);
            if (open && watch.asked)
                this.#send({ type: "unwatchWorkflowInstance", workflowId: id });
        }
        this.#dirty.clear();
        this.#connection.rest();
    }
    #ask(watch) {
        const { id } = watch.state;
        const windows = movedWindows(watch.state);
        this.#send({ type: "watchWorkflowInstance", workflowId: id, ...watch.ask(), ref: `watch ${++this.#lastRef}` });
        // The server forgot them with the connection.
        for (const { path, from } of windows)
            this.#send({ type: "setWindow", workflowId: id, taskPath: path, from, ref: `window ${++this.#lastRef}` });
    }
    #receive(text) {
        const message = parsed(text);
        if (!message)
            return;
        if (message.type === "hello")
            return this.#greeted(message);
        if ("ref" in message)
            this.#answered(message);
        const watch = "id" in message && this.#watches.get(message.id ?? "");
        if (watch)
            this.#apply(watch, message);
        if (message.type === "appError" && message.error.code === errors.denied.code)
            this.#connection.deny();
    }
    #greeted({ version, time }) {
        if (version !== VERSION)
            console.warn(`jobs-flow: the server speaks version ${version}, this page ${VERSION}`);
        this.clockOffset = time - Date.now();
        if (this.#connection.open)
            return;
        this.#connection.greeted();
        // First, so that a hidden page is not sent what it asks for next.
        if (globalThis.document?.visibilityState === "hidden")
            this.#showOrHide();
        for (const watch of this.#watches.values())
            this.#ask(watch);
        for (const message of this.#outbox.splice(0))
            this.#send(message);
        this.#connection.rest();
    }
    #answered(message) {
        const answer = this.#answers.get(message.ref);
        if (!answer)
            return;
        this.#answers.delete(message.ref);
        if (message.type === "appError")
            answer.reject(new JobsFlowError(message.error));
        else
            answer.resolve(message);
        this.#connection.rest();
    }
    #apply(watch, message) {
        if (!watch.take(message))
            return;
        for (const { listener } of [...watch.entries]) {
            try {
                listener(watch.state);
            }
            catch (error) {
                if ("reportError" in globalThis)
                    reportError(error);
                else
                    console.error(error);
            }
        }
        this.dispatchEvent(new CustomEvent("state", { detail: watch.state }));
    }
}
