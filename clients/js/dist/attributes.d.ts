/** What the attributes say that all elements have. */
import type { JobsFlowClient } from "./client.js";
/** The client that `url` and `transport` of an element ask for, of those that the page shares. */
export declare const clientOf: (element: Element, shared: Pick<typeof JobsFlowClient, "for">) => JobsFlowClient;
