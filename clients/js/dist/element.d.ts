/** What all elements that watch an instance have in common: their life in the page, their client, their events. */
import { JobsFlowClient } from "./client.js";
import { type JobState } from "./state.js";
/** Attributes that say what is watched, and how; with another value it is watched anew. */
export declare const WATCHED: readonly string[];
/** An element that watches the instance of its attribute `instance` for as long as it is in a page. */
export declare abstract class JobsFlowElement extends HTMLElement {
    #private;
    /** The latest known. */
    state: JobState;
    /** The client of its socket: `element.client.executeAll(id)`. */
    get client(): JobsFlowClient | null;
    /** Which clients the elements of the page share. */
    protected get shared(): Pick<typeof JobsFlowClient, "for">;
    protected get connection(): string;
    /** The time by the server's clock. */
    protected get now(): number;
    /** An instance is watched from now on, perhaps the same one. */
    protected abstract begin(id: string): void;
    protected abstract draw(): void;
    /** Draw what goes on between messages. */
    protected abstract tick(): void;
    connectedCallback(): void;
    disconnectedCallback(): void;
    attributeChangedCallback(name: string, before: string | null, after: string | null): void;
    /** What was known is of another instance. */
    protected forget(id: string): void;
    /** Tell the page of a new state, and once of the end of each run. */
    protected follow(state: JobState): void;
    /** A run has ended; before the page is told. */
    protected ended(): void;
    /** Whether nobody objected. */
    protected emit(name: string, detail?: unknown, cancelable?: boolean): boolean;
    /** Once a frame at most, however many messages come. */
    protected redraw(): void;
    protected drawNow(): void;
}
