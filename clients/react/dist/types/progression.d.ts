import type { JobsFlowClient, JobState, TaskView } from "@jobs-flow/client";
import { type ReactNode } from "react";
import { type Happening } from "./happenings.js";
import type { JobId, JobOptions } from "./store.js";
/** What the children of `Progression` get. */
export interface ProgressionContext {
    /** The connection: `socket.executeAll(id)`, `socket.connection`. */
    readonly socket: JobsFlowClient;
    readonly workflows: Readonly<Record<string, {
        /** The whole state: id, status, name, tasks, error, … */
        readonly workflow: JobState;
        readonly tasksStatuses: Readonly<Record<string, TaskView>>;
        /** Share of the tasks that have ended, 0 to 1; 0 where there is none. */
        readonly progression: number;
    }>>;
}
type Of<T extends Happening["type"]> = Extract<Happening, {
    type: T;
}>;
/** See `Progression`. */
export interface ProgressionProps extends Omit<JobOptions, "fold"> {
    ids: readonly JobId[];
    /** A run has failed or was cancelled, could not be started, or the instance may not be watched. */
    onError?: ((event: Of<"error">) => void) | undefined;
    /** A run is done. */
    onComplete?: ((event: Of<"complete">) => void) | undefined;
    /** A task has begun: once a run, however often it is tried. */
    onTaskStart?: ((event: Of<"taskStart">) => void) | undefined;
    /** A task has ended: `event.task.status` says how. One that was skipped has no start. */
    onTaskEnd?: ((event: Of<"taskEnd">) => void) | undefined;
    children?: ((context: ProgressionContext) => ReactNode) | undefined;
}
/**
 * Several instances for a function of yours to draw, and calls for what happens to them.
 *
 * Each call is made exactly once for each thing that happens in a run, whatever the connection does, in the order of
 * the server's times as far as they are known together. Who mounts it late gets the calls of the latest run too, with
 * `event.late` set: a job that ended before the page was ready is not missed. Earlier runs are not told.
 */
export declare function Progression({ ids, children, ticket, logs, ...calls }: ProgressionProps): ReactNode;
export {};
