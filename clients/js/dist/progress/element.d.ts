import { JobsFlowClient } from "../client.js";
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
export declare class JobsFlowProgress extends HTMLElement {
    #private;
    static observedAttributes: string[];
    state: JobState;
    constructor();
    /** The client of its socket: `element.client.executeAll(id)`. */
    get client(): JobsFlowClient | null;
    connectedCallback(): void;
    disconnectedCallback(): void;
    attributeChangedCallback(name: string, before: string | null, after: string | null): void;
}
