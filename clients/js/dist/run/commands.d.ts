/** What can be asked of a run, and when that makes sense. Pure; whether somebody may is for the server to say. */
import type { Counts, InstanceStatus, TaskStatus, Undo } from "../protocol.gen.js";
/** Of the whole run, then of one task. */
export declare const COMMANDS: readonly ["run", "resume", "pause", "cancel", "reset", "destroy", "task", "update"];
/** As in the attribute `commands`. `pause` takes pauses back too; `resume` and `reset` are also of one task. */
export type Command = (typeof COMMANDS)[number];
/** Why a command makes no sense now; a key of `words.run.reasons`. */
export type Reason = "unknown" | "offline" | "working" | "undoing" | "idle" | "over" | "passed" | "never" | "clean" | "cancelling" | "notOk" | "hidden";
/** A command that is offered; with a reason it cannot be used. */
export interface Offer {
    command: Command;
    /** Its label in `words.run.commands`. */
    label: string;
    /** The task, or "#". */
    path: string;
    reason: Reason | null;
}
/** What the reader was shown and chose; `label` tells apart what one command does either way. */
export type Asked = Pick<Offer, "command" | "label" | "path">;
/** Paths of a preview that are listed. */
export declare const LISTED = 100;
/** Labels of commands that stop or take away something: their buttons are red, and the way back is the nearer one. */
export declare const GRAVE: ReadonlySet<string>;
/** What a state says of it; a `JobState` has it. */
export interface Situation {
    status: InstanceStatus | null;
    /** Of the run, or why it could not be started. */
    error: unknown;
    run: number;
    paused: boolean;
    cancelled: readonly string[];
    undo: Undo;
    counts: Readonly<Partial<Counts>>;
    total: number;
}
/** What is offered where nobody says which commands: all but what cannot be taken back. */
export declare const USUAL: readonly Command[];
/** The commands that an attribute allows; words it does not know are left out. `null`: those that are usual. */
export declare const parseCommands: (text: string | null, hasTicket?: boolean) => ReadonlySet<Command>;
/** What is offered for the whole run, in order. */
export declare const runOffers: (state: Situation, connection: string, allowed: ReadonlySet<Command>) => Offer[];
/** Whether finished tasks of a run that is over may be undone. */
export declare const undoable: ({ status, undo, counts }: Situation) => boolean;
/** What is offered for one task, in order. */
export declare const taskOffers: (state: Situation, path: string, status: TaskStatus | undefined, connection: string, allowed: ReadonlySet<Command>) => Offer[];
/** Whether the updaters of a task may be edited now. */
export declare const updaterReason: (status: TaskStatus | undefined, known: boolean, connection: string) => Reason | null;
