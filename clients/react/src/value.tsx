import { useMemo } from "react";

import { usePage } from "./provider.js";

/** Characters of a value that are shown; more would make the page slow. */
const SHOWN = 50_000;

/** A JSON value for people. */
export function Value({ value, omitted }: { value: unknown; omitted: boolean }) {
  const { words } = usePage();
  const text = useMemo(() => textOf(value), [value]);
  if (omitted) return <p className="jobs-flow-soft">{words.omitted}</p>;
  if (text === undefined) return <p className="jobs-flow-soft">{words.nothing}</p>;
  return (
    <>
      {/* Focusable, so that the keyboard can scroll it. */}
      <pre className="jobs-flow-value" tabIndex={0}>
        {text.slice(0, SHOWN)}
      </pre>
      {text.length > SHOWN && <p className="jobs-flow-soft">{words.cut}</p>}
    </>
  );
}

const textOf = (value: unknown): string | undefined => JSON.stringify(value, null, 2) as string | undefined;
