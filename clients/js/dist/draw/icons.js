/** Drawings in a box of 16 by 16. Every status has a shape of its own, so that none depends on colour. */
const SVG = "http://www.w3.org/2000/svg";
const ring = (name = "ring") => ["circle", { cx: 8, cy: 8, r: 6, class: name }];
const DISC = ["circle", { cx: 8, cy: 8, r: 7, class: "full" }];
const INACTIVE = [ring("dashed")];
const RUNNING = [ring("track"), ["path", { d: "M8 2a6 6 0 0 1 6 6", class: "turning" }]];
const OK = [DISC, ["path", { d: "M4.8 8.3l2.2 2.2 4.2-4.6", class: "mark" }]];
/** By the status of a task or an instance. */
export const SHAPES = {
    inactive: INACTIVE,
    queued: [ring(), ["path", { d: "M8 5v3.2l2 1.3" }]],
    running: RUNNING,
    working: RUNNING,
    ok: OK,
    done: OK,
    skipped: [ring(), ["path", { d: "M6 5.5l2.5 2.5L6 10.5M10.2 5.5v5" }]],
    failed: [DISC, ["path", { d: "M5.5 5.5l5 5m0-5l-5 5", class: "mark" }]],
    cancelled: [ring(), ["path", { d: "M3.8 12.2l8.4-8.4" }]],
};
/** Points right; turned by the style of its button. */
export const CHEVRON = [["path", { d: "M6 4l4 4-4 4" }]];
/** A picture, which says nothing to a screen reader. */
export const draw = (shapes) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    for (const [tag, attributes] of shapes) {
        const shape = document.createElementNS(SVG, tag);
        for (const [name, value] of Object.entries(attributes))
            shape.setAttribute(name, String(value));
        svg.append(shape);
    }
    return svg;
};
/** `shown` is the look, where it is not that of the status. */
export const setStatus = (element, icon, status, shown = status) => {
    element.dataset["status"] = status;
    if (element.dataset["shown"] === shown)
        return;
    element.dataset["shown"] = shown;
    icon.replaceChildren(draw(SHAPES[shown] ?? INACTIVE));
};
