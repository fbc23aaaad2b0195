/** What happens to the page that a connection belongs to. Elsewhere, as in a worker, only what is there counts. */
import type { Connection } from "./connection.js";
/** Follow the page; gives the function that ends it. `visibility` is called when the page was hidden or shown. */
export declare const watchPage: (connection: Connection, visibility: () => void) => (() => void);
