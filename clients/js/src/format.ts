/** Times and names as people write them. */
import { ROOT, type JobState } from "./state.js";

/** Milliseconds that something took. */
export const duration = (milliseconds: number): string => {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const padded = (number: number): string => String(Math.floor(number)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${padded(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${padded((seconds % 3600) / 60)} min`;
};

/** The time of what goes on still, in whole seconds. */
export const elapsed = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  return seconds < 60 ? `${seconds} s` : duration(seconds * 1000);
};

/** "weather_report" as people write it. */
export const readable = (name: string): string => {
  const text = name.replace(/[_-]+/g, " ").trim();
  return text && text.charAt(0).toUpperCase() + text.slice(1);
};

/** What an instance at work is called: a pause or a cancellation shows before its tasks have ended. */
export const shownStatus = ({ status, paused, cancelled, undo }: JobState): string | null => {
  if (status !== "working") return status;
  if (undo === "running") return "undoing";
  if (cancelled.includes(ROOT)) return "cancelling";
  return paused ? "paused" : status;
};
