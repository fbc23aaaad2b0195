import { ROOT, type JobState } from "@jobs-flow/client";
import { doneText, LISTED, nameOf, request, runOffers, taskOffers, type Command, type Given, type Offer } from "@jobs-flow/client/shared";
import { useEffect, useId, useState } from "react";

import { Button, Confirm, Refusal } from "./confirm.js";
import { useAsking } from "./details.js";
import { useConnection, usePage } from "./provider.js";
import { parseJson } from "./values.js";

/** A command that has to be confirmed. */
interface Question {
  label: string;
  /** Of what resumes: the tasks that the server would run. */
  paths?: readonly string[];
}

/** Labels of commands that are given at once. */
const ONE_CLICK: ReadonlySet<string> = new Set(["run", "task", "pause", "unpause"]);
const RESUMES: ReadonlySet<string> = new Set(["resume", "from"]);

interface CommandsProps {
  state: JobState;
  /** The task, or "#". */
  path: string;
  allowed: ReadonlySet<Command>;
}

/**
 * What can be asked of a task, or of the whole. A button that makes no sense now stays where it is and says why; what
 * stops or takes away something has to be confirmed, and what resumes is shown first.
 */
export function Commands({ state, path, allowed }: CommandsProps) {
  const { client, words } = usePage();
  const connection = useConnection();
  const asking = useAsking();
  const [question, setQuestion] = useState<Question | null>(null);
  const [withUndo, setWithUndo] = useState(false);
  const [said, setSaid] = useState({ text: "", shown: false });
  /** The label of the button that was pressed in vain. */
  const [vain, setVain] = useState<string | null>(null);
  const [argument, setArgument] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);

  const whole = path === ROOT;
  const offers = whole
    ? runOffers(state, connection, allowed)
    : taskOffers(state, path, state.statuses[path]?.status, connection, allowed);
  const asked = question && offers.find(({ label, reason }) => label === question.label && !reason);
  // What somebody else has done meanwhile is not asked any more, nor again when it would make sense once more.
  const pointless = question !== null && !asked && !asking.busy;
  useEffect(() => {
    if (pointless) setQuestion(null);
  }, [pointless]);

  const send = async (offer: Offer, given: Given) => {
    const answer = await asking.ask(() => request(client, state.id, offer, given));
    if (!answer) return;
    const changed = answer.changed !== false;
    setQuestion(null);
    // That something has changed shows; that nothing has does not.
    setSaid({ text: doneText(words, offer, changed), shown: !changed });
  };

  const preview = async (label: string) => {
    const of = whole ? {} : { taskPath: path };
    const answer = await asking.ask(() => client.resume(state.id, { ...of, preview: true }));
    if (answer) setQuestion({ label, paths: answer.paths ?? [] });
  };

  const press = (offer: Offer) => {
    if (asking.busy) return;
    asking.forget();
    setSaid({ text: "", shown: false });
    setVain(offer.reason && offer.label);
    setWrong(null);
    setWithUndo(false);
    if (offer.reason) return;
    if (RESUMES.has(offer.label)) return preview(offer.label);
    if (!ONE_CLICK.has(offer.label)) return setQuestion({ label: offer.label });
    if (offer.command !== "task" || !argument.trim()) return send(offer, {});
    const { value, reason } = parseJson(argument);
    if (reason !== undefined) return setWrong(words.notJson(reason));
    return send(offer, { argument: value });
  };

  if (!offers.length || state.status === "deleted") return null;
  const reason = offers.find(({ label }) => label === vain)?.reason;
  const text = reason ? words.reasons[reason] : said.text;
  const nothing = question?.paths?.length === 0;
  return (
    <>
      <div className="jobs-flow-commands" role="group" aria-label={whole ? words.commandsOf : words.commandsOfTask(nameOf(path))}>
        {offers.map((offer) => (
          <Button
            // "Pause" that becomes "Unpause" is the same button, and keeps the focus.
            key={offer.command}
            disabled={asking.busy || offer.reason !== null}
            title={offer.reason ? words.reasons[offer.reason] : undefined}
            onClick={() => press(offer)}
          >
            {words.commands[offer.label] ?? offer.label}
          </Button>
        ))}
      </div>
      <p className={reason || said.shown ? "jobs-flow-soft" : "jobs-flow-said"} role="status">
        {text}
      </p>
      {question && asked ? (
        <Confirm
          key={question.label}
          asking={asking}
          label={question.label}
          yes={nothing ? null : () => send(asked, asked.label === "undo" || withUndo ? { undo: true } : {})}
          no={() => {
            asking.forget();
            setQuestion(null);
          }}
        >
          {question.label === "cancel" && (
            <label className="jobs-flow-choice">
              <input type="checkbox" checked={withUndo} onChange={(event) => setWithUndo(event.target.checked)} />
              {words.withUndo}
            </label>
          )}
          {question.paths && <Preview paths={question.paths} />}
        </Confirm>
      ) : (
        <Refusal asking={asking} />
      )}
      {!whole && allowed.has("task") && <Argument text={argument} change={setArgument} wrong={wrong} />}
    </>
  );
}

/** The tasks that would run. */
function Preview({ paths }: { paths: readonly string[] }) {
  const { words } = usePage();
  if (!paths.length) return <p>{words.nothingToRun}</p>;
  const listed = paths.slice(0, LISTED);
  const rest = paths.length - listed.length;
  return (
    <>
      <p>{words.preview(paths.length)}</p>
      <ul className="jobs-flow-paths" tabIndex={0}>
        {listed.map((path) => (
          <li key={path}>
            <code>{path}</code>
          </li>
        ))}
      </ul>
      {rest > 0 && <p className="jobs-flow-soft">{words.previewMore(rest)}</p>}
    </>
  );
}

interface ArgumentProps {
  text: string;
  change: (text: string) => void;
  /** Why it is none. */
  wrong: string | null;
}

/** The argument that a task is run with. */
function Argument({ text, change, wrong }: ArgumentProps) {
  const { words } = usePage();
  const name = useId();
  return (
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
          onChange={(event) => change(event.target.value)}
        />
        {wrong !== null && (
          <p className="jobs-flow-error" role="alert">
            {wrong}
          </p>
        )}
      </div>
    </details>
  );
}
