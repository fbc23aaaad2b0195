import { make } from "./dom.js";
/** A progress bar with its meaning for screen readers. */
export class Bar {
    element;
    #fill = make("div.fill");
    constructor(selector = "div.bar") {
        this.element = make(selector, { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, this.#fill);
    }
    /** `value`: 0 to 1. `label`: of what it is the progress. `text`: the value in words. */
    set(value, label, text) {
        const percent = Math.round(Math.min(1, Math.max(0, value)) * 100);
        this.#fill.style.width = `${percent}%`;
        this.element.setAttribute("aria-valuenow", String(percent));
        this.element.setAttribute("aria-label", label);
        if (text)
            this.element.setAttribute("aria-valuetext", text);
        else
            this.element.removeAttribute("aria-valuetext");
    }
}
