/** What the listeners of one instance want, as one request. */
import { type JobState } from "./state.js";
import type { Message, WatchWorkflowInstance } from "./protocol.gen.js";
/** What a listener wants to be told. */
export interface WatchOptions {
    /** A signed ticket for this instance, for those who are not signed in. */
    ticket?: string | null | undefined;
    /** Whether log lines are wanted (true if left out), or of which tasks. */
    logs?: boolean | string[] | undefined;
    /** Blocks of more tasks than this come folded: so many of them, of the others the counts. 10 to 1000; left out: never. */
    fold?: number | null | undefined;
}
export type Listener = (state: JobState) => void;
export interface Entry {
    listener: Listener;
    options: WatchOptions;
}
type Wanted = Pick<WatchWorkflowInstance, "ticket" | "logs" | "fold">;
/** What satisfies all of them: whoever wants more gets it, and the others with him. Without what goes without saying. */
export declare const merged: (options: WatchOptions[]) => Wanted;
/** One instance that is watched. */
export declare class Watch {
    #private;
    state: JobState;
    /** The latest state that the listeners were told. */
    told: JobState;
    readonly entries: Set<Entry>;
    /** What the server was asked for, as JSON; "" before that. */
    asked: string;
    constructor(id: string);
    get wanted(): WatchOptions[];
    /** Whether the listeners want something else than what the server was asked for. */
    get news(): boolean;
    /** The fields of the request to watch it. */
    ask(): Wanted & {
        since: number | undefined;
    };
    /** Take in a message; whether there is something to tell the listeners. */
    take(message: Message): boolean;
}
export {};
