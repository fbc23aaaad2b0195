import { type ConnectionState } from "./connection.js";
import { type JobState } from "./state.js";
import { type Transport } from "./transport.js";
import { type Listener, type WatchOptions } from "./watch.js";
import type { DataOf, PathOf, WorkflowName } from "./workflows.js";
import type { Ack, CreateWorkflowInstance, CancelWorkflow, GetTaskLogs, ResumeWorkflow, TaskDetails, TaskLogs, WorkflowBlock } from "./protocol.gen.js";
/** Version of the protocol that is spoken here. */
export declare const VERSION = 1;
/** Where the socket is when nothing else is said, relative to the page. */
export declare const DEFAULT_URL = "/ws/jobs-flow/";
export interface ClientOptions {
    /** How messages come and go, instead of a WebSocket. */
    transport?: Transport | undefined;
}
/** What a request may leave out by giving undefined. */
type Loose<T> = T extends unknown ? {
    [Name in keyof T]: T[Name] | undefined;
} : never;
type Given<T, Names extends keyof T> = Loose<Partial<Pick<T, Names>>>;
export interface JobsFlowClient {
    addEventListener(type: "connection", listener: (event: CustomEvent<ConnectionState>) => void, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: "state", listener: (event: CustomEvent<JobState>) => void, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}
/**
 * One connection, shared by all that watch something at the same URL. It reconnects by itself, with growing and
 * random pauses, and then asks for what it missed. While the page is hidden the server sends it nothing.
 *
 * Events: "connection" (detail: connecting, open, reconnecting, denied, closed) and "state" (detail: a state).
 */
export declare class JobsFlowClient extends EventTarget {
    #private;
    /** The client of a URL, relative to the page; the same for all who ask. The options are those of who asks first. */
    static for(url?: string, options?: ClientOptions): JobsFlowClient;
    /** Milliseconds that the server's clock is ahead of this one. */
    clockOffset: number;
    /** `url`: of the socket, relative to the page; http and https serve as well as ws and wss. */
    constructor(url?: string, { transport }?: ClientOptions);
    /** closed, connecting, open, reconnecting or denied. */
    get connection(): ConnectionState;
    /**
     * Call `listener` with the state of an instance: now, if it is known, and whenever it changes. Gives the
     * function that ends it. Several may watch one instance; what they want is asked for together.
     */
    watch(id: string, listener: Listener, options?: WatchOptions): () => void;
    /** Run one task. Without `arg` it gets what the task before it handed on. Resolves once it has been started. */
    execute<W extends WorkflowName | undefined = undefined>(workflowId: string, taskPath: PathOf<W>, arg?: unknown): Promise<Ack>;
    /** Run all tasks; `initialArg` goes to the first. Resolves once the run has been started. */
    executeAll(workflowId: string, initialArg?: unknown): Promise<Ack>;
    /** Make an instance; resolves to {id}. With a `key` that an instance of the caller has already, to that one. */
    create<W extends WorkflowName>(workflow: W, options?: Given<CreateWorkflowInstance, "realm" | "name" | "key" | "execute"> & {
        data?: DataOf<W> | undefined;
    }): Promise<Ack & {
        id: string;
    }>;
    /** Run again what has to be: mode "failed", "failed_and_downstream" or "all", or from `taskPath` on. */
    resume(workflowId: string, options?: Given<ResumeWorkflow, "mode" | "taskPath" | "preview">): Promise<Ack>;
    /** Stop the run, or what of it is at `taskPath` and below; with `undo` what is finished is undone. */
    cancel(workflowId: string, { taskPath, undo }?: Given<CancelWorkflow, "taskPath" | "undo">): Promise<Ack>;
    /** Start no further task. */
    pause(workflowId: string): Promise<Ack>;
    /** Start them again. */
    unpause(workflowId: string): Promise<Ack>;
    /** Put the tasks at `taskPath` and below back to inactive. */
    reset(workflowId: string, taskPath?: string): Promise<Ack>;
    /** Remove the instance with all its records. */
    destroy(workflowId: string): Promise<Ack>;
    /** Replace the recorded context updaters of a task. */
    setContextUpdaters(workflowId: string, taskPath: string, updaters: unknown[]): Promise<Ack>;
    /** Everything recorded of a task. */
    getTask(workflowId: string, taskPath: string): Promise<TaskDetails>;
    /** Lines of a task's log: `limit` of them (200), from index `from` on, or the last ones. */
    getLogs(workflowId: string, taskPath: string, { from, limit }?: Given<GetTaskLogs, "from" | "limit">): Promise<TaskLogs>;
    /** Show other children of a folded block of a watched instance: those from index `from` on. */
    setWindow(workflowId: string, taskPath: string, from: number): Promise<WorkflowBlock>;
    /** Try again at once, after signing in for example. */
    reconnect(): void;
    /** End all watches and requests, and the connection. Using it again opens it again. */
    close(): void;
}
export {};
