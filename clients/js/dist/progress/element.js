import { sheet, theme } from "../draw/theme.js";
import { JobsFlowElement, WATCHED } from "../element.js";
import { FINISHED } from "../state.js";
import { fetchResult } from "./result.js";
import { style } from "./style.js";
import { View } from "./view.js";
let css;
/**
 * <jobs-flow-progress instance="ID" [src="URL"] [url="SOCKET URL"] [transport="http"] [ticket="TICKET"] [label="TITLE"] [folded]>
 *
 * Shows a workflow instance at work. With `src`: once it is done, the HTML of that URL (of this origin, with
 * cookies) takes the place of the progress, as content of the element. `ticket`: for those who are not signed in.
 * `transport="http"`: for places without sockets; `url` is then where `jobs_flow_django.urls` is mounted.
 * Events, which bubble: jobs-flow:state, jobs-flow:done, jobs-flow:failed; `event.detail` is the state. Property
 * `state`: the latest one.
 */
export class JobsFlowProgress extends JobsFlowElement {
    static observedAttributes = [...WATCHED, "src", "label", "folded"];
    #view;
    #result = null;
    #refused = "";
    constructor() {
        super();
        const root = this.attachShadow({ mode: "open" });
        root.adoptedStyleSheets = [(css ??= sheet(theme, style))];
        this.#view = new View(root, {
            redraw: () => this.redraw(),
            reload: () => void this.#load(),
            move: (path, from) => this.#move(path, from),
        });
    }
    connectedCallback() {
        this.#fold();
        super.connectedCallback();
    }
    attributeChangedCallback(name, before, after) {
        if (name === "folded" && before !== after)
            this.#fold();
        super.attributeChangedCallback(name, before, after);
    }
    begin(id) {
        this.forget(id);
        this.#result = null;
        this.#refused = "";
    }
    follow(state) {
        // What the reader is looking at outlives the instance, of which nothing is kept for ever.
        if (state.status === "deleted" && this.#result === "shown")
            return;
        if (!FINISHED.has(state.status))
            this.#result = null;
        super.follow(state);
    }
    ended() {
        if (this.state.status === "done" && this.hasAttribute("src"))
            void this.#load();
    }
    draw() {
        this.#view.card.hidden = this.#result === "shown";
        this.#view.content.hidden = this.#result !== "shown";
        const { now, connection } = this;
        this.#view.update(this.state, { now, connection, label: this.getAttribute("label"), result: this.#result, refused: this.#refused });
    }
    tick() {
        this.#view.tick(this.state, this.now);
    }
    #fold() {
        this.#view.foldable = this.#view.folded = this.hasAttribute("folded");
    }
    #move(path, from) {
        const told = (refused) => {
            this.#refused = refused;
            this.redraw();
        };
        this.client?.setWindow(this.state.id, path, from).then(() => told(""), (error) => told(error.message));
    }
    /** Put the result in the place of the progress. */
    async #load() {
        const { run } = this.state;
        const current = () => this.state.run === run && this.#result === "loading";
        this.#result = "loading";
        this.redraw();
        try {
            const nodes = await fetchResult(this.getAttribute("src") ?? "");
            if (!current())
                return;
            this.replaceChildren(...nodes);
            this.#result = "shown";
        }
        catch (error) {
            console.error("jobs-flow: the result could not be loaded", error);
            if (current())
                this.#result = "failed";
        }
        this.redraw();
    }
}
