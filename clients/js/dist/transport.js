/** How messages come and go. */
/** A WebSocket, the usual one. */
export const webSocket = (url, hooks) => {
    const socket = new WebSocket(url.replace(/^http/, "ws"));
    socket.onmessage = ({ data }) => hooks.message(data);
    socket.onclose = ({ code }) => hooks.closed(code);
    return socket;
};
/** The URL made absolute, by the page where there is one. */
export const absolute = (url) => {
    try {
        return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
    }
    catch {
        throw new TypeError(`jobs-flow: "${url}" is no URL; where there is no page it has to be absolute`);
    }
};
