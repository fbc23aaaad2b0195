import type { JobState } from "@jobs-flow/client";
import { useEffect, useRef, useState } from "react";

import { useAsking } from "./details.js";
import { Part } from "./part.js";
import { usePage } from "./provider.js";

/** Lines that are asked for at once. */
const LIMIT = 500;

interface Lines {
  readonly from: number;
  readonly lines: readonly string[];
}

const none: Lines = { from: 0, lines: [] };

/** The log of a task: the lines that come live, and earlier ones on request. */
export function Logs({ state, path }: { state: JobState; path: string }) {
  const { client, words } = usePage();
  const { busy, problem, ask } = useAsking();
  const [earlier, setEarlier] = useState<Lines | null>(null);
  const count = state.statuses[path]?.logCount ?? 0;
  const live: Lines = state.logs[path] ?? { from: count, lines: [] };
  // A run that begins anew empties the log: what was fetched before is of an old one.
  const fetched = earlier && earlier.from + earlier.lines.length === live.from ? earlier : none;
  const all = [...fetched.lines, ...live.lines];
  const first = fetched.lines.length ? fetched.from : live.from;
  const list = useRef<HTMLOListElement>(null);
  const length = live.from + live.lines.length;

  // Follows the end, unless the reader has scrolled away from it.
  const follows = useRef(true);
  useEffect(() => {
    if (list.current && follows.current) list.current.scrollTop = list.current.scrollHeight;
  }, [length]);

  const more = async () => {
    const from = Math.max(0, first - LIMIT);
    const answer = await ask(() => client.getLogs(state.id, path, { from, limit: first - from }));
    if (!answer) return;
    setEarlier({ from: answer.from, lines: [...answer.lines, ...fetched.lines].slice(0, live.from - answer.from) });
  };

  if (!all.length && !first) return null;
  return (
    <Part title={words.log}>
      {first > 0 && (
        <button type="button" className="jobs-flow-link" disabled={busy} onClick={more}>
          {words.earlierLines(Math.min(first, LIMIT))}
        </button>
      )}
      {problem && (
        <p className="jobs-flow-error" role="alert">
          {problem.message}
        </p>
      )}
      {all.length > 0 && (
        <ol
          ref={list}
          className="jobs-flow-lines"
          aria-label={words.log}
          tabIndex={0}
          onScroll={({ currentTarget: at }) => {
            follows.current = at.scrollHeight - at.scrollTop - at.clientHeight < 8;
          }}
        >
          {all.map((line, index) => (
            <li key={first + index}>{line}</li>
          ))}
        </ol>
      )}
    </Part>
  );
}
