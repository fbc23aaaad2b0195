/** The `data` of server-sent events, as they come; the rest of the format is not needed here. */
export declare function readEvents(body: ReadableStream<Uint8Array>, silence: number): AsyncGenerator<string>;
