import { areUpdaters } from "@jobs-flow/client";
import { useId, useState } from "react";

import { useAsking } from "./details.js";
import { Part } from "./part.js";
import { usePage } from "./provider.js";
import { parseJson } from "./values.js";

interface UpdatersProps {
  id: string;
  path: string;
  /** What the task has recorded. */
  recorded: readonly unknown[];
  /** Called once others are recorded. */
  saved: () => void;
}

/** An editor for the context updaters that a finished task has recorded; later tasks see what they make of the context. */
export function Updaters({ id, path, recorded, saved }: UpdatersProps) {
  const { client, words } = usePage();
  const { busy, problem, ask } = useAsking();
  const original = JSON.stringify(recorded, null, 2);
  const [text, setText] = useState(original);
  const [wrong, setWrong] = useState<string | null>(null);
  const name = useId();

  const save = async () => {
    const { value, reason } = parseJson(text);
    if (reason !== undefined) return setWrong(words.notJson(reason));
    if (!areUpdaters(value)) return setWrong(words.notList);
    setWrong(null);
    if (await ask(() => client.setContextUpdaters(id, path, value))) saved();
  };

  const said = wrong ?? problem?.message;
  return (
    <Part title={words.updaters} open={recorded.length > 0}>
      <div className="jobs-flow-field">
        <label htmlFor={name}>{words.updatersHelp}</label>
        <textarea
          id={name}
          rows={Math.min(12, text.split("\n").length + 1)}
          spellCheck={false}
          value={text}
          aria-invalid={said !== undefined}
          aria-describedby={said === undefined ? undefined : `${name}-error`}
          onChange={(event) => setText(event.target.value)}
        />
        {said !== undefined && (
          <p className="jobs-flow-error" id={`${name}-error`} role="alert">
            {said}
          </p>
        )}
      </div>
      <div className="jobs-flow-commands">
        <button type="button" className="jobs-flow-button" disabled={busy || text === original} onClick={save}>
          {words.save}
        </button>
        <button
          type="button"
          className="jobs-flow-button"
          disabled={busy || text === original}
          onClick={() => {
            setText(original);
            setWrong(null);
          }}
        >
          {words.discard}
        </button>
      </div>
    </Part>
  );
}
