import { duration, ROOT, type JobState, type TaskView } from "@jobs-flow/client";
import { titleOf } from "@jobs-flow/client/shared";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

import { statusOf, taskStatusOf, troubleOf } from "./format.js";
import { useJob } from "./hooks.js";
import { Panel } from "./panel.js";
import { useConnection, usePage } from "./provider.js";
import type { JobId, JobOptions } from "./store.js";
import { moveOf, rowsOf, type Row } from "./tree.js";

/** See `Workflow`. */
export interface WorkflowProps extends JobOptions {
  jobId: JobId;
  /** The path that is selected; with `onSelect` it is yours to keep. "#" is the whole. */
  selected?: string | undefined;
  onSelect?: ((path: string) => void) | undefined;
  /** What stands beside the tree; `<Panel>` if left out, null: nothing. */
  panel?: ReactNode | ((path: string, state: JobState) => ReactNode);
}

/**
 * The tasks of an instance as a tree, each with its status, and beside it the panel of the one that is selected.
 *
 * Nested tasks are selectable; arrow keys, Home, End and letters move, as in every tree. Blocks of more than 100
 * tasks (`fold`) are shown a window at a time.
 */
export function Workflow({ jobId, selected, onSelect, panel, ticket, logs, fold = 100 }: WorkflowProps): ReactNode {
  const options = { ticket, logs, fold };
  const state = useJob(jobId, options);
  const { words } = usePage();
  const connection = useConnection();
  const [own, setOwn] = useState(ROOT);
  if (!state) return null;
  const trouble = troubleOf(state, connection, words);
  const path = selected ?? own;
  const select = (chosen: string) => {
    setOwn(chosen);
    onSelect?.(chosen);
  };
  return (
    <div className="jobs-flow-workflow" data-status={state.status ?? "unknown"}>
      {trouble && (
        <p className="jobs-flow-trouble" role="alert">
          {trouble}
        </p>
      )}
      <Tree state={state} selected={path} select={select} />
      {typeof panel === "function" ? panel(path, state) : panel}
      {panel === undefined && <Panel jobId={jobId} path={path} {...options} />}
    </div>
  );
}

interface TreeProps {
  state: JobState;
  selected: string;
  select: (path: string) => void;
}

function Tree({ state, selected, select }: TreeProps) {
  const { client, words } = usePage();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => rowsOf(state, closed), [state.tasks, state.window, closed]);
  /** The row that Tab leads to. */
  const [focused, setFocused] = useState(selected);
  const current = (rows.find((row) => row.key === focused) ?? rows.find((row) => row.key === selected) ?? rows[0])?.key;
  const element = useRef<HTMLUListElement>(null);
  const moving = useRef(false);

  useEffect(() => {
    if (!moving.current) return;
    moving.current = false;
    element.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
  });

  const toggle = (path: string, open: boolean) =>
    setClosed((before) => {
      const next = new Set(before);
      if (open) next.delete(path);
      else next.add(path);
      return next;
    });

  const activate = (row: Row) => {
    setFocused(row.key);
    if (row.kind === "task") return select(row.path);
    // A refusal shows in the panel's own requests as well; here nothing changes then.
    client.setWindow(state.id, row.path, row.from)?.catch?.(() => {});
  };

  const press = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey || current === undefined) return;
    const row = rows.find(({ key }) => key === current);
    if (row && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      return activate(row);
    }
    const move = moveOf(event.key, rows, current);
    if (!move) return;
    event.preventDefault();
    if ("toggle" in move) return toggle(move.toggle, move.open);
    moving.current = true;
    setFocused(move.to);
  };

  return (
    <ul ref={element} className="jobs-flow-tree" role="tree" aria-label={words.tasks} onKeyDown={press}>
      {rows.map((row) => (
        <li
          key={row.key}
          className="jobs-flow-row"
          role="treeitem"
          aria-level={row.level}
          aria-posinset={row.position}
          aria-setsize={row.size}
          aria-selected={row.kind === "task" && row.path === selected}
          aria-expanded={row.kind === "task" && row.open !== null ? row.open : undefined}
          tabIndex={row.key === current ? 0 : -1}
          style={{ paddingInlineStart: `${0.5 + (row.level - 1) * 1.1}rem` }}
          data-status={row.kind === "task" ? shown(row, state) : undefined}
          onClick={() => activate(row)}
        >
          {row.kind === "task" && row.open !== null && (
            <span
              className="jobs-flow-twist"
              aria-hidden="true"
              onClick={(event) => {
                event.stopPropagation();
                toggle(row.path, !row.open);
              }}
            />
          )}
          {row.kind === "page" ? (
            <span className="jobs-flow-more">{words.page(row.from + 1, row.to, row.total)}</span>
          ) : (
            <Label row={row} state={state} />
          )}
        </li>
      ))}
    </ul>
  );
}

const shown = (row: Extract<Row, { kind: "task" }>, state: JobState) =>
  row.node ? (state.statuses[row.path]?.status ?? "inactive") : (state.status ?? "unknown");

function Label({ row, state }: { row: Extract<Row, { kind: "task" }>; state: JobState }) {
  const { words } = usePage();
  if (!row.node) {
    return (
      <>
        <span className="jobs-flow-name">{titleOf(state, words)}</span>
        <span className="jobs-flow-status">{statusOf(state, words)}</span>
      </>
    );
  }
  const view = state.statuses[row.path];
  return (
    <>
      <span className="jobs-flow-name" title={row.node.description || undefined}>
        {row.node.name}
      </span>
      <span className="jobs-flow-status">{taskStatusOf(state, row.path, words)}</span>
      <span className="jobs-flow-time">{timeOf(view)}</span>
    </>
  );
}

const timeOf = (view: TaskView | undefined): string => {
  if (view?.status === "running" && view.progress) return `${Math.round(view.progress * 100)} %`;
  return view?.duration === undefined || view.duration === null ? "" : duration(view.duration);
};
