// Generated from jobs_flow_django/live/protocol.schema.json by scripts/protocol.mjs; do not edit.

/** Printable characters only. */
export type Name = string;

/** '#' for the whole, '#.a.b' for a task. Printable characters only. */
export type TaskPath = string;

/** Chosen by the client; the answer carries it. */
export type Ref = string | number | null;

export type TaskStatus = "inactive" | "queued" | "running" | "ok" | "skipped" | "failed" | "cancelled";

export type InstanceStatus = "inactive" | "working" | "done" | "failed" | "cancelled" | "deleted";

export type Undo = "wanted" | "running" | "done" | "failed" | null;

export type TaskUndo = "queued" | "running" | "ok" | "failed" | null;

/** Number of tasks by status; a status that none has may be left out. */
export type Counts = Record<string, number>;

/** What went wrong with a task or a run. Without 'view_payload' there is no message. A task's own exception has its class as type. */
export interface Failure {
  code: string;
  message?: string;
  type?: string;
  path?: string;
}

/** A task of the tree, with the subtasks that run in parallel after it. */
export interface TaskNode {
  name: string;
  path: TaskPath;
  description?: string;
  children: TaskNode[];
  /** Of a folded block: how many children there are; 'children' has those of the window. */
  total?: number;
  /** Of a folded block: index of the first child in the window. */
  from?: number;
}

/** What is shown of a task. In a change only what changed, to be merged into what is known; a bodySize without a body says that the result is too large to be shown, and voids one known before. */
export interface TaskView {
  status?: TaskStatus;
  run?: number | null;
  attempt?: number | null;
  /** Milliseconds since 1970. */
  queuedAt?: number | null;
  /** Start, in milliseconds since 1970. */
  executionTime?: number | null;
  /** Milliseconds since 1970. */
  finishedAt?: number | null;
  /** Milliseconds. */
  duration?: number | null;
  progress?: number | null;
  progressText?: string | null;
  error?: Failure | null;
  /** The result; absent where it is large, or without 'view_payload'. */
  body?: unknown;
  /** Bytes of the result as JSON. */
  bodySize?: number | null;
  logCount?: number | null;
  retries?: number | null;
  losses?: number | null;
  /** Milliseconds since 1970. */
  retryAt?: number | null;
  undo?: TaskUndo;
}

/** An earlier attempt at a task. */
export interface Attempt {
  run?: number | null;
  attempt?: number | null;
  status?: string;
  /** Milliseconds since 1970. */
  queuedAt?: number | null;
  /** Milliseconds since 1970. */
  executionTime?: number | null;
  /** Milliseconds since 1970. */
  finishedAt?: number | null;
  duration?: number | null;
  worker?: string | null;
  error?: Failure | null;
  /** Any JSON value. */
  body?: unknown;
  bodySize?: number | null;
  logs?: string[];
}

/** A context updater, as job.update_context takes it: {"seen": {"$push": [3]}}. */
export type Updater = Record<string, unknown>;

/** Why a request was refused: a stable code, and a sentence for people. */
export interface Problem {
  code: string;
  message: string;
}

/** Tell me what becomes of an instance. A second one for the same instance replaces the first. */
export interface WatchWorkflowInstance {
  type: "watchWorkflowInstance";
  workflowId: Name;
  /** The seq that the client knows already, of a watch with the same 'fold' and 'logs': it is told only what came after it, where that is still known. */
  since?: number | null;
  /** Whether log lines are wanted (true if left out), or of which tasks. */
  logs?: boolean | TaskPath[];
  /** Blocks of more tasks than this are folded: so many of them in a window, of the others the counts. Left out: nothing is folded. Where a block is folded, everything is told anew, whatever 'since' says. */
  fold?: number | null;
  /** A signed ticket for this instance, for those who are not signed in. */
  ticket?: string | null;
  ref?: Ref;
}

/** No longer. */
export interface UnwatchWorkflowInstance {
  type: "unwatchWorkflowInstance";
  workflowId: Name;
  ref?: Ref;
}

/** Move the window of a folded block of a watched instance; answered by workflowBlock. '#' is the block of the root tasks. */
export interface SetWindow {
  type: "setWindow";
  workflowId: Name;
  taskPath: TaskPath;
  from: number;
  ref?: Ref;
}

/** While nobody looks, nothing is sent but answers; what happened meanwhile comes, merged, when somebody does. */
export interface SetVisibility {
  type: "setVisibility";
  visible: boolean;
  ref?: Ref;
}

/** Everything recorded of a task; answered by taskDetails. */
export interface GetTask {
  type: "getTask";
  workflowId: Name;
  taskPath: TaskPath;
  /** A signed ticket for this instance, for those who are not signed in. */
  ticket?: string | null;
  ref?: Ref;
}

