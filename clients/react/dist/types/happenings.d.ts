/**
 * What happened to an instance between two looks at it, each thing once.
 *
 * States, not messages, are compared: a tab that was hidden, a connection that was lost and a slow socket all skip
 * states, and none of them may lose or repeat a call. A run begins with nothing told; so who comes late, even after
 * the end, is told of the latest run what those heard who were there from the start (with `late` set).
 */
import { type Failure, type JobState, type TaskView } from "@jobs-flow/client";
/** Something that happened. */
export type Happening = {
    /** The instance. */
    readonly id: string;
    /** Its state now. */
    readonly state: JobState;
    /** It had happened before the first look at this instance. */
    readonly late: boolean;
} & ({
    readonly type: "taskStart";
    readonly path: string;
    readonly task: TaskView;
} | {
    readonly type: "taskEnd";
    readonly path: string;
    readonly task: TaskView;
} | {
    readonly type: "complete";
} | {
    readonly type: "error";
    readonly error: Failure;
});
/** What has been told of an instance. */
export interface Told {
    readonly run: number;
    /** Paths of the run whose start, and whose end, was told. */
    readonly started: ReadonlySet<string>;
    readonly ended: ReadonlySet<string>;
    /** Whether the end of the run was told. */
    readonly over: boolean;
    /** The notice that was told last. */
    readonly notice: unknown;
    /** What was told that is wrong with the instance itself. */
    readonly refused: string;
}
/** Nothing yet. */
export declare const nothing: Told;
/** What there is to tell after a look at the instance, in the order in which it happened, and what is told then. */
export declare function happenings(told: Told, state: JobState): {
    told: Told;
    events: Happening[];
};
