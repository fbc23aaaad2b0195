/**
 * What is known of one instance, and how a message of the server changes it.
 *
 * Pure: a state is never modified, and what did not change keeps its identity, down to the single task.
 */
import { type KnownLines } from "./lines.js";
import type { Counts, Failure, InstanceStatus, Message, Problem, TaskNode, TaskStatus, TaskView, Undo } from "./protocol.gen.js";
/** The path of the whole. */
export declare const ROOT = "#";
/** Task statuses that are an end; a failure is one as well. */
export declare const ENDED: ReadonlySet<string | undefined>;
/** Instance statuses that are the end of a run. */
export declare const FINISHED: ReadonlySet<string | null>;
/** Which colour a state has, by its meaning. */
export type Color = "muted" | "accent" | "ok" | "warning" | "failed";
/** What is known of an instance. */
export interface JobState {
    id: string;
    /** null until it is known; then inactive, working, done, failed or cancelled; deleted once it is gone. */
    status: InstanceStatus | null;
    workflow: string;
    name: string;
    run: number;
    /** Milliseconds since 1970 by the server's clock, as all times. */
    startedAt: number | null;
    finishedAt: number | null;
    /** Of the failure of the latest run. */
    error: Failure | null;
    /** No task is started until this is taken back. */
    paused: boolean;
    /** Paths of the run that were asked to stop; "#" is all of it. */
    cancelled: string[];
    /** null when nothing is to be undone. */
    undo: Undo;
    tasks: TaskNode[];
    /** Where the root tasks themselves are a folded block: how many there are, and the index of the first that is in `tasks`. */
    window: {
        total: number;
        from: number;
    } | null;
    /** Task records by path; of folded blocks only those in the window. */
    statuses: Record<string, TaskView>;
    /** Number of all tasks by status, and of all. */
    counts: Partial<Record<TaskStatus, number>>;
    total: number;
    /** Share of tasks that have ended, 0 to 1. */
    progress: number;
    color: Color;
    /** Folded blocks by the path of their parent: how many of their children have which status. */
    blocks: Record<string, Counts>;
    /** By path; `from` is the index of the first line that is known. */
    logs: Record<string, KnownLines>;
    /** The latest request that was refused, of anybody's. */
    notice: Problem | null;
    /** While nothing can be learned of the instance. */
    problem: Problem | null;
    /** There is no such instance, or not for this user. */
    missing: boolean;
    /** Number of the last event that is in this state. */
    seq: number;
}
/** The state before the first message. */
export declare const initialState: (id: string) => JobState;
/** The state after a message of the server; the same object when that is no news. */
export declare const reduce: (state: JobState, message: Message) => JobState;
