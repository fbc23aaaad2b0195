/** The client core of jobs-flow: no dependency, no page needed. */
export { JobsFlowClient, DEFAULT_URL, VERSION, type ClientOptions } from "./client.js";
export { backoff, type ConnectionState, type ConnectionState as Connection } from "./connection.js";
export { errors, JobsFlowError } from "./errors.js";
export { duration, readable, shownStatus } from "./format.js";
export type { KnownLines } from "./lines.js";
export { ENDED, FINISHED, initialState, reduce, ROOT, type Color, type JobState } from "./state.js";
export { webSocket, type Channel, type Hooks, type Transport } from "./transport.js";
export { areUpdaters } from "./updaters.js";
export type { Listener, WatchOptions } from "./watch.js";
export type * from "./workflows.js";
export type * from "./protocol.gen.js";
