import { type JobState } from "@jobs-flow/client";
import { type Command } from "@jobs-flow/client/shared";
interface CommandsProps {
    state: JobState;
    /** The task, or "#". */
    path: string;
    allowed: ReadonlySet<Command>;
}
/**
 * What can be asked of a task, or of the whole. A button that makes no sense now stays where it is and says why; what
 * stops or takes away something has to be confirmed, and what resumes is shown first.
 */
export declare function Commands({ state, path, allowed }: CommandsProps): import("react").JSX.Element | null;
export {};
