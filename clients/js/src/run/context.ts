/** What the parts of one <jobs-flow-run> share. */

import type { JobState } from "../state.js";
import type { Asked, Command, Offer } from "./commands.js";
import type { DetailsStore } from "./details.js";
import type { Row } from "./model.js";
import type { Given } from "./request.js";

/** The two ways to show the tasks. */
export type ViewName = "tree" | "timeline";

/** What the parts ask of the element they are in. */
export interface Actions {
  select(path: string | null, explicit?: boolean): void;
  setOpen(path: string, open: boolean): void;
  moveWindow(path: string, from: number): Promise<void>;
  ask(offer: Offer, opener: HTMLElement): void;
  /** Give the command; rejects with why it was refused. Resolves to whether it changed anything. */
  send(asked: Asked, given: Given): Promise<boolean>;
  preview(path: string, mode: string): Promise<string[]>;
  redraw(): void;
}

/** What is to be shown. */
export interface Scene {
  state: JobState;
  connection: string;
  /** Milliseconds since 1970 on the server's clock. */
  now: number;
  rows: readonly Row[];
  selected: string | null;
  view: ViewName;
  allowed: ReadonlySet<Command>;
  details: DetailsStore;
}
