/** The `data` of server-sent events, as they come; the rest of the format is not needed here. */
export async function* readEvents(body, silence) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    let data = [];
    try {
        for (;;) {
            const { done, value } = await within(reader.read(), silence);
            if (done)
                return;
            const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
            // An event ends with an empty line; what has not ended is not told.
            rest = lines.pop() ?? "";
            for (const line of lines) {
                if (line.startsWith("data:"))
                    data.push(line.slice(line[5] === " " ? 6 : 5));
                else if (line === "" && data.length) {
                    yield data.join("\n");
                    data = [];
                }
            }
        }
    }
    finally {
        // A reader that was let go of must not keep the connection.
        reader.cancel().catch(() => { });
    }
}
const within = (promise, milliseconds) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("nothing came")), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
});
