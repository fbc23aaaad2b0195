const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** Milliseconds that a server may take to answer before the connection counts as lost. */
export const PATIENCE = 15_000;
/** Milliseconds of silence after which the server is asked for a word. */
export const QUIET = 45_000;
/** Milliseconds that a connection nobody wants stays open. */
export const LINGER = 2_000;
/** Milliseconds within which one that was let in before, and is not any more, is tried once more only. */
export const ONCE_IN = 60_000;
/** Close codes that trying again does not change: sign in first, not allowed. */
const FINAL_CODES = [4401, 4403];
/**
 * Milliseconds to wait before the next attempt after `failures` of them in a row: doubled each time, 30 seconds at
 * most, of which a random half is left out, so that not all pages come back at once. `random`: from 0 to 1.
 */
export const backoff = (failures, random = Math.random()) => Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures) * (0.5 + random / 2);
export class Connection {
    state = "closed";
    #url;
    #transport;
    #user;
    #channel = null;
    #attempt = 0;
    /** The server has said more on it than its greeting. */
    #letIn = false;
    #triedAgain = -Infinity;
    #failures = 0;
    #patience;
    #retry;
    #idle;
    constructor(url, transport, user) {
        this.#url = url;
        this.#transport = transport;
        this.#user = user;
    }
    get open() {
        return this.state === "open";
    }
    send(text) {
        this.#channel?.send(text);
    }
    /** Somebody wants it. */
    wake() {
        clearTimeout(this.#idle);
        if (this.state === "closed")
            this.#connect();
    }
    /** Close it soon, unless somebody wants it again. */
    rest() {
        clearTimeout(this.#idle);
        if (this.state !== "closed" && !this.#user.wanted())
            this.#idle = setTimeout(() => this.#user.wanted() || this.close(), LINGER);
    }
    /** The server's greeting came. */
    greeted() {
        this.#move("open");
    }
    /** Try again at once. */
    reconnect() {
        this.#failures = 0;
        this.drop();
        if (this.#user.wanted())
            this.#connect();
        else
            this.#move("closed");
    }
    /** Close it, until it is wanted again. */
    close() {
        this.drop();
        this.#move("closed");
    }
    /**
     * Not this user. One that was let in is tried once more: who has changed the password is signed in still, in a
     * session that the old connection is not of.
     */
    deny() {
        const again = this.#letIn && this.#user.wanted() && Date.now() - this.#triedAgain > ONCE_IN;
        this.drop();
        if (!again)
            return this.#move("denied");
        this.#triedAgain = Date.now();
        this.#move("reconnecting");
        // Not at once: the browser has to have the new session's cookie.
        this.#retry = setTimeout(() => this.#connect(), backoff(2));
    }
    /** The connection is gone: try again after a pause, if anybody still wants it. */
    lose() {
        if (this.state === "denied" || this.state === "closed")
            return;
        this.drop();
        if (!this.#user.wanted())
            return this.#move("closed");
        this.#move("reconnecting");
        this.#retry = setTimeout(() => this.#connect(), backoff(this.#failures++));
    }
    /** Whatever comes, it has to come within PATIENCE. */
    expect() {
        clearTimeout(this.#patience);
        this.#patience = setTimeout(() => this.lose(), PATIENCE);
    }
    /** Ask whether it is alive still. */
    probe() {
        // Who was not let in may have signed in meanwhile, in another tab.
        if (this.state === "reconnecting" || this.state === "denied")
            return this.reconnect();
        if (this.state !== "open")
            return;
        // First: there are transports that answer at once.
        this.expect();
        this.#user.probe();
    }
    /** Let go of the channel, without a word about it. */
    drop() {
        const channel = this.#channel;
        this.#channel = null;
        this.#attempt++;
        for (const timer of [this.#patience, this.#retry, this.#idle])
            clearTimeout(timer);
        channel?.close();
        if (channel)
            this.#user.dropped();
    }
    #connect() {
        const attempt = ++this.#attempt;
        this.#letIn = false;
        const current = () => attempt === this.#attempt;
        this.#move(this.state === "open" || this.state === "reconnecting" ? "reconnecting" : "connecting");
        // A listener may have closed it just now.
        if (!current())
            return;
        this.expect();
        try {
            this.#channel = this.#transport(this.#url, {
                message: (text) => current() && this.#receive(text),
                closed: (code) => current() && (FINAL_CODES.includes(code) ? this.deny() : this.lose()),
            });
        }
        catch (error) {
            console.error(`jobs-flow: no connection to ${this.#url}`, error);
            this.lose();
        }
    }
    #receive(text) {
        clearTimeout(this.#patience);
        this.#patience = setTimeout(() => this.probe(), QUIET);
        // A greeting alone proves little: a server that closes at once after it must not be hammered.
        const greeted = this.open;
        if (greeted)
            this.#failures = 0;
        this.#user.receive(text);
        if (greeted && this.open)
            this.#letIn = true;
    }
    #move(state) {
        if (state === this.state)
            return;
        this.state = state;
        this.#user.moved(state);
    }
}
