import { errors } from "./errors.js";
import { readEvents } from "./sse_read.js";
/** As a lost socket is closed: coming back is worth a try. */
const LOST = 1006;
const NOT_AUTHENTICATED = 4401;
/** Too many requests, and what a server answers that is not well. */
const WORTH_ANOTHER_TRY = [429, 500, 502, 503, 504];
/** The status of a server that cannot stream, and milliseconds between questions to it: at work, and otherwise. */
const NO_STREAMS = 501;
const POLL = 2_000;
const POLL_IDLE = 10_000;
/** Milliseconds without a sign of life after which a stream counts as lost; the server gives one every 15 seconds. */
const SILENCE = 45_000;
const tokenOfPage = () => {
    const field = globalThis.document?.querySelector("input[name=csrfmiddlewaretoken]");
    return field?.value ?? /(?:^|; )csrftoken=([^;]*)/.exec(globalThis.document?.cookie ?? "")?.[1];
};
class HttpChannel {
    #url;
    #hooks;
    #token;
    #streams = new Map();
    #visible = true;
    #closed = false;
    constructor(url, hooks, token) {
        this.#url = url.endsWith("/") ? url : `${url}/`;
        this.#hooks = hooks;
        this.#token = token;
        // There is nothing to open before somebody asks for something; each stream greets with the server's clock.
        queueMicrotask(() => this.#tell({ type: "hello", version: 1, time: Date.now() }));
    }
    send(text) {
        const request = JSON.parse(text);
        switch (request.type) {
            case "watchWorkflowInstance":
                this.#streams.get(request.workflowId)?.ended?.abort();
                this.#open({ request, seq: request.since ?? undefined, ended: null });
                break;
            case "unwatchWorkflowInstance":
                this.#streams.get(request.workflowId)?.ended?.abort();
                this.#streams.delete(request.workflowId);
                break;
            case "setVisibility":
                this.#show(request.visible);
                this.#tell({ type: "ack", ref: request.ref ?? null });
                break;
            case "setWindow":
                // The server keeps nothing between requests that could be moved.
                queueMicrotask(() => this.#tell({ type: "appError", error: errors.windows, ref: request.ref ?? null }));
                break;
            default:
                void this.#post(request, text);
        }
    }
    close() {
        this.#closed = true;
        for (const { ended } of this.#streams.values())
            ended?.abort();
        this.#streams.clear();
    }
    #tell(message) {
        if (!this.#closed)
            this.#hooks.message(JSON.stringify(message));
    }
    #lose(code) {
        if (this.#closed)
            return;
        this.close();
        this.#hooks.closed(code);
    }
    /** A hidden page has no streams; shown again, it asks for what it missed. */
    #show(visible) {
        if (visible === this.#visible)
            return;
        this.#visible = visible;
        for (const stream of [...this.#streams.values()]) {
            stream.ended?.abort();
            stream.ended = null;
            if (visible)
                this.#open(stream);
        }
    }
    #open(stream) {
        this.#streams.set(stream.request.workflowId, stream);
        if (!this.#visible)
            return;
        const ended = (stream.ended = new AbortController());
        this.#follow(stream, ended.signal).catch(() => ended.signal.aborted || this.#lose(LOST));
    }
    async #follow(stream, signal) {
        const { workflowId } = stream.request;
        const answer = await this.#get(`${this.#addressOf(workflowId)}events/?${queryOf(stream)}`, "text/event-stream", signal);
        if (answer.status === NO_STREAMS)
            return this.#poll(stream, signal);
        if (!answer.ok || !answer.body)
            return this.#refused(stream, answer, signal);
        let last;
        for await (const data of readEvents(answer.body, SILENCE)) {
            if (signal.aborted)
                return;
            last = JSON.parse(data);
            if ("seq" in last && last.seq !== undefined && !("more" in last && last.more))
                stream.seq = last.seq;
            this.#tell(last);
        }
        if (signal.aborted)
            return;
        // The last word on an instance ends its stream; any other end is a loss.
        if (last && LAST_WORDS.includes(last.type))
            this.#streams.delete(workflowId);
        else
            this.#lose(LOST);
    }
    /** Under WSGI there are no streams: ask now and then, for all but logs. */
    async #poll(stream, signal) {
        const { workflowId, ticket } = stream.request;
        const query = ticket ? `?${new URLSearchParams({ ticket })}` : "";
        stream.seq = undefined;
        while (!signal.aborted) {
            const answer = await this.#get(`${this.#addressOf(workflowId)}${query}`, "application/json", signal);
            if (!answer.ok)
                return this.#refused(stream, answer, signal);
            const snapshot = (await answer.json());
            if (signal.aborted)
                return;
            if (snapshot.seq !== stream.seq)
                messagesOf(snapshot).forEach((message) => this.#tell(message));
            stream.seq = snapshot.seq;
            await pause(snapshot.status === "working" ? POLL : POLL_IDLE, signal);
        }
    }
    async #refused({ request: { workflowId, ref } }, answer, signal) {
        const refusal = await refusalOf(answer);
        if (signal.aborted)
            return;
        if (refusal?.error.code === "NOT_AUTHENTICATED")
            return this.#lose(NOT_AUTHENTICATED);
        if (!refusal || WORTH_ANOTHER_TRY.includes(answer.status))
            return this.#lose(LOST);
        this.#streams.delete(workflowId);
        this.#tell({ ...refusal, id: workflowId, ...(ref === undefined ? {} : { ref }) });
    }
    #addressOf(workflowId) {
        return `${this.#url}instances/${encodeURIComponent(workflowId)}/`;
    }
    #get(url, kind, signal) {
        return fetch(url, { credentials: "same-origin", headers: { Accept: kind }, signal, cache: "no-store" });
    }
    async #post(request, body) {
        const ref = request.ref ?? null;
        const token = this.#token();
        const headers = { "Content-Type": "application/json", ...(token ? { "X-CSRFToken": token } : {}) };
        let answer;
        try {
            const options = { method: "POST", credentials: "same-origin", headers, body };
            const response = await fetch(`${this.#url}requests/`, options);
            answer = (await response.json().catch(() => undefined));
            answer ??= { type: "appError", error: { code: `HTTP_${response.status}`, message: `The server answered ${response.status}.` } };
        }
        catch {
            answer = { type: "appError", error: { code: "CONNECTION_LOST", message: "The server could not be reached." } };
        }
        this.#tell({ ...answer, ref });
    }
}
const LAST_WORDS = ["workflowDeleted", "appError", "executionError"];
/** A snapshot as a socket would tell it. */
const messagesOf = ({ tasks, statuses, counts: _, ...header }) => {
    const { id, seq } = header;
    return [
        { type: "workflowDescription", id, tasks, more: true },
        { type: "setTasksStatuses", id, statuses, seq, more: true },
        { type: "setWorkflowStatus", ...header },
    ];
};
const pause = (milliseconds, signal) => new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
});
const queryOf = ({ request, seq }) => {
    const query = new URLSearchParams();
    if (seq !== undefined)
        query.set("since", String(seq));
    if (request.fold != null)
        query.set("fold", String(request.fold));
    if (request.ticket)
        query.set("ticket", request.ticket);
    for (const logs of [request.logs ?? []].flat())
        query.append("logs", String(logs));
    return query.toString();
};
/** The error that an answer carries; undefined when it is not one of this protocol. */
const refusalOf = async (answer) => {
    const message = (await answer.json().catch(() => undefined));
    return message?.type === "appError" ? message : undefined;
};
/** A transport over HTTP with options of its own. */
export const eventSourceWith = ({ csrfToken = tokenOfPage }) => (url, hooks) => new HttpChannel(url, hooks, csrfToken);
/** The transport over HTTP. */
export const eventSource = eventSourceWith({});
