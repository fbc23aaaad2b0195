/** The client core of jobs-flow: no dependency, no page needed. */
export { JobsFlowClient, DEFAULT_URL, VERSION } from "./client.js";
export { backoff } from "./connection.js";
export { errors, JobsFlowError } from "./errors.js";
export { duration, readable, shownStatus } from "./format.js";
export { ENDED, FINISHED, initialState, reduce, ROOT } from "./state.js";
export { webSocket } from "./transport.js";
export { areUpdaters } from "./updaters.js";
