/**
 * What is known of the instances that a page watches, one store for each client.
 *
 * Components that ask for the same instance in the same way share one watch and so one state object: what React
 * renders in one pass is of one moment. Nothing is asked for before somebody subscribes, so rendering has no effect.
 */
import { type JobsFlowClient, type JobState, type TaskView } from "@jobs-flow/client";
/** An instance's id; null or undefined: none (yet). */
export type JobId = string | number | null | undefined;
/** A state of any instance, also of one whose workflow is known by `manage.py jobs_flow_types`. */
export type AnyJob = Omit<JobState, "statuses"> & {
    readonly statuses: Readonly<Record<string, TaskView | undefined>>;
};
/** How an instance is watched; see `JobsFlowClient.watch`. */
export interface JobOptions {
    /** A signed ticket, for pages whose reader is not signed in. */
    ticket?: string | undefined;
    /** Whether log lines are wanted (true if left out), or of which tasks. */
    logs?: boolean | readonly string[] | undefined;
    /** Blocks of more tasks than this are folded: so many in a window, of the others the counts. */
    fold?: number | null | undefined;
}
/** Text that is the same for equal options. */
export declare const keyOf: (options: JobOptions | undefined) => string;
/** The ids as text, each once, without those that are none. */
export declare const textsOf: (ids: readonly JobId[]) => string[];
/** The watches of one client. */
export declare class Watches {
    #private;
    constructor(client: JobsFlowClient);
    /** What is known of an instance; null before its first message, and when nobody watches it. */
    known(id: string, key: string): JobState | null;
    /** Call `listener` whenever what is known of the instance changes; gives the function that ends it. */
    subscribe(id: string, key: string, listener: () => void): () => void;
}
/** The store of a client, the same for all who ask. */
export declare function watchesOf(client: JobsFlowClient): Watches;
/** States by id. */
export type States = Readonly<Record<string, JobState>>;
/** What `useSyncExternalStore` needs for some instances: the same object as long as none of them has changed. */
export declare class Source {
    #private;
    /** `watches` is only called in a browser. */
    constructor(watches: () => Watches, ids: readonly string[], key: string);
    readonly subscribe: (listener: () => void) => (() => void);
    readonly snapshot: () => States;
    /** While a page is rendered on a server, and while a browser takes that page over: nothing is known. */
    readonly serverSnapshot: () => States;
}
