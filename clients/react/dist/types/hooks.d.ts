import type { JobOf, WorkflowName } from "@jobs-flow/client";
import { type JobId, type JobOptions, type States } from "./store.js";
/**
 * The states of several instances, by id; those of ids that are null are left out. Watches them while the component
 * is there. An instance of which nothing is known yet has `status: null`. The result, and each state in it, is the
 * same object as long as nothing changes, however the list of ids was made.
 */
export declare function useJobs(ids: readonly JobId[], options?: JobOptions): States;
/**
 * The state of an instance, which is watched while the component is there; null for an id that is null.
 *
 * `useJob<"weather_report">(id)`: with the paths and results of that workflow, as `manage.py jobs_flow_types` wrote them.
 */
export declare function useJob<W extends WorkflowName | undefined = undefined>(id: string | number, options?: JobOptions): JobOf<W>;
export declare function useJob<W extends WorkflowName | undefined = undefined>(id: JobId, options?: JobOptions): JobOf<W> | null;
