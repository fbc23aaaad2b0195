/** Follow the page; gives the function that ends it. `visibility` is called when the page was hidden or shown. */
export const watchPage = (connection, visibility) => {
    const ended = new AbortController();
    const on = (target, type, listener) => target?.addEventListener?.(type, listener, { signal: ended.signal });
    const again = () => {
        if (connection.state !== "denied")
            connection.reconnect();
    };
    on(globalThis, "online", again);
    on(globalThis, "offline", () => connection.lose());
    // A page that may be shown again from memory must not have a connection.
    on(globalThis, "pagehide", () => connection.drop());
    on(globalThis, "pageshow", (event) => event.persisted && again());
    on(globalThis.document, "visibilitychange", () => {
        if (document.visibilityState === "visible")
            connection.probe();
        else if (connection.open)
            visibility();
    });
    return () => ended.abort();
};
