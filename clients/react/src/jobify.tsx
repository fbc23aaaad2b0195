import type { JobOf, JobState, WorkflowName } from "@jobs-flow/client";
import { nameOf } from "@jobs-flow/client/shared";
import { useEffect, useRef, useState, type ReactNode } from "react";

import { useJob } from "./hooks.js";
import { markOf, outcomeOf, type Trouble } from "./outcome.js";
import { Progress } from "./progress.js";
import { useConnection, usePage } from "./provider.js";
import type { JobId, JobOptions } from "./store.js";

/** See `Jobify`. */
export interface JobifyProps<W extends WorkflowName | undefined = undefined> extends JobOptions {
  /** The job; null or undefined while there is none. */
  jobId: JobId;
  /** What is shown while the job is at work; `<Progress>` if left out. */
  progression?: ReactNode | ((state: JobOf<W>) => ReactNode);
  /** Your view or form: shown while there is no job, and again once it is done. It then gets the job's state. */
  component: ReactNode | ((state: JobOf<W> | null) => ReactNode);
  /** What is shown below the progression when the job has failed; null: nothing. `back` leads to the component. */
  failure?: ReactNode | ((error: Trouble, back: () => void, state: JobOf<W>) => ReactNode);
  /** Called once when a run is done, or is found to be. */
  onDone?: ((state: JobOf<W>) => void) | undefined;
  /** Called once when a run has failed, or is found to have. */
  onFailed?: ((error: Trouble, state: JobOf<W>) => void) | undefined;
  /** Called when the reader leaves a failed job. */
  onBack?: (() => void) | undefined;
  /** Keep showing the progression of a job that is done: for so many milliseconds after its end, or (true) for good. */
  keep?: boolean | number | undefined;
}

/**
 * Swaps a view for the progression of a job: nothing else on your page has to know of jobs.
 *
 * Without a job it shows `component`, with one `progression`, and `component` again when the job is done. A job that
 * fails, is cancelled or cannot be watched keeps its progression, with the error below it and a button that leads
 * back; a new run of the same job, or another job, shows the progression again. It adds no element of its own.
 */
export function Jobify<W extends WorkflowName | undefined = undefined>(props: JobifyProps<W>): ReactNode {
  const { jobId, progression, component, failure, onDone, onFailed, onBack, keep = false, ticket, logs, fold } = props;
  const { client, words } = usePage();
  const connection = useConnection();
  const seen = useJob(jobId, { ticket, logs, fold });
  /** The job when its run was told to be done. */
  const [well, setWell] = useState<JobState | null>(null);
  // No instance is kept for ever; the view that has the result of one stays as it is all the same.
  const state = seen?.status === "deleted" && well?.id === seen.id && well.run === seen.run ? well : seen;
  const outcome = state && outcomeOf(state, connection, words);
  const mark = state ? markOf(state, outcome) : "";
  /** The outcome that was left: by the reader, or because it has been shown for as long as it is kept. */
  const [left, setLeft] = useState("");

  const told = useRef("");
  useEffect(() => {
    if (!state || told.current === mark) return;
    told.current = mark;
    if (outcome?.done) setWell(state);
    if (outcome?.done) onDone?.(state as JobOf<W>);
    else if (outcome) onFailed?.(outcome.error, state as JobOf<W>);
  });

  const lingers = Boolean(outcome?.done) && typeof keep === "number" && left !== mark;
  const finishedAt = state?.finishedAt ?? 0;
  useEffect(() => {
    if (!lingers) return;
    const since = Math.max(0, Date.now() + client.clockOffset - finishedAt);
    const timer = setTimeout(() => setLeft(mark), Math.max(0, Number(keep) - since));
    return () => clearTimeout(timer);
  }, [client, lingers, keep, mark, finishedAt]);

  const done = Boolean(outcome?.done) && !lingers && keep !== true;
  if (!state || done || (outcome && !outcome.done && left === mark)) {
    return typeof component === "function" ? component(state as JobOf<W> | null) : component;
  }
  const shown =
    typeof progression === "function" ? progression(state as JobOf<W>) : (progression ?? <Progress state={state} error={false} />);
  if (!outcome || outcome.done) return shown;
  const back = () => {
    setLeft(mark);
    onBack?.();
  };
  return (
    <>
      {shown}
      {typeof failure === "function" ? failure(outcome.error, back, state as JobOf<W>) : failure}
      {failure === undefined && <Failed error={outcome.error} state={state} back={back} />}
    </>
  );
}

/** The error of a job, and a way back. */
function Failed({ error, state, back }: { error: Trouble; state: JobState; back: () => void }) {
  const { words } = usePage();
  return (
    <div className="jobs-flow-failure" role="alert">
      <p>
        {error.path && error.path !== "#" && state.status === "failed" && (
          <strong>{words.failed(nameOf(error.path))}: </strong>
        )}
        {error.message ?? words.instance.failed}
      </p>
      <button type="button" className="jobs-flow-button" onClick={back}>
        {words.back}
      </button>
    </div>
  );
}
