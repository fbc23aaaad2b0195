/** React components and hooks for jobs-flow: see docs/howto/react.md. */
export type { BodyOf, DataOf, Failure, JobOf, JobState, PathOf, TaskNode, TaskStatus, TaskView, WorkflowName, Workflows, } from "@jobs-flow/client";
export type { Command } from "@jobs-flow/client/shared";
export { ContinuousProgression, useContinuousProgress, type ContinuousProgressionProps } from "./continuous.js";
export { approach, jobProgress, type Estimations } from "./estimation.js";
export { type Happening } from "./happenings.js";
export { useJob, useJobs } from "./hooks.js";
export { Jobify, type JobifyProps } from "./jobify.js";
export { type Trouble } from "./outcome.js";
export { Panel, type PanelProps } from "./panel.js";
export { Progress, type ProgressProps } from "./progress.js";
export { Progression, type ProgressionContext, type ProgressionProps } from "./progression.js";
export { JobsProvider, useConnection, useJobsClient, type JobsProviderProps } from "./provider.js";
export { type AnyJob, type JobId, type JobOptions, type States } from "./store.js";
export { english, type OtherWords, type Words } from "./words.js";
export { Workflow, type WorkflowProps } from "./workflow.js";
