/** The classic script: the elements, and all names as the global `JobsFlow`. A second copy on a page does nothing. */
import { JobsFlowProgress } from "./progress/element.js";
import { words } from "./words.js";
import { backoff, JobsFlowClient, JobsFlowError, initialState, reduce, webSocket } from "./index.js";
import { eventSource, eventSourceWith } from "./sse.js";

const page = globalThis as { JobsFlow?: unknown };

if (!page.JobsFlow) {
  const names = { JobsFlowClient, JobsFlowError, JobsFlowProgress, backoff, eventSource, eventSourceWith, initialState, reduce, webSocket, words };
  page.JobsFlow = Object.freeze(names);
  if (!customElements.get("jobs-flow-progress")) customElements.define("jobs-flow-progress", JobsFlowProgress);
}
