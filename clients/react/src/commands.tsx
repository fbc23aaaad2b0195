import type { Ack, JobState } from "@jobs-flow/client";
import { useEffect, useId, useRef, useState, type ReactNode } from "react";

import { useAsking, type Asking } from "./details.js";
import { usePage } from "./provider.js";
import { parseJson } from "./values.js";

interface ButtonProps {
  asking: Asking;
  disabled?: boolean;
  onClick: () => unknown;
  children: ReactNode;
}

function Button({ asking, disabled = false, onClick, children }: ButtonProps) {
  const unusable = asking.busy || disabled;
  // Not `disabled`, which would take the keyboard's focus away.
  return (
    <button type="button" className="jobs-flow-button" aria-disabled={unusable} onClick={unusable ? undefined : onClick}>
      {children}
    </button>
  );
}

function Said({ asking }: { asking: Asking }) {
  if (!asking.problem) return null;
  return (
    <p className="jobs-flow-error" role="alert">
      {asking.problem.message}
    </p>
  );
}

interface ConfirmProps {
  asking: Asking;
  question: string;
  /** null: there is nothing to do. */
  yes: (() => unknown) | null;
  no: () => void;
  children?: ReactNode;
}

/** What is asked before something is done, and the two answers. */
function Confirm({ asking, question, yes, no, children }: ConfirmProps) {
  const { words } = usePage();
  const element = useRef<HTMLDivElement>(null);
  const id = useId();
  // The keyboard goes to the question, and back to where it came from.
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.focus();
    return () => before?.focus();
  }, []);
  return (
    <div className="jobs-flow-confirm" role="group" aria-labelledby={id} tabIndex={-1} ref={element}>
      <p id={id}>{question}</p>
      {children}
      <div className="jobs-flow-commands">
        {yes && (
          <Button asking={asking} onClick={yes}>
            {words.confirm}
          </Button>
        )}
        <Button asking={asking} onClick={no}>
          {words.never}
        </Button>
      </div>
    </div>
  );
}

/** A resume that has to be confirmed: first the server says which tasks it would run. */
function useResume(state: JobState, asking: Asking, taskPath?: string) {
  const { client, words } = usePage();
  const [paths, setPaths] = useState<readonly string[] | null>(null);
  const preview = async () => {
    const answer: Ack | null = await asking.ask(() => client.resume(state.id, { taskPath, preview: true }));
    setPaths(answer ? (answer.paths ?? []) : null);
  };
  const resume = async () => {
    await asking.ask(() => client.resume(state.id, { taskPath }));
    setPaths(null);
  };
  const question = paths && (
    <Confirm
      asking={asking}
      question={paths.length ? words.wouldRun(paths.length) : words.nothingToRun}
      yes={paths.length ? resume : null}
      no={() => setPaths(null)}
    >
      {paths.length > 0 && (
        <ul className="jobs-flow-paths" tabIndex={0}>
          {paths.map((path) => (
            <li key={path}>
              <code>{path}</code>
            </li>
          ))}
        </ul>
      )}
    </Confirm>
  );
  return { preview, question };
}

const isWorking = ({ status }: JobState) => status === "working";
const isGone = ({ status }: JobState) => status === "deleted";

/** Run one task, with an argument or without; resume from it. */
export function TaskCommands({ state, path }: { state: JobState; path: string }) {
  const { client, words } = usePage();
  const asking = useAsking();
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const { preview, question } = useResume(state, asking, path);
  const name = useId();

  const run = () => {
    setWrong(null);
    if (!text.trim()) return asking.ask(() => client.execute(state.id, path));
    const { value, reason } = parseJson(text);
    if (reason !== undefined) return setWrong(words.notJson(reason));
    return asking.ask(() => client.execute(state.id, path, value));
  };

  const idle = !isWorking(state) && !isGone(state);
  return (
    <>
      <div className="jobs-flow-commands">
        <Button asking={asking} disabled={!idle} onClick={run}>
          {words.run}
        </Button>
        <Button asking={asking} disabled={!idle} onClick={preview}>
          {words.resumeHere}
        </Button>
      </div>
      <Said asking={asking} />
      {question}
      <details className="jobs-flow-part">
        <summary>{words.giveArgument}</summary>
        <div className="jobs-flow-field">
          <label htmlFor={name}>{words.argumentHelp}</label>
          <textarea
            id={name}
            rows={2}
            spellCheck={false}
            value={text}
            aria-invalid={wrong !== null}
            onChange={(event) => setText(event.target.value)}
          />
          {wrong !== null && (
            <p className="jobs-flow-error" role="alert">
              {wrong}
            </p>
          )}
        </div>
      </details>
    </>
  );
}

/** Run or resume the whole, pause it, cancel it. */
export function WholeCommands({ state }: { state: JobState }) {
  const { client, words } = usePage();
  const asking = useAsking();
  const [cancelling, setCancelling] = useState(false);
  const { preview, question } = useResume(state, asking);
  const { id } = state;
  const cancel = async () => {
    await asking.ask(() => client.cancel(id));
    setCancelling(false);
  };
  if (isGone(state)) return null;
  return (
    <>
      <div className="jobs-flow-commands">
        {isWorking(state) ? (
          <>
            <Button asking={asking} onClick={() => asking.ask(() => (state.paused ? client.unpause(id) : client.pause(id)))}>
              {state.paused ? words.unpause : words.pause}
            </Button>
            <Button asking={asking} onClick={() => setCancelling(true)}>
              {words.cancel}
            </Button>
          </>
        ) : (
          <>
            <Button asking={asking} onClick={() => asking.ask(() => client.executeAll(id))}>
              {words.runAll}
            </Button>
            <Button asking={asking} disabled={state.status === "inactive"} onClick={preview}>
              {words.resume}
            </Button>
          </>
        )}
      </div>
      <Said asking={asking} />
      {isWorking(state) ? null : question}
      {cancelling && isWorking(state) && (
        <Confirm asking={asking} question={`${words.cancel}?`} yes={cancel} no={() => setCancelling(false)} />
      )}
    </>
  );
}
