/** What is asked of the client when a command is given. */
import type { JobsFlowClient } from "../client.js";
import type { Ack } from "../protocol.gen.js";
import { type JobState } from "../state.js";
import type { Command } from "./commands.js";
/** What the reader gave with a command. */
export interface Given {
    /** Any JSON value; not there when there is none. */
    argument?: unknown;
    mode?: string;
    undo?: boolean;
    updaters?: unknown[];
}
/** Send the request of a command for the task at `path`, or "#" for the whole. */
export declare const request: (client: JobsFlowClient, { id, paused }: JobState, command: Command, path: string, given?: Given) => Promise<Ack>;
