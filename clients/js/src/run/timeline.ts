/** When attempts at tasks waited and ran, as shares of a common axis. Pure. */

/** What is known of an attempt, the present one or an earlier one. Times in milliseconds since 1970. */
export interface Times {
  run?: number | null;
  status?: string;
  queuedAt?: number | null;
  executionTime?: number | null;
  finishedAt?: number | null;
}

/** From where to where the time goes. */
export interface Axis {
  start: number;
  end: number;
}

/** A mark on it: where, and milliseconds after the start. */
export interface Tick {
  at: number;
  after: number;
}

/** A bar: "queued" or the status of the attempt; both numbers are shares of the axis. */
export interface Span {
  kind: string;
  left: number;
  width: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 365].map((days) => days * DAY),
];
/** A narrower bar would not be seen. */
const NARROWEST = 0.006;
/** A label further on would have no room. */
const LAST_TICK = 0.88;

/** The axis of all attempts of a run; `now` while it is at work, else null. null when nothing was queued yet. */
export const axisOf = (run: number, attempts: Iterable<Times>, now: number | null): Axis | null => {
  let start = Infinity;
  let end = -Infinity;
  for (const attempt of attempts) {
    if (attempt.run !== run) continue;
    for (const time of [attempt.queuedAt, attempt.executionTime, attempt.finishedAt]) {
      if (typeof time !== "number") continue;
      start = Math.min(start, time);
      end = Math.max(end, time);
    }
  }
  if (start === Infinity) return null;
  return { start, end: Math.max(end, start + 1, now ?? 0) };
};

/** At most `most` + 1 marks at round distances. */
export const ticksOf = ({ start, end }: Axis, most = 4): Tick[] => {
  const length = end - start;
  const step = STEPS.find((each) => length / each <= most) ?? Math.ceil(length / most / DAY) * DAY;
  const ticks: Tick[] = [];
  for (let after = 0; after <= length * LAST_TICK; after += step) ticks.push({ at: after / length, after });
  return ticks;
};

/** The bars of an attempt: how long it was queued, how long it ran. None for one of another run. */
export const spansOf = (axis: Axis, run: number, attempt: Times): Span[] => {
  if (attempt.run !== run) return [];
  const { queuedAt: queued, executionTime: began, finishedAt: ended } = attempt;
  const spans: Span[] = [];
  const until = began ?? ended ?? axis.end;
  if (typeof queued === "number" && until > queued) spans.push(spanOf(axis, "queued", queued, until));
  if (typeof began === "number") spans.push(spanOf(axis, attempt.status ?? "running", began, ended ?? axis.end));
  return spans;
};

const spanOf = ({ start, end }: Axis, kind: string, from: number, to: number): Span => {
  const length = end - start;
  const width = Math.min(1, Math.max(NARROWEST, (to - from) / length));
  const left = Math.min(1 - width, Math.max(0, (from - start) / length));
  return { kind, left, width };
};
