/** What a project's workflows are, where it says so: `manage.py jobs_flow_types` writes it. */
import type { TaskView } from "./protocol.gen.js";
import type { JobState } from "./state.js";
/**
 * The registered workflows by name, each `{ data; paths; bodies }`. Empty here; filled by the project:
 *
 *   declare module "@jobs-flow/client" { interface Workflows { "report": { … } } }
 */
export interface Workflows {
}
/** A workflow's name: one of those that are known, or any where none is. */
export type WorkflowName = [keyof Workflows] extends [never] ? string : keyof Workflows & string;
type Field<W, Name extends string, Otherwise> = W extends keyof Workflows ? Workflows[W] extends Record<Name, infer Found> ? Found : Otherwise : Otherwise;
/** The paths of its tasks. */
export type PathOf<W> = Field<W, "paths", string> & string;
/** What an instance of it is made with. */
export type DataOf<W> = Field<W, "data", unknown>;
/** What a task of it gives. */
export type BodyOf<W, Path> = Path extends keyof Field<W, "bodies", unknown> ? Field<W, "bodies", unknown>[Path] : unknown;
/** The state of an instance of it: with its paths, and what each task gives. */
export type JobOf<W> = W extends keyof Workflows ? Omit<JobState, "workflow" | "statuses"> & {
    workflow: W;
    statuses: {
        [Path in PathOf<W>]?: Omit<TaskView, "body"> & {
            body?: BodyOf<W, Path>;
        };
    };
} : JobState;
export {};