/** Lines of a task's log; answered by taskLogs. */
export interface GetTaskLogs {
  type: "getTaskLogs";
  workflowId: Name;
  taskPath: TaskPath;
  /** Index of the first line; left out: the last ones. */
  from?: number | null;
  limit?: number;
  /** A signed ticket for this instance, for those who are not signed in. */
  ticket?: string | null;
  ref?: Ref;
}

/** Make an instance, the caller's own; with a key that one has already, that one is the answer. */
export interface CreateWorkflowInstance {
  type: "createWorkflowInstance";
  workflow: Name;
  /** Any JSON value. */
  data?: unknown;
  realm?: string | null;
  name?: string | null;
  key?: Name | null;
  execute?: boolean;
  ref?: Ref;
}

/** Run one task. */
export interface ExecuteTask {
  type: "executeTask";
  workflowId: Name;
  taskPath: TaskPath;
  /** Left out: what the task before handed on. null is an argument like any other. */
  arg?: unknown;
  ref?: Ref;
}

/** Run all tasks. */
export interface ExecuteAllTasks {
  type: "executeAllTasks";
  workflowId: Name;
  /** Goes to the first task; {} if left out. */
  initialArg?: unknown;
  ref?: Ref;
}

/** Run again what has to be, or from taskPath on. */
export interface ResumeWorkflow {
  type: "resumeWorkflow";
  workflowId: Name;
  mode?: "failed" | "failed_and_downstream" | "all";
  taskPath?: TaskPath | null;
  /** Only say which paths would run. */
  preview?: boolean;
  ref?: Ref;
}

/** Stop the run, or what of it is at taskPath and below; with undo what is finished is taken back. */
export interface CancelWorkflow {
  type: "cancelWorkflow";
  workflowId: Name;
  taskPath?: TaskPath | null;
  undo?: boolean;
  ref?: Ref;
}

/** Start no further task. */
export interface PauseWorkflow {
  type: "pauseWorkflow";
  workflowId: Name;
  ref?: Ref;
}

/** Start them again. */
export interface UnpauseWorkflow {
  type: "unpauseWorkflow";
  workflowId: Name;
  ref?: Ref;
}

/** Put the tasks at taskPath and below back to inactive. */
export interface ResetWorkflow {
  type: "resetWorkflow";
  workflowId: Name;
  taskPath?: TaskPath | null;
  ref?: Ref;
}

/** Remove the instance and all its records. */
export interface DestroyWorkflow {
  type: "destroyWorkflow";
  workflowId: Name;
  ref?: Ref;
}

/** Replace the context updaters that a finished task has recorded. */
export interface SetContextUpdaters {
  type: "setContextUpdaters";
  workflowId: Name;
  taskPath: TaskPath;
  /** Each as job.update_context takes it; checked on the server. */
  updaters: unknown[];
  ref?: Ref;
}

/** What a client may send. */
export type Request = WatchWorkflowInstance | UnwatchWorkflowInstance | SetWindow | SetVisibility | GetTask | GetTaskLogs | CreateWorkflowInstance | ExecuteTask | ExecuteAllTasks | ResumeWorkflow | CancelWorkflow | PauseWorkflow | UnpauseWorkflow | ResetWorkflow | DestroyWorkflow | SetContextUpdaters;

/** The first message of every connection. */
export interface Hello {
  type: "hello";
  version: number;
  /** The server's clock, milliseconds since 1970. */
  time: number;
}

/** The tree. Everything known of the instance's tasks before is void. */
export interface WorkflowDescription {
  type: "workflowDescription";
  /** The instance it is about. */
  id: string;
  tasks: TaskNode[];
  /** As in TaskNode, where the root block is folded. */
  total?: number;
  from?: number;
  /** More messages follow that belong to the same change; remember seq at the last one only. */
  more?: true;
}

/** The instance's header, whole on a watch, what changed later. */
export interface SetWorkflowStatus {
  type: "setWorkflowStatus";
  /** The instance it is about. */
  id: string;
  status: InstanceStatus;
  /** Number of the instance's last event that this message covers. */
  seq: number;
  workflow?: string;
  name?: string;
  run?: number;
  /** Milliseconds since 1970. */
  startedAt?: number | null;
  /** Milliseconds since 1970. */
  finishedAt?: number | null;
  error?: Failure | null;
  paused?: boolean;
  /** Paths of the run that were asked to stop; '#' is all of it. */
  cancelled?: string[];
  undo?: Undo;
  /** Share of the tasks that have ended. */
  progress?: number;
  /** More messages follow that belong to the same change; remember seq at the last one only. */
  more?: true;
}

