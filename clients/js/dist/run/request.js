/** What is asked of the client when a command is given. */
import { ROOT } from "../state.js";
/** Send what was asked for, to the instance `id`: for the task at `path`, or "#" for the whole. */
export const request = (client, id, { command, label, path }, given = {}) => {
    const below = path === ROOT ? {} : { taskPath: path };
    // An argument that is null, 0 or "" is one; one that is not there is none.
    const argument = "argument" in given ? [given.argument] : [];
    switch (command) {
        case "run":
            return client.executeAll(id, ...argument);
        case "task":
            return client.execute(id, path, ...argument);
        case "resume":
            return client.resume(id, path === ROOT ? { mode: (given.mode ?? "failed") } : below);
        case "cancel":
            return client.cancel(id, { ...below, ...(given.undo ? { undo: true } : {}) });
        case "pause":
            // Not by the state, which somebody else may have changed since the reader was asked.
            return label === "unpause" ? client.unpause(id) : client.pause(id);
        case "reset":
            return client.reset(id, path);
        case "destroy":
            return client.destroy(id);
        case "update":
            return client.setContextUpdaters(id, path, given.updaters ?? []);
    }
};
