/** What is asked of the client when a command is given. */
import type { JobsFlowClient } from "../client.js";
import type { Ack } from "../protocol.gen.js";
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
export declare const request: (client: JobsFlowClient, id: string, { command, label, path }: Asked, given?: Given) => Promise<Ack>;
