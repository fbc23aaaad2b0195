/**
 * The script of <jobs-flow-run>: all that `jobs-flow.js` has, and this element beside it.
 *
 * Where both are on a page, the first one's global `JobsFlow` counts: one client, one socket, one set of words.
 */

import "../global.js";
import { words } from "../words.js";
import { JobsFlowRun } from "./element.js";
import { page } from "./page.js";
import { runWords } from "./words.js";

export { JobsFlowRun } from "./element.js";
export { runWords } from "./words.js";

const shared = page().words as Record<string, unknown>;

if (shared !== words) {
  // This script's copy of the words says what the page's says, whenever it is asked.
  for (const name of Object.keys(words)) Object.defineProperty(words, name, { get: () => shared[name] });
}
shared["run"] ??= runWords;

if (!customElements.get("jobs-flow-run")) customElements.define("jobs-flow-run", JobsFlowRun);
