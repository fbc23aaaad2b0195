/** What more than one way of showing an instance says, in English: each text stands here, once. */
import type { Offer, Reason } from "./run/commands.js";
/** "1 task", "2 tasks". */
export declare const plural: (count: number, one: string, many: string) => string;
/** Said wherever an instance is shown. */
export declare const everywhere: {
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
    workflow: string;
    loading: string;
    signIn: string;
    missing: string;
    deleted: string;
    problem: (message: string) => string;
    failed: (name: string) => string;
};
/** How many tasks have ended; under another name in each list of words. */
export declare const tasksEnded: (ended: number, total: number) => string;
/** Said wherever single tasks are shown and commands are given. */
export declare const ofPanels: {
    tasks: string;
    commandsOf: string;
    commandsOfTask: (name: string) => string;
    /** Labels of buttons; those with dots ask first. */
    commands: Record<string, string>;
    /** Why a button cannot be used now. */
    reasons: Record<Reason, string>;
    /** Headings and texts of what is asked before a command is given, and the button that gives it. */
    confirm: Record<string, [title: string, text: string, button: string]>;
    back: string;
    /** What is said once a command was given. */
    done: Record<string, string>;
    nothingChanged: string;
    withUndo: string;
    giveArgument: string;
    argumentHelp: string;
    preview: (count: number) => string;
    previewMore: (count: number) => string;
    notJson: (message: string) => string;
    facts: Record<string, string>;
    stale: (path: string) => string;
    error: string;
    traceback: string;
    result: string;
    argument: string;
    context: string;
    updaters: string;
    updatersHelp: string;
    save: string;
    discard: string;
    notList: string;
    log: string;
    earlierLines: (count: number) => string;
    omitted: string;
};
/** What is said once a command was given. */
export declare const doneText: ({ done, nothingChanged }: Pick<typeof ofPanels, "done" | "nothingChanged">, { command, label }: Pick<Offer, "command" | "label">, changed: boolean) => string;
