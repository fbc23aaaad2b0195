import { type JobState } from "@jobs-flow/client";
import { type ReactNode } from "react";
import type { JobId, JobOptions } from "./store.js";
/** See `Workflow`. */
export interface WorkflowProps extends JobOptions {
    jobId: JobId;
    /** The path that is selected; with `onSelect` it is yours to keep. "#" is the whole. */
    selected?: string | undefined;
    onSelect?: ((path: string) => void) | undefined;
    /** What stands beside the tree; `<Panel>` if left out, null: nothing. */
    panel?: ReactNode | ((path: string, state: JobState) => ReactNode);
}
/**
 * The tasks of an instance as a tree, each with its status, and beside it the panel of the one that is selected.
 *
 * Nested tasks are selectable; arrow keys, Home, End and letters move, as in every tree. Blocks of more than 100
 * tasks (`fold`) are shown a window at a time.
 */
export declare function Workflow({ jobId, selected, onSelect, panel, ticket, logs, fold }: WorkflowProps): ReactNode;
