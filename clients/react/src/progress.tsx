import { type JobState } from "@jobs-flow/client";
import { endedOf, nameOf, titleOf } from "@jobs-flow/client/shared";
import { useMemo, type ReactNode } from "react";

import { Bar } from "./bar.js";
import { statusOf, troubleOf, walk } from "./format.js";
import { useJob } from "./hooks.js";
import { useConnection, usePage } from "./provider.js";
import type { AnyJob, JobId, JobOptions } from "./store.js";

interface Looks {
  /** Shown above the bar; the instance's name if left out. */
  label?: string | undefined;
  /** How many of the last log lines are shown, 6 if left out; 0: none. */
  lines?: number | undefined;
  /** Whether the error of a run that has failed is shown; true if left out. */
  error?: boolean | undefined;
}

/** See `Progress`: a state that you have, or an id to watch. */
export type ProgressProps = Looks &
  (
    | { state: AnyJob; jobId?: never }
    | ({ jobId: JobId; state?: never } & Pick<JobOptions, "ticket" | "logs" | "fold">)
  );

/** The progress of a job: its name and status, a bar, how many tasks have ended, what runs, the last log lines. */
export function Progress(props: ProgressProps): ReactNode {
  const { label, lines, error } = props;
  const looks = { label, lines, error };
  if (props.state) return <Shown state={props.state as JobState} {...looks} />;
  const { jobId, ticket, logs, fold } = props as Extract<ProgressProps, { state?: never }>;
  return <Watched jobId={jobId} options={{ ticket, logs, fold }} looks={looks} />;
}

function Watched({ jobId, options, looks }: { jobId: JobId; options: JobOptions; looks: Looks }) {
  const state = useJob(jobId, options);
  return state && <Shown state={state} {...looks} />;
}

function Shown({ state, label, lines = 6, error = true }: Looks & { state: JobState }) {
  const { words } = usePage();
  const connection = useConnection();
  const title = label ?? titleOf(state, words);
  const trouble = troubleOf(state, connection, words);
  // What is not known is not loading either, where somebody has to sign in first.
  const status = trouble && state.status === null ? "" : statusOf(state, words);
  const ended = endedOf(state.counts);
  const counted = state.total ? words.ended(ended, state.total) : "";
  const running = state.status === "working" ? runningOf(state) : [];
  const known = state.status !== null && !state.missing;
  // By quarters: a screen reader that says each task of a thousand says nothing else.
  const quarter = Math.floor(state.progress * 4) * 25;
  return (
    <div className="jobs-flow-progress" data-status={state.status ?? "unknown"} data-color={state.color}>
      <div className="jobs-flow-head">
        <span className="jobs-flow-title">{title}</span>
        {connection === "reconnecting" && <span className="jobs-flow-connection">{words.connection["reconnecting"]}</span>}
        <span className="jobs-flow-status">{status}</span>
      </div>
      <Bar
        value={known ? state.progress : null}
        color={state.color}
        label={title}
        text={counted ? `${status}, ${counted}` : status}
      />
      <div className="jobs-flow-summary">
        <span>{counted}</span>
        <span className="jobs-flow-running">{running.join(", ")}</span>
      </div>
      {error && state.error?.message && state.status !== "working" && (
        <p className="jobs-flow-error">{state.error.message}</p>
      )}
      {trouble && <p className="jobs-flow-trouble">{trouble}</p>}
      {lines > 0 && <Lines state={state} lines={lines} />}
      <span className="jobs-flow-said" role="status">
        {trouble ? `${title}: ${trouble}` : known && `${title}: ${status}${state.status === "working" ? `, ${quarter} %` : ""}`}
      </span>
    </div>
  );
}

/** What the tasks at work say of themselves, three of them at most. */
const runningOf = (state: JobState): string[] => {
  const said: string[] = [];
  for (const { name, path } of walk(state.tasks)) {
    const view = state.statuses[path];
    if (view?.status !== "running") continue;
    if (said.length === 3) return [...said, "…"];
    said.push(name + (view.progressText ? ` (${view.progressText})` : ""));
  }
  return said;
};

function Lines({ state, lines }: { state: JobState; lines: number }) {
  const { words } = usePage();
  const last = useMemo(() => lastLines(state, lines), [state.logs, state.statuses, lines]);
  if (!last.length) return null;
  return (
    <ol className="jobs-flow-lines" aria-label={words.log}>
      {last.map(({ key, name, line }) => (
        <li key={key}>
          <span className="jobs-flow-from">{name}</span> {line}
        </li>
      ))}
    </ol>
  );
}

/** The last lines: those of the task that started last at the end. */
const lastLines = (state: JobState, count: number) => {
  const started = (path: string) => state.statuses[path]?.executionTime ?? 0;
  const paths = Object.keys(state.logs).sort((a, b) => started(a) - started(b) || (a < b ? -1 : 1));
  const found: { key: string; name: string; line: string }[] = [];
  for (const path of paths.reverse()) {
    const log = state.logs[path];
    for (let index = (log?.lines.length ?? 0) - 1; log && index >= 0 && found.length < count; index--) {
      found.push({ key: `${path} ${log.from + index}`, name: nameOf(path), line: log.lines[index] ?? "" });
    }
    if (found.length >= count) break;
  }
  return found.reverse();
};
