import { JobsFlowError, type JobsFlowClient, type Problem, type TaskDetails, type TaskView } from "@jobs-flow/client";
import { useCallback, useEffect, useRef, useState } from "react";

import { useConnection } from "./provider.js";

/** What went wrong with a request, as the server says it. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof JobsFlowError) return { code: error.code, message: error.message };
  return { code: "UNEXPECTED", message: error instanceof Error ? error.message : String(error) };
};

/** What is known of a task beyond its view. */
export interface Known {
  readonly details: TaskDetails | null;
  readonly problem: Problem | null;
  /** Ask again. */
  readonly refresh: () => void;
}

/** What changes with it is worth asking for again; progress is not. */
const markOf = (view: TaskView | undefined): string =>
  JSON.stringify([view?.status, view?.run, view?.attempt, view?.finishedAt, view?.bodySize, view?.undo]);

/** Everything recorded of a task; asked for again whenever its status changes. Answers that come late are dropped. */
export function useDetails(client: JobsFlowClient, id: string, path: string, view: TaskView | undefined): Known {
  const [known, setKnown] = useState<{ of: string } & Omit<Known, "refresh">>({ of: "", details: null, problem: null });
  const [asked, setAsked] = useState(0);
  const of = JSON.stringify([id, path]);
  const mark = markOf(view);
  const open = useConnection() === "open";
  const there = view !== undefined;
  useEffect(() => {
    if (!there) return;
    let current = true;
    client.getTask(id, path).then(
      (details) => current && setKnown({ of, details, problem: null }),
      (error: unknown) => current && setKnown({ of, details: null, problem: problemOf(error) }),
    );
    return () => {
      current = false;
    };
  }, [client, id, path, of, mark, there, asked]);
  const refresh = useCallback(() => setAsked((count) => count + 1), []);
  // What could not be had, for want of a connection perhaps, is asked for again when there is one.
  const failed = useRef(false);
  useEffect(() => {
    failed.current = known.of === of && known.problem !== null;
  });
  useEffect(() => {
    if (open && failed.current) refresh();
  }, [open, refresh]);
  const own = known.of === of;
  return { details: own ? known.details : null, problem: own ? known.problem : null, refresh };
}

/** A request under way, or what came of it. */
export interface Asking {
  readonly busy: boolean;
  readonly problem: Problem | null;
  /** Send a request; gives its answer, or null when it was refused. */
  readonly ask: <T>(request: () => Promise<T>) => Promise<T | null>;
  /** Say no more of the problem. */
  readonly forget: () => void;
}

/** One request at a time, and the problem of the last one until the next, or until it is forgotten. */
export function useAsking(): Asking {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const there = useRef(true);
  useEffect(() => {
    there.current = true;
    return () => {
      there.current = false;
    };
  }, []);
  const ask = useCallback(async <T>(request: () => Promise<T>): Promise<T | null> => {
    setBusy(true);
    setProblem(null);
    try {
      return await request();
    } catch (error) {
      if (there.current) setProblem(problemOf(error));
      return null;
    } finally {
      if (there.current) setBusy(false);
    }
  }, []);
  const forget = useCallback(() => setProblem(null), []);
  return { busy, problem, ask, forget };
}
