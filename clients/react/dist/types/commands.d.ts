import type { JobState } from "@jobs-flow/client";
/** Run one task, with an argument or without; resume from it. */
export declare function TaskCommands({ state, path }: {
    state: JobState;
    path: string;
}): import("react").JSX.Element;
/** Run or resume the whole, pause it, cancel it. */
export declare function WholeCommands({ state }: {
    state: JobState;
}): import("react").JSX.Element | null;
