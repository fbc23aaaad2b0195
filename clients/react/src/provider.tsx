import { JobsFlowClient, type Connection } from "@jobs-flow/client";
import { createContext, useCallback, useContext, useMemo, useSyncExternalStore, type ReactNode } from "react";

import { english, replaced, type OtherWords, type Words } from "./words.js";

/** What the components find of their page: the client, made when it is first needed, and the words. */
export interface Page {
  readonly client: JobsFlowClient;
  readonly words: Words;
}

const inBrowser = () => typeof document !== "undefined";

/** Stands for the client while a page is rendered on a server, where there is nothing to connect to. */
const nowhere = new Proxy({} as JobsFlowClient, {
  get(_, name) {
    if (name === "connection") return "closed";
    if (name === "clockOffset") return 0;
    throw new Error(`jobs-flow: there is no connection while rendering on a server (asked for ${String(name)}); use the client in effects and handlers`);
  },
});

const pageOf = (find: () => JobsFlowClient, words: Words): Page => ({
  get client() {
    return inBrowser() ? find() : nowhere;
  },
  words,
});

const PageContext = createContext<Page>(pageOf(() => JobsFlowClient.for(), english));

/** The page around a component. */
export const usePage = (): Page => useContext(PageContext);

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
export function JobsProvider({ url, client, words, children }: JobsProviderProps) {
  const around = usePage();
  const page = useMemo(() => {
    const own = words ? replaced(around.words, words) : around.words;
    if (client) return pageOf(() => client, own);
    return url === undefined ? pageOf(() => around.client, own) : pageOf(() => JobsFlowClient.for(url), own);
  }, [around, url, client, words]);
  return <PageContext.Provider value={page}>{children}</PageContext.Provider>;
}

/** The client: `client.executeAll(id)`, `client.create("report", {data})`. Use it in handlers and effects. */
export function useJobsClient(): JobsFlowClient {
  return usePage().client;
}

/** "closed", "connecting", "open", "reconnecting", or "denied" to those who have to sign in. */
export function useConnection(): Connection {
  const page = usePage();
  const subscribe = useCallback(
    (listener: () => void) => {
      const { client } = page;
      client.addEventListener("connection", listener);
      return () => client.removeEventListener("connection", listener);
    },
    [page],
  );
  return useSyncExternalStore(
    subscribe,
    () => page.client.connection,
    () => "closed",
  );
}
