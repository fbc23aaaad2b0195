/** All that is shown; a page may replace any of it before the first element appears. */
import { tasksEnded } from "./english.js";
export declare const words: {
    task: {
        inactive: string;
        queued: string;
        running: string;
        ok: string;
        skipped: string;
        failed: string;
        cancelled: string;
    };
    idle: string;
    instance: {
        inactive: string;
        working: string;
        paused: string;
        cancelling: string;
        undoing: string;
        done: string;
        failed: string;
        cancelled: string;
        deleted: string;
    };
    connection: Record<string, string>;
    workflow: string;
    loading: string;
    signIn: string;
    missing: string;
    deleted: string;
    problem: (message: string) => string;
    failed: (name: string) => string;
    errors: {
        lost: {
            code: string;
            message: string;
        };
        windows: {
            code: string;
            message: string;
        };
        denied: {
            code: string;
            message: string;
        };
    };
    tasks: typeof tasksEnded;
    subtasks: (total: number) => string;
    part: (ended: number, total: number) => string;
    showTasks: string;
    hideTasks: string;
    more: (count: number) => string;
    /** Of a block that comes in parts. */
    range: (first: number, last: number, total: number) => string;
    next: (count: number) => string;
    previous: (count: number) => string;
    allLines: (count: number) => string;
    lastLines: string;
    earlier: (count: number) => string;
    log: (name: string) => string;
    progressOf: (name: string) => string;
    resultLoading: string;
    resultFailed: string;
    again: string;
    count: (status: string, count: number) => string;
};
/** What a task's status is called; `working`: whether there is a run that it could wait in. */
export declare const taskWord: (status: string | undefined, working?: boolean) => string;
