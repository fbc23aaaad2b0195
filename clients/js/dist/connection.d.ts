/**
 * One connection that comes back by itself: its states, pauses and timeouts. It knows nothing of what is said.
 */
import type { Transport } from "./transport.js";
/** closed: nobody wants it; denied: the server does not let this user in, `reconnect()` tries again. */
export type ConnectionState = "closed" | "connecting" | "open" | "reconnecting" | "denied";
/** Milliseconds that a server may take to answer before the connection counts as lost. */
export declare const PATIENCE = 15000;
/** Milliseconds of silence after which the server is asked for a word. */
export declare const QUIET = 45000;
/** Milliseconds that a connection nobody wants stays open. */
export declare const LINGER = 2000;
/** Milliseconds within which one that was let in before, and is not any more, is tried once more only. */
export declare const ONCE_IN = 60000;
/**
 * Milliseconds to wait before the next attempt after `failures` of them in a row: doubled each time, 30 seconds at
 * most, of which a random half is left out, so that not all pages come back at once. `random`: from 0 to 1.
 */
export declare const backoff: (failures: number, random?: number) => number;
/** What the connection needs of its user. */
export interface User {
    /** Whether anybody needs it. */
    wanted(): boolean;
    /** A message came. */
    receive(text: string): void;
    /** Send something that is answered. */
    probe(): void;
    /** What was sent on it is lost. */
    dropped(): void;
    /** The state is another one. */
    moved(state: ConnectionState): void;
}
export declare class Connection {
    #private;
    state: ConnectionState;
    constructor(url: string, transport: Transport, user: User);
    get open(): boolean;
    send(text: string): void;
    /** Somebody wants it. */
    wake(): void;
    /** Close it soon, unless somebody wants it again. */
    rest(): void;
    /** The server's greeting came. */
    greeted(): void;
    /** Try again at once. */
    reconnect(): void;
    /** Close it, until it is wanted again. */
    close(): void;
    /**
     * Not this user. One that was let in is tried once more: who has changed the password is signed in still, in a
     * session that the old connection is not of.
     */
    deny(): void;
    /** The connection is gone: try again after a pause, if anybody still wants it. */
    lose(): void;
    /** Whatever comes, it has to come within PATIENCE. */
    expect(): void;
    /** Ask whether it is alive still. */
    probe(): void;
    /** Let go of the channel, without a word about it. */
    drop(): void;
}
