/** Defines <jobs-flow-progress>. */
import { JobsFlowProgress } from "./element.js";
export { JobsFlowProgress };
export { words } from "../words.js";
