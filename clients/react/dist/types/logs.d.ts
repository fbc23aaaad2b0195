import type { JobState } from "@jobs-flow/client";
/** The log of a task: the lines that come live, and earlier ones on request. */
export declare function Logs({ state, path }: {
    state: JobState;
    path: string;
}): import("react").JSX.Element | null;
