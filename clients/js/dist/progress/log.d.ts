import type { KnownLines } from "../lines.js";
/** The last lines of a task's log, all that are known on demand. */
export declare class Log {
    #private;
    readonly element: HTMLElement;
    constructor(name: string);
    update(log: KnownLines | undefined): void;
}
