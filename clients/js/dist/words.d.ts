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
    /** A task that waits for nothing, because there is no run. */
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
    workflow: string;
    loading: string;
    signIn: string;
    missing: string;
    deleted: string;
    problem: (message: string) => string;
    failed: (name: string) => string;
    tasks: (ended: number, total: number) => string;
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
/** What a task's status is called; one that is not known keeps its name. */
export declare const taskWord: (status: string) => string;
/** What an instance's status is called. */
export declare const instanceWord: (status: string) => string;
