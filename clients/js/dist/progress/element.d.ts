import { JobsFlowElement } from "../element.js";
import { type JobState } from "../state.js";
/**
 * <jobs-flow-progress instance="ID" [src="URL"] [url="SOCKET URL"] [transport="http"] [ticket="TICKET"] [label="TITLE"] [folded]>
 *
 * Shows a workflow instance at work. With `src`: once it is done, the HTML of that URL (of this origin, with
 * cookies) takes the place of the progress, as content of the element. `ticket`: for those who are not signed in.
 * `transport="http"`: for places without sockets; `url` is then where `jobs_flow_django.urls` is mounted.
 * Events, which bubble: jobs-flow:state, jobs-flow:done, jobs-flow:failed; `event.detail` is the state. Property
 * `state`: the latest one.
 */
export declare class JobsFlowProgress extends JobsFlowElement {
    #private;
    static observedAttributes: string[];
    constructor();
    connectedCallback(): void;
    attributeChangedCallback(name: string, before: string | null, after: string | null): void;
    protected begin(id: string): void;
    protected follow(state: JobState): void;
    protected ended(): void;
    protected draw(): void;
    protected tick(): void;
}
