import { type JobsFlowClient, type Problem, type TaskDetails, type TaskView } from "@jobs-flow/client";
/** What went wrong with a request, as the server says it. */
export declare const problemOf: (error: unknown) => Problem;
/** What is known of a task beyond its view. */
export interface Known {
    readonly details: TaskDetails | null;
    readonly problem: Problem | null;
    /** Ask again. */
    readonly refresh: () => void;
}
/** Everything recorded of a task; asked for again whenever its status changes. Answers that come late are dropped. */
export declare function useDetails(client: JobsFlowClient, id: string, path: string, view: TaskView | undefined): Known;
/** A request under way, or what came of it. */
export interface Asking {
    readonly busy: boolean;
    readonly problem: Problem | null;
    /** Send a request; gives its answer, or null when it was refused. */
    readonly ask: <T>(request: () => Promise<T>) => Promise<T | null>;
    /** Say no more of the problem. */
    readonly forget: () => void;
}
/** One request at a time, and the problem of the last one until the next, or until it is forgotten. */
export declare function useAsking(): Asking;
