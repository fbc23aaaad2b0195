/** How messages come and go. */
/** What a transport tells its user; nothing after `closed`. */
export interface Hooks {
    message(text: string): void;
    /** Close codes are those of the WebSocket; 4401 and 4403 say that trying again changes nothing. */
    closed(code: number): void;
}
/** An open, or opening, connection. */
export interface Channel {
    /** Only after the first message came, which is the server's `hello`. */
    send(text: string): void;
    close(): void;
}
/** Opens a connection to an absolute URL. May throw where that cannot be. */
export type Transport = (url: string, hooks: Hooks) => Channel;
/** A WebSocket, the usual one. */
export declare const webSocket: Transport;
/** The URL made absolute, by the page where there is one. */
export declare const absolute: (url: string) => string;
