import type { TaskNode } from "../protocol.gen.js";
import { type JobState } from "../state.js";
/** What a part of the drawing asks of the element. */
export interface Host {
    redraw(): void;
    /** Show the children of a folded block from that index on. */
    move(path: string, from: number): void;
}
/** The children of a block, and which part of it they are. */
export interface Block {
    path: string;
    name: string;
    children: TaskNode[];
    total?: number | undefined;
    from?: number | undefined;
}
/** Sibling tasks; folded to their counts where they are many. */
export declare class Tasks {
    #private;
    readonly element: HTMLElement;
    readonly toggle: HTMLElement;
    /** `sequential`: one after the other, tasks are shown however many; only what is parallel is folded. */
    constructor(block: Block, host: Host, sequential?: boolean);
    update(block: Block, state: JobState, now: number): void;
    tick(now: number): void;
}
