import type { InstanceStatus, TaskStatus } from "@jobs-flow/client";
/** Every text that the components show. Replace some with `<JobsProvider words={…}>`. */
export interface Words {
    /** What a task is called that is … */
    task: Readonly<Record<TaskStatus, string>>;
    /** A task that waits for nothing, because there is no run. */
    idle: string;
    /** What an instance is called that is … */
    instance: Readonly<Record<InstanceStatus | "paused" | "cancelling" | "undoing", string>>;
    workflow: string;
    loading: string;
    reconnecting: string;
    signIn: string;
    missing: string;
    problem: (message: string) => string;
    ended: (ended: number, total: number) => string;
    failed: (name: string) => string;
    cancelled: string;
    back: string;
    log: string;
    tasks: string;
    page: (from: number, to: number, total: number) => string;
    run: string;
    runAll: string;
    resume: string;
    resumeHere: string;
    wouldRun: (count: number) => string;
    nothingToRun: string;
    confirm: string;
    never: string;
    cancel: string;
    pause: string;
    unpause: string;
    attempt: string;
    started: string;
    took: string;
    result: string;
    error: string;
    traceback: string;
    argument: string;
    context: string;
    updaters: string;
    save: string;
    revert: string;
    giveArgument: string;
    argumentHelp: string;
    updatersHelp: string;
    notJson: (reason: string) => string;
    notList: string;
    omitted: string;
    cut: string;
    nothing: string;
    earlier: (count: number) => string;
    noLines: string;
    stale: (path: string) => string;
}
/** The words of a page that says nothing else. */
export declare const english: Words;
