import { JobsFlowClient, type Connection } from "@jobs-flow/client";
import { type ReactNode } from "react";
import { type OtherWords, type Words } from "./words.js";
/** What the components find of their page: the client, made when it is first needed, and the words. */
export interface Page {
    readonly client: JobsFlowClient;
    readonly words: Words;
}
/** The page around a component. */
export declare const usePage: () => Page;
/** See `JobsProvider`. */
export interface JobsProviderProps {
    /** Where the socket is, relative to the page; "/ws/jobs-flow/" if left out. One connection a URL. */
    url?: string | undefined;
    /** A client of your own, instead of a URL. */
    client?: JobsFlowClient | undefined;
    /** Texts that replace the English ones. Keep the object's identity from render to render. */
    words?: OtherWords | undefined;
    children?: ReactNode;
}
/** Says which connection and which words the components within use. Not needed where the defaults serve. */
export declare function JobsProvider({ url, client, words, children }: JobsProviderProps): import("react").JSX.Element;
/** The client: `client.executeAll(id)`, `client.create("report", {data})`. Use it in handlers and effects. */
export declare function useJobsClient(): JobsFlowClient;
/** "closed", "connecting", "open", "reconnecting", or "denied" to those who have to sign in. */
export declare function useConnection(): Connection;
