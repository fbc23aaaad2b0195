import { words } from "../words.js";
import { make } from "./dom.js";
/** Elements that say how many of `total` subtasks have which status. */
export const drawCounts = (counts, total) => {
    const present = Object.keys(words.task).reverse().filter((status) => counts[status]);
    const segments = present.map((status) => {
        const segment = make("span.segment", { "data-shown": status });
        segment.style.flexGrow = String(counts[status]);
        return segment;
    });
    const listed = present.map((status) => make("span.count", { "data-shown": status }, words.count(status, counts[status])));
    return [
        make("div.segments", { "aria-hidden": "true" }, ...segments),
        make("div.numbers", {}, make("span.count", {}, words.subtasks(total)), ...listed),
    ];
};