/** Task views by path: all of them on a watch, what changed later. Where blocks are folded, 'counts' has all tasks of the instance by status. */
export interface SetTasksStatuses {
  type: "setTasksStatuses";
  /** The instance it is about. */
  id: string;
  statuses: Record<string, TaskView>;
  /** Number of the instance's last event that this message covers. */
  seq: number;
  counts?: Counts;
  /** Folded blocks by the path of their parent: their children by status. */
  blocks?: Record<string, Counts>;
  /** More messages follow that belong to the same change; remember seq at the last one only. */
  more?: true;
}

/** The window of a folded block, after setWindow: its children as of seq. */
export interface WorkflowBlock {
  type: "workflowBlock";
  /** The instance it is about. */
  id: string;
  taskPath: TaskPath;
  from: number;
  total: number;
  tasks: TaskNode[];
  statuses: Record<string, TaskView>;
  /** Number of the instance's last event that this message covers. */
  seq: number;
  ref?: Ref;
  /** More messages follow that belong to the same change; remember seq at the last one only. */
  more?: true;
}

/** Log lines. */
export interface TaskLog {
  type: "taskLog";
  /** The instance it is about. */
  id: string;
  taskPath: TaskPath;
  lines: string[];
  /** Index of the first line in the task's log. */
  from: number;
  /** Lines before it that were not sent, because the reader was slow. */
  dropped?: number;
  /** Number of the instance's last event that this message covers. */
  seq: number;
  /** More messages follow that belong to the same change; remember seq at the last one only. */
  more?: true;
}

/** To all watchers: the instance was asked for something it could not do. */
export interface ExecutionError {
  type: "executionError";
  /** The instance it is about. */
  id: string;
  error: {
    type: string;
    payload: {
      message?: string;
    };
  };
  /** Number of the instance's last event that this message covers. */
  seq?: number;
  /** More messages follow that belong to the same change; remember seq at the last one only. */
  more?: true;
}

/** The instance and its records are gone, the watch is over. */
export interface WorkflowDeleted {
  type: "workflowDeleted";
  /** The instance it is about. */
  id: string;
}

/** To the caller: why a request was refused, or a watch cannot be served for now. */
export interface AppError {
  type: "appError";
  error: Problem;
  /** The instance it is about. */
  id?: string;
  ref?: Ref;
}

/** A request with a ref did what it was to do. */
export interface Ack {
  type: "ack";
  ref: Ref;
  /** The instance it is about. */
  id?: string;
  /** Number of the instance's last event that this message covers. */
  seq?: number;
  run?: number | null;
  /** false: there was nothing to do. */
  changed?: boolean;
  /** Of a preview. */
  paths?: string[];
}

/** The answer to getTask. */
export interface TaskDetails {
  type: "taskDetails";
  /** The instance it is about. */
  id: string;
  taskPath: TaskPath;
  /** The task's view and, with 'view_payload', its argument, context, updaters and traceback. */
  task: {
    /** Any JSON value. */
    argument?: unknown;
    /** Any JSON value. */
    context?: unknown;
    updaters?: unknown[] | null;
    /** Any JSON value. */
    source?: unknown;
    traceback?: string | null;
    worker?: string | null;
    /** Any JSON value. */
    undoError?: unknown;
    /** A task it builds on that was executed after it. */
    stale?: string | null;
  };
  attempts: Attempt[];
  /** What was left out: fields, 'context.<name>', 'attempts', 'attempts.logs'; for their size, or because the value stood in another task's record that has changed since. */
  omitted?: string[];
  ref?: Ref;
}

/** The answer to getTaskLogs. */
export interface TaskLogs {
  type: "taskLogs";
  /** The instance it is about. */
  id: string;
  taskPath: TaskPath;
  from: number;
  lines: string[];
  /** Lines that the log has. */
  total: number;
  ref?: Ref;
}

/** An instance as of seq, in one object: the answer to GET instances/<id>/. */
export interface InstanceSnapshot {
  /** The instance it is about. */
  id: string;
  /** Number of the instance's last event that this message covers. */
  seq: number;
  workflow: string;
  name: string;
  status: InstanceStatus;
  run: number;
  /** Milliseconds since 1970. */
  startedAt: number | null;
  /** Milliseconds since 1970. */
  finishedAt: number | null;
  error: Failure | null;
  paused: boolean;
  /** Paths of the run that were asked to stop; '#' is all of it. */
  cancelled: string[];
  undo: Undo;
  /** Share of the tasks that have ended. */
  progress: number;
  counts: Counts;
  tasks: TaskNode[];
  statuses: Record<string, TaskView>;
}

/** What the server sends. */
export type Message = Hello | WorkflowDescription | SetWorkflowStatus | SetTasksStatuses | WorkflowBlock | TaskLog | ExecutionError | WorkflowDeleted | AppError | Ack | TaskDetails | TaskLogs;
