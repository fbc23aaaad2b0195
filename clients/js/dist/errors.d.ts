import type { Problem } from "./protocol.gen.js";
/** What a request was refused with; `code` is stable, the message is for people, `problem` is all that was said. */
export declare class JobsFlowError extends Error {
    readonly code: string;
    readonly problem: Problem;
    constructor(problem: Problem);
}
/** What the client itself refuses requests with; a page may put in other words. */
export declare const errors: {
    lost: {
        code: string;
        message: string;
    };
    windows: {
        code: string;
        message: string;
    };
    denied: {
        code: string;
        message: string;
    };
};
