import { duration, ROOT, type Failure, type JobState, type TaskDetails, type TaskView } from "@jobs-flow/client";
import { COMMANDS, nameOf, titleOf, USUAL, type Command } from "@jobs-flow/client/shared";
import { useId, type ReactNode } from "react";

import { Commands } from "./commands.js";
import { useDetails } from "./details.js";
import { statusOf, taskStatusOf } from "./format.js";
import { useJob } from "./hooks.js";
import { Logs } from "./logs.js";
import { Part } from "./part.js";
import { usePage } from "./provider.js";
import type { JobId, JobOptions } from "./store.js";
import { Updaters } from "./updaters.js";
import { Value } from "./value.js";

/** See `Panel`. */
export interface PanelProps extends JobOptions {
  jobId: JobId;
  /** Of the task; "#" is the whole. */
  path: string;
  /**
   * Whether there are buttons, or those of which commands: `true` for all. Left out: all but "destroy", which cannot be
   * taken back, and none for a reader with a ticket. Who may give them is the server's to say.
   */
  commands?: boolean | readonly Command[] | undefined;
}

/**
 * What is recorded of a task: status, times, result, error, argument, context, log; and what can be done with it: run
 * it, resume from it, cancel or reset it, edit its context updaters. Of the whole: run, resume, pause, cancel, undo,
 * reset, and destroy where `commands` says so.
 *
 * What the reader may not see the server does not send; what is refused is said where it was asked for.
 */
export function Panel({ jobId, path, ticket, commands = ticket ? false : USUAL, logs, fold }: PanelProps): ReactNode {
  const state = useJob(jobId, { ticket, logs, fold });
  if (!state || state.status === null) return null;
  const allowed: ReadonlySet<Command> = new Set(commands === true ? COMMANDS : commands || []);
  // The key: what was typed or asked for one task is not of another one.
  return path === ROOT ? (
    <Whole key={state.id} state={state} allowed={allowed} />
  ) : (
    <One key={`${state.id} ${path}`} state={state} path={path} allowed={allowed} />
  );
}

interface FrameProps {
  title: string;
  status: string;
  shown: string;
  children: ReactNode;
}

function Frame({ title, status, shown, children }: FrameProps) {
  const id = useId();
  return (
    <section className="jobs-flow-panel" aria-labelledby={id} data-status={shown} tabIndex={-1}>
      <div className="jobs-flow-head">
        <h3 className="jobs-flow-title" id={id}>
          {title}
        </h3>
        <span className="jobs-flow-status">{status}</span>
      </div>
      {children}
    </section>
  );
}

function Whole({ state, allowed }: { state: JobState; allowed: ReadonlySet<Command> }) {
  const { words } = usePage();
  const took = state.startedAt && state.finishedAt ? state.finishedAt - state.startedAt : null;
  return (
    <Frame title={titleOf(state, words)} status={statusOf(state, words)} shown={state.status ?? "unknown"}>
      <Commands state={state} path={ROOT} allowed={allowed} />
      <Facts started={state.startedAt} took={took} />
      {state.error && <Error error={state.error} />}
      {state.notice && <p className="jobs-flow-error">{state.notice.message}</p>}
    </Frame>
  );
}

function One({ state, path, allowed }: { state: JobState; path: string; allowed: ReadonlySet<Command> }) {
  const { client, words } = usePage();
  const view = state.statuses[path];
  const { details, problem, refresh } = useDetails(client, state.id, path, view);
  const status = view?.status ?? "inactive";
  const task = details?.task as (TaskDetails["task"] & TaskView) | undefined;
  const error = task?.error ?? view?.error;
  const has = (name: string) => Boolean(task && (name in task || details?.omitted?.includes(name)));
  const value = (name: "argument" | "context" | "body") => (
    <Value value={task?.[name]} omitted={Boolean(details?.omitted?.includes(name))} />
  );
  return (
    <Frame title={nameOf(path)} status={taskStatusOf(state, path, words)} shown={status}>
      <Commands state={state} path={path} allowed={allowed} />
      <Facts
        started={view?.executionTime ?? null}
        took={view?.duration ?? null}
        attempt={(view?.attempt ?? 1) > 1 ? view?.attempt : undefined}
      />
      {task?.stale && <p className="jobs-flow-warning">{`${words.facts["stale"]}: ${words.stale(task.stale)}`}</p>}
      {error && <Error error={error} traceback={task?.traceback} />}
      {problem && (
        <p className="jobs-flow-error" role="alert">
          {problem.message}
        </p>
      )}
      {status !== "inactive" && has("body") && <Part title={words.result}>{value("body")}</Part>}
      <Logs state={state} path={path} />
      {has("argument") && <Part title={words.argument} open={false}>{value("argument")}</Part>}
      {has("context") && <Part title={words.context} open={false}>{value("context")}</Part>}
      {allowed.has("update") && status === "ok" && task && "updaters" in task && (
        <Updaters key={JSON.stringify(task.updaters)} id={state.id} path={path} recorded={task.updaters ?? []} saved={refresh} />
      )}
    </Frame>
  );
}

interface FactsProps {
  started: number | null;
  took: number | null;
  attempt?: number | null | undefined;
}

function Facts({ started, took, attempt }: FactsProps) {
  const { words } = usePage();
  if (started === null && took === null && !attempt) return null;
  return (
    <dl className="jobs-flow-facts">
      {started !== null && (
        <div>
          <dt>{words.facts["started"]}</dt>
          <dd>
            <time dateTime={new Date(started).toISOString()}>{new Date(started).toLocaleString()}</time>
          </dd>
        </div>
      )}
      {took !== null && (
        <div>
          <dt>{words.facts["took"]}</dt>
          <dd>{duration(took)}</dd>
        </div>
      )}
      {attempt && (
        <div>
          <dt>{words.facts["attempt"]}</dt>
          <dd>{attempt}</dd>
        </div>
      )}
    </dl>
  );
}

function Error({ error, traceback }: { error: Failure; traceback?: string | null | undefined }) {
  const { words } = usePage();
  return (
    <Part title={words.error}>
      <p className="jobs-flow-error">
        {error.path && error.path !== ROOT && <strong>{nameOf(error.path)}: </strong>}
        {error.message ?? error.code}
      </p>
      {traceback && (
        <Part title={words.traceback} open={false}>
          <pre className="jobs-flow-value" tabIndex={0}>
            {traceback}
          </pre>
        </Part>
      )}
    </Part>
  );
}
