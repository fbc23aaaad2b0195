// The same as jobs-flow.js, for those who import it as a module.
import "./jobs-flow.js";

export const { JobsFlowClient, JobsFlowError, JobsFlowProgress, initialState, reduce, words } = globalThis.JobsFlow;
