/*! jobs-flow 0.1.0: the names of jobs-flow.js, for those who import them. MIT licence. Built from clients/js; do not edit. */
import "./jobs-flow.js";

export const { JobsFlowClient, JobsFlowError, JobsFlowProgress, backoff, eventSource, eventSourceWith, initialState, reduce, webSocket, words } = globalThis.JobsFlow;
