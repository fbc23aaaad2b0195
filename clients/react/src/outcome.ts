/** What has become of an instance, for those who wait for it. */
import type { Connection, Failure, JobState } from "@jobs-flow/client";

import type { Words } from "./words.js";

/** Why there is nothing more to wait for, and no result. `message` is absent for readers who may not see it. */
export type Trouble = Failure;

/** null while it goes on, or nothing is known. */
export type Outcome = { readonly done: true } | { readonly done: false; readonly error: Trouble } | null;

const DONE: Outcome = { done: true };
const failed = (error: Trouble): Outcome => ({ done: false, error });

/**
 * "done", or failed with a reason: the failure of the run, a cancellation, a start that was not possible, an
 * instance that does not exist or may not be seen. A lost connection is none of these: it comes back.
 */
export function outcomeOf(state: JobState, connection: Connection, words: Words): Outcome {
  if (state.status === "done") return DONE;
  if (state.status === "failed") return failed(state.error ?? { code: "EXECUTION_FAILED" });
  if (state.status === "cancelled") return failed(state.error ?? { code: "CANCELLED", message: words.cancelled });
  if (state.status === "inactive" && state.error) return failed(state.error);
  if (state.status === "deleted") return failed({ code: "INSTANCE_DELETED", message: words.deleted });
  if (state.missing) return failed(state.problem ?? { code: "INSTANCE_NOT_FOUND", message: words.missing });
  if (connection === "denied") return failed({ code: "NOT_AUTHENTICATED", message: words.signIn });
  return null;
}

/** Text that differs from outcome to outcome of an instance, so that each is told once. */
export const markOf = (state: JobState, outcome: Outcome): string =>
  outcome ? JSON.stringify([state.id, state.run, outcome.done || outcome.error.code]) : "";
