import type { Problem } from "./protocol.gen.js";

/** What a request was refused with; `code` is stable, the message is for people, `problem` is all that was said. */
export class JobsFlowError extends Error {
  readonly code: string;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.name = "JobsFlowError";
    this.code = problem.code;
    this.problem = problem;
  }
}

/** What the client itself refuses requests with; a page may put in other words. */
export const errors = {
  lost: { code: "CONNECTION_LOST", message: "The connection was lost before there was an answer." },
  windows: { code: "NEEDS_CONNECTION", message: "Other tasks of so many can be shown over a WebSocket only." },
  denied: { code: "NOT_AUTHENTICATED", message: "You are not signed in." },
};
