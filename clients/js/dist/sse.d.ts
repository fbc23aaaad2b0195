import type { Transport } from "./transport.js";
export interface HttpOptions {
    /** Gives Django's CSRF token; by default from a form or the cookie of the page. */
    csrfToken?: () => string | undefined;
}
/** A transport over HTTP with options of its own. */
export declare const eventSourceWith: ({ csrfToken }: HttpOptions) => Transport;
/** The transport over HTTP. */
export declare const eventSource: Transport;
