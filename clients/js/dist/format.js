import { ENDED, ROOT } from "./state.js";
/** Milliseconds that something took. */
export const duration = (milliseconds) => {
    const seconds = Math.max(0, milliseconds) / 1000;
    if (seconds < 0.9995)
        return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 9.95)
        return `${seconds.toFixed(1)} s`;
    if (seconds < 60)
        return `${Math.floor(seconds)} s`;
    const padded = (number) => String(Math.floor(number)).padStart(2, "0");
    if (seconds < 3600)
        return `${Math.floor(seconds / 60)} min ${padded(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${padded((seconds % 3600) / 60)} min`;
};
/** The time of what goes on still, in whole seconds. */
export const elapsed = (milliseconds) => {
    const seconds = Math.max(0, Math.floor(milliseconds / 1000));
    return seconds < 60 ? `${seconds} s` : duration(seconds * 1000);
};
/** "weather_report" as people write it. */
export const readable = (name) => {
    const text = name.replace(/[_-]+/g, " ").trim();
    return text && text.charAt(0).toUpperCase() + text.slice(1);
};
/** What an instance at work is called: a pause or a cancellation shows before its tasks have ended. */
export const shownStatus = ({ status, paused, cancelled, undo }) => {
    if (status !== "working")
        return status;
    if (undo === "running")
        return "undoing";
    if (cancelled.includes(ROOT))
        return "cancelling";
    return paused ? "paused" : status;
};
/** The last name of a path: "#.split.rain" is "rain". */
export const nameOf = (path) => path.slice(path.lastIndexOf(".") + 1);
/** What an instance is called: its name, or that of its workflow. */
export const titleOf = (state, words) => state.name || readable(state.workflow) || words.workflow;
/** The status of an instance in words; one that has no word keeps its name. "" while it is not known. */
export const statusText = (state, words) => {
    const shown = shownStatus(state) ?? "";
    return words.instance[shown] ?? shown;
};
/** The same of a task; `working`: whether there is a run that it could wait in. */
export const taskText = (words, status = "inactive", working = true) => (status === "inactive" && !working ? words.idle : (words.task[status] ?? status));
/** How many of them have ended. */
export const endedOf = (counts) => Object.entries(counts).reduce((sum, [status, count]) => sum + (ENDED.has(status) ? count : 0), 0);
