/** Times and names as people write them. */
import { type JobState } from "./state.js";
/** Milliseconds that something took. */
export declare const duration: (milliseconds: number) => string;
/** The time of what goes on still, in whole seconds. */
export declare const elapsed: (milliseconds: number) => string;
/** "weather_report" as people write it. */
export declare const readable: (name: string) => string;
/** What an instance at work is called: a pause or a cancellation shows before its tasks have ended. */
export declare const shownStatus: ({ status, paused, cancelled, undo }: JobState) => string | null;
