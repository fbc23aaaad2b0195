import { type JobState } from "../state.js";
import { type Host } from "./tasks.js";
/** null: no result is wanted yet. */
export type ResultState = "loading" | "failed" | "shown" | null;
/** What the element knows beside the state. */
export interface Given {
    /** Milliseconds since 1970 by the server's clock. */
    now: number;
    connection: string;
    label: string | null;
    result: ResultState;
    /** Why the reader did not get to see other children of a block; "" where nobody was refused. */
    refused: string;
}
/** What the view asks of the element. */
export interface Owner extends Host {
    reload(): void;
}
/** Everything inside one <jobs-flow-progress>. */
export declare class View {
    #private;
    readonly card: HTMLElement;
    readonly content: HTMLElement;
    /** The tasks are shown on demand. */
    foldable: boolean;
    folded: boolean;
    constructor(root: ShadowRoot, owner: Owner);
    /** Show the state. */
    update(state: JobState, given: Given): void;
    /** What changes by the clock alone. */
    tick(state: JobState, now: number): void;
}
