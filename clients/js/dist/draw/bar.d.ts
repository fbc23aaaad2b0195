/** A progress bar with its meaning for screen readers. */
export declare class Bar {
    #private;
    readonly element: HTMLElement;
    constructor(selector?: string);
    /** `value`: 0 to 1. `label`: of what it is the progress. `text`: the value in words. */
    set(value: number, label: string, text?: string | null): void;
}
