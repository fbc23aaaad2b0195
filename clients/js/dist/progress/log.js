import { make, setText } from "../draw/dom.js";
import { words } from "../words.js";
/** Lines that are shown before anybody asks for all. */
const LAST = 3;
/** The last lines of a task's log, all that are known on demand. */
export class Log {
    element;
    #earlier = make("div.earlier");
    #lines;
    #toggle = make("button.link", { type: "button", "aria-expanded": "false" });
    #open = false;
    #log;
    constructor(name) {
        this.#lines = make("ol.lines", { "aria-label": words.log(name) });
        this.#toggle.addEventListener("click", () => {
            this.#open = !this.#open;
            this.#draw();
        });
        this.element = make("div.log", {}, this.#earlier, this.#lines, this.#toggle);
        this.element.hidden = true;
    }
    update(log) {
        if (log === this.#log)
            return;
        this.#log = log;
        this.#draw();
    }
    #draw() {
        const { from, lines } = this.#log ?? { from: 0, lines: [] };
        const list = this.#lines;
        const shown = this.#open ? lines : lines.slice(-LAST);
        const first = from + lines.length - shown.length;
        this.element.hidden = !lines.length;
        const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
        list.replaceChildren(...shown.map((line) => make("li", {}, line)));
        // Scrolled content has to be reachable by keyboard.
        if (this.#open)
            list.tabIndex = 0;
        else
            list.removeAttribute("tabindex");
        if (atEnd)
            list.scrollTop = list.scrollHeight;
        setText(this.#earlier, this.#open && first ? words.earlier(first) : "");
        this.#toggle.setAttribute("aria-expanded", String(this.#open));
        setText(this.#toggle, lines.length <= LAST ? "" : this.#open ? words.lastLines : words.allLines(lines.length));
    }
}
