/** What the page has from whichever script came first. */

import { JobsFlowClient } from "../client.js";
import { words } from "../words.js";

/** The part of the global `JobsFlow` that the element uses. */
export interface Page {
  JobsFlowClient: typeof JobsFlowClient;
  words: object;
}

/** The global, or the names of this script where it is not there. */
export const page = (): Page => (globalThis as { JobsFlow?: Page }).JobsFlow ?? { JobsFlowClient, words };
