/** What is asked of the client when a command is given. */

import type { JobsFlowClient } from "../client.js";
import type { Ack } from "../protocol.gen.js";
import { ROOT } from "../state.js";
import type { Asked } from "./commands.js";

/** What the reader gave with a command. */
export interface Given {
  /** Any JSON value; not there when there is none. */
  argument?: unknown;
  mode?: string;
  undo?: boolean;
  updaters?: unknown[];
}

/** Send what was asked for, to the instance `id`: for the task at `path`, or "#" for the whole. */
export const request = (
  client: JobsFlowClient,
  id: string,
  { command, label, path }: Asked,
  given: Given = {},
): Promise<Ack> => {
  const below = path === ROOT ? {} : { taskPath: path };
  // An argument that is null, 0 or "" is one; one that is not there is none.
  const argument = "argument" in given ? [given.argument] : [];
  switch (command) {
    case "run":
      return client.executeAll(id, ...argument);
    case "task":
      return client.execute(id, path, ...argument);
    case "resume":
      return client.resume(id, path === ROOT ? { mode: (given.mode ?? "failed") as "failed" } : below);
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
