/** What happens to the page that a connection belongs to. Elsewhere, as in a worker, only what is there counts. */
import type { Connection } from "./connection.js";

/** Follow the page; gives the function that ends it. `visibility` is called when the page was hidden or shown. */
export const watchPage = (connection: Connection, visibility: () => void): (() => void) => {
  const ended = new AbortController();
  const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => void): void =>
    target?.addEventListener?.(type, listener, { signal: ended.signal });
  const again = (): void => {
    if (connection.state !== "denied") connection.reconnect();
  };
  on(globalThis as never, "online", again);
  on(globalThis as never, "offline", () => connection.lose());
  // A page that may be shown again from memory must not have a connection.
  on(globalThis as never, "pagehide", () => connection.drop());
  on(globalThis as never, "pageshow", (event) => (event as PageTransitionEvent).persisted && again());
  on(globalThis.document, "visibilitychange", () => {
    if (document.visibilityState === "visible") connection.probe();
    else if (connection.open) visibility();
  });
  return () => ended.abort();
};
