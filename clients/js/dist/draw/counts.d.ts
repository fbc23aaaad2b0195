/** Many tasks as a bar of segments and numbers. */
import type { Counts } from "../protocol.gen.js";
/** Elements that say how many of `total` subtasks have which status. */
export declare const drawCounts: (counts: Counts, total: number) => [segments: HTMLElement, numbers: HTMLElement];
