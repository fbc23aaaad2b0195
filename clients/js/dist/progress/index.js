/** Defines <jobs-flow-progress>. */
import { JobsFlowProgress } from "./element.js";
if (!customElements.get("jobs-flow-progress"))
    customElements.define("jobs-flow-progress", JobsFlowProgress);
export { JobsFlowProgress };
export { words } from "../words.js";
