/** What can be asked of a run, and when that makes sense. Pure; whether somebody may is for the server to say. */

import type { Counts, InstanceStatus, TaskStatus, Undo } from "../protocol.gen.js";
import { ROOT } from "../state.js";

/** Of the whole run, then of one task. */
export const COMMANDS = [
  ...(["run", "resume", "pause", "cancel", "reset", "destroy"] as const),
  ...(["task", "update"] as const),
] as const;
/** As in the attribute `commands`. `pause` takes pauses back too; `resume` and `reset` are also of one task. */
export type Command = (typeof COMMANDS)[number];

/** Why a command makes no sense now; a key of `words.run.reasons`. */
export type Reason =
  | "unknown"
  | "offline"
  | "working"
  | "undoing"
  | "idle"
  | "over"
  | "passed"
  | "never"
  | "clean"
  | "cancelling"
  | "notOk"
  | "hidden";

/** A command that is offered; with a reason it cannot be used. */
export interface Offer {
  command: Command;
  /** Its label in `words.run.commands`. */
  label: string;
  /** The task, or "#". */
  path: string;
  reason: Reason | null;
}

/** What the reader was shown and chose; `label` tells apart what one command does either way. */
export type Asked = Pick<Offer, "command" | "label" | "path">;

/** Paths of a preview that are listed. */
export const LISTED = 100;

/** Labels of commands that stop or take away something: their buttons are red, and the way back is the nearer one. */
export const GRAVE: ReadonlySet<string> = new Set(["cancel", "stop", "undo", "reset", "resetTask", "destroy"]);

/** What a state says of it; a `JobState` has it. */
export interface Situation {
  status: InstanceStatus | null;
  /** Of the run, or why it could not be started. */
  error: unknown;
  run: number;
  paused: boolean;
  cancelled: readonly string[];
  undo: Undo;
  counts: Readonly<Partial<Counts>>;
  total: number;
}

/** What is offered where nobody says which commands: all but what cannot be taken back. */
export const USUAL: readonly Command[] = COMMANDS.filter((command) => command !== "destroy");

/** The commands that an attribute allows; words it does not know are left out. `null`: those that are usual. */
export const parseCommands = (text: string | null, hasTicket = false): ReadonlySet<Command> => {
  // Who watches by a ticket is a guest: the server would close the door.
  if (text === null) return new Set(hasTicket ? [] : USUAL);
  const wanted = new Set(text.split(/[\s,]+/));
  return new Set(wanted.has("all") ? COMMANDS : COMMANDS.filter((command) => wanted.has(command)));
};

const busy = ({ status, undo }: Situation): Reason | null => {
  if (status === null) return "unknown";
  if (status === "working") return "working";
  return undo === "running" || undo === "wanted" ? "undoing" : null;
};

const offline = (connection: string): Reason | null => (connection === "open" ? null : "offline");

const passedAll = ({ counts, total }: Situation): boolean =>
  total > 0 && (counts["ok"] ?? 0) + (counts["skipped"] ?? 0) === total;

const isReset = ({ status, error, counts, total }: Situation): boolean =>
  status === "inactive" && !error && total > 0 && counts["inactive"] === total;

/** What is offered for the whole run, in order. */
export const runOffers = (state: Situation, connection: string, allowed: ReadonlySet<Command>): Offer[] => {
  const offers: Offer[] = [];
  const offer = (command: Command, label: string, reason: Reason | null) => {
    if (allowed.has(command)) offers.push({ command, label, path: ROOT, reason: offline(connection) ?? reason });
  };
  const working = state.status === "working";
  const cancelling = state.cancelled.includes(ROOT);
  const idle: Reason | null = state.status === null ? "unknown" : working ? null : "idle";
  offer("run", "run", busy(state));
  offer("resume", "resume", busy(state) ?? (state.run ? (passedAll(state) ? "passed" : null) : "never"));
  offer("pause", state.paused ? "unpause" : "pause", idle ?? (cancelling ? "cancelling" : null));
  offer("cancel", working || !undoable(state) ? "cancel" : "undo", cancelReason(state, cancelling));
  offer("reset", "reset", busy(state) ?? (state.run ? (isReset(state) ? "clean" : null) : "never"));
  offer("destroy", "destroy", state.status === null ? "unknown" : null);
  return offers;
};

/** Whether finished tasks of a run that is over may be undone. */
export const undoable = ({ status, undo, counts }: Situation): boolean =>
  status !== null && status !== "working" && undo !== "running" && undo !== "done" && (counts["ok"] ?? 0) > 0;

const cancelReason = (state: Situation, cancelling: boolean): Reason | null => {
  if (state.status === null) return "unknown";
  if (state.status === "working") return cancelling && state.undo !== null ? "cancelling" : null;
  return undoable(state) ? null : "over";
};

/** What is offered for one task, in order. */
export const taskOffers = (
  state: Situation,
  path: string,
  status: TaskStatus | undefined,
  connection: string,
  allowed: ReadonlySet<Command>,
): Offer[] => {
  const offers: Offer[] = [];
  const offer = (command: Command, label: string, reason: Reason | null) => {
    if (allowed.has(command)) offers.push({ command, label, path, reason: offline(connection) ?? reason });
  };
  offer("task", "task", busy(state));
  offer("resume", "from", busy(state));
  if (state.status === "working") {
    const going = state.cancelled.some((each) => each === ROOT || path === each || path.startsWith(`${each}.`));
    offer("cancel", "stop", going ? "cancelling" : null);
  } else {
    offer("reset", "resetTask", busy(state) ?? (status === undefined || status === "inactive" ? "never" : null));
  }
  return offers;
};

/** Whether the updaters of a task may be edited now. */
export const updaterReason = (
  status: TaskStatus | undefined,
  known: boolean,
  connection: string,
): Reason | null => offline(connection) ?? (status !== "ok" ? "notOk" : known ? null : "hidden");
