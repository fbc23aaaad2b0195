/** The tree of tasks: rows, and blocks of rows. */
import { Bar } from "../draw/bar.js";
import { drawCounts } from "../draw/counts.js";
import { make, setChildren, setText } from "../draw/dom.js";
import { CHEVRON, draw, setStatus } from "../draw/icons.js";
import { duration, elapsed } from "../format.js";
import { ENDED } from "../state.js";
import { taskWord, words } from "../words.js";
import { Log } from "./log.js";
/** Up to so many siblings are shown without being asked for. */
const WIDE = 20;
/** So many more at a time. */
const STEP = 100;
/** Failures that a closed block shows. */
const FAILED_SHOWN = 3;
/** How many tasks are below, and how many of them have ended; of a folded block only its own children count. */
const below = (block, state) => {
    if (block.total !== undefined) {
        const counts = Object.entries(state.blocks[block.path] ?? {});
        return { ended: counts.reduce((sum, [status, count]) => sum + (ENDED.has(status) ? count : 0), 0), total: block.total };
    }
    let [ended, total] = [0, block.children.length];
    for (const child of block.children) {
        if (ENDED.has(state.statuses[child.path]?.status))
            ended += 1;
        const deeper = below(child, state);
        ended += deeper.ended;
        total += deeper.total;
    }
    return { ended, total };
};
const isParent = (task) => task.children.length > 0 || Boolean(task.total);
/** A task, and the tasks below it. */
class Row {
    element;
    parent;
    #name;
    #icon = make("span.icon");
    #about = make("span.about");
    #status = make("span.status");
    #time = make("span.time");
    #bar = new Bar("div.bar.small");
    #text = make("div.text");
    #error = make("div.error");
    #log;
    #children;
    #view = {};
    #unfinished = "";
    constructor(task, host) {
        this.#name = task.name;
        this.parent = isParent(task);
        this.#log = new Log(task.name);
        this.#children = this.parent ? new Tasks(task, host) : null;
        const name = make("span.name", {}, this.#children?.toggle ?? task.name);
        const title = make("span.title", {}, name, " ", this.#about);
        const line = make("div.line", {}, this.#icon, title, this.#status, this.#time);
        const body = make("div.body", {}, this.#bar.element, this.#text, this.#error, this.#log.element);
        this.element = make("li.task", {}, line, body);
        if (this.#children)
            this.element.append(this.#children.element);
    }
    update(task, state, now) {
        this.#view = state.statuses[task.path] ?? {};
        this.#unfinished = this.#unfinishedBelow(task, state);
        setText(this.#about, task.description ?? "");
        this.#show(task.path, state);
        this.tick(now);
        this.#log.update(state.logs[task.path]);
        this.#children?.update(task, state, now);
    }
    /** How many tasks below have ended, as long as not all have; a task is done before those below it begin. */
    #unfinishedBelow(task, state) {
        if (!this.parent || state.status !== "working" || this.#view.status !== "ok")
            return "";
        const { ended, total } = below(task, state);
        return ended < total ? words.part(ended, total) : "";
    }
    #show(path, state) {
        const view = this.#view;
        const status = view.status ?? "inactive";
        setStatus(this.element, this.#icon, status, this.#unfinished ? "running" : status);
        setText(this.#status, this.#unfinished || taskWord(status, state.status === "working"));
        const measured = status === "running" && typeof view.progress === "number";
        this.#bar.element.hidden = !measured;
        if (measured)
            this.#bar.set(view.progress ?? 0, words.progressOf(this.#name), view.progressText);
        setText(this.#text, status === "running" ? (view.progressText ?? "") : "");
        // The failure that ended the run is told above, once.
        const told = state.error?.path === path;
        setText(this.#error, view.error && !told ? String(view.error.message ?? view.error.code ?? "") : "");
    }
    /** The time of a running task goes on between messages. */
    tick(now) {
        const { status, executionTime, duration: taken } = this.#view;
        let text = "";
        if (status === "running" && executionTime)
            text = elapsed(now - executionTime);
        else if (status !== "skipped" && !this.#unfinished && typeof taken === "number")
            text = duration(taken);
        setText(this.#time, text);
        this.#children?.tick(now);
    }
}
/** Sibling tasks; folded to their counts where they are many. */
export class Tasks {
    element;
    toggle;
    #host;
    #sequential;
    #counts = make("div.counts");
    #list = make("ul.tasks");
    #more = make("button.link", { type: "button" });
    #pager = make("div.pager");
    #earlier = make("button.link", { type: "button" });
    #range = make("span.range", { "aria-live": "polite" });
    #later = make("button.link", { type: "button" });
    #rows = new Map();
    #open;
    #limit = STEP;
    #block;
    /** `sequential`: one after the other, tasks are shown however many; only what is parallel is folded. */
    constructor(block, host, sequential = false) {
        this.#block = block;
        this.#host = host;
        this.#sequential = sequential;
        this.#open = sequential || (block.total ?? block.children.length) <= WIDE;
        this.#more.addEventListener("click", () => {
            this.#limit += STEP;
            host.redraw();
        });
        this.#earlier.addEventListener("click", () => this.#move(-1));
        this.#later.addEventListener("click", () => this.#move(1));
        this.#pager.append(this.#earlier, this.#range, this.#later);
        this.element = make("div.block", {}, this.#counts, this.#list, this.#more, this.#pager);
        this.toggle = make("button.toggle", { type: "button" }, block.name, draw(CHEVRON));
        this.toggle.addEventListener("click", () => {
            this.#open = !this.#open;
            host.redraw();
        });
    }
    update(block, state, now) {
        this.#block = block;
        this.toggle.setAttribute("aria-expanded", String(this.#open));
        const tasks = block.children;
        const chosen = this.#open ? tasks.slice(0, this.#limit) : this.#worthSeeing(state);
        this.#fill(chosen);
        for (const task of chosen)
            this.#rows.get(task.path)?.update(task, state, now);
        const hidden = this.#open ? tasks.length - chosen.length : 0;
        setText(this.#more, hidden ? words.more(Math.min(hidden, STEP)) : "");
        this.#page();
        const total = block.total ?? tasks.length;
        this.#counts.hidden = block.total === undefined && (this.#sequential || (this.#open && total <= WIDE));
        if (!this.#counts.hidden)
            this.#counts.replaceChildren(...drawCounts(this.#count(state), total));
    }
    tick(now) {
        for (const row of this.#rows.values())
            row.tick(now);
    }
    /** Of a closed block only the first failures: what changes all the time would make the page jump. */
    #worthSeeing({ statuses }) {
        const failed = this.#block.children.filter(({ path }) => statuses[path]?.status === "failed");
        return failed.slice(0, FAILED_SHOWN);
    }
    #fill(tasks) {
        const rows = new Map();
        for (const task of tasks) {
            const known = this.#rows.get(task.path);
            rows.set(task.path, known && known.parent === isParent(task) ? known : new Row(task, this.#host));
        }
        setChildren(this.#list, [...rows.values()].map((row) => row.element));
        this.#list.hidden = !rows.size;
        this.#rows = rows;
    }
    /** A folded block comes in windows; what is before and after the one that is shown has to be asked for. */
    #page() {
        const { total, from = 0, children } = this.#block;
        const folded = this.#open && total !== undefined && (from > 0 || children.length < total);
        this.#pager.hidden = !folded;
        if (!folded)
            return;
        const end = from + children.length;
        const focused = [this.#earlier, this.#later].find((button) => button.matches(":focus"));
        setText(this.#earlier, from ? words.previous(Math.min(from, children.length || STEP)) : "");
        setText(this.#range, words.range(from + 1, end, total));
        setText(this.#later, end < total ? words.next(Math.min(total - end, children.length || STEP)) : "");
        // At an end one of the buttons goes; who used it stays where they are.
        if (focused?.hidden)
            (focused === this.#later ? this.#earlier : this.#later).focus();
    }
    #move(direction) {
        const { path, total = 0, from = 0, children } = this.#block;
        const size = children.length || STEP;
        // The last window may be shorter: going back from it leads to where one came from, never before the first.
        const wanted = direction > 0 ? from + size : from - Math.max(size, Math.min(from, STEP));
        this.#limit = Math.max(this.#limit, size);
        this.#host.move(path, Math.max(0, Math.min(wanted, total - 1)));
    }
    #count(state) {
        const folded = this.#block.total !== undefined ? state.blocks[this.#block.path] : undefined;
        if (folded)
            return folded;
        const counts = {};
        for (const { path } of this.#block.children) {
            const status = state.statuses[path]?.status ?? "inactive";
            counts[status] = (counts[status] ?? 0) + 1;
        }
        return counts;
    }
}
