/** Lines kept of one task; the earlier ones can be asked for. */
export const LINES_KEPT = 1000;
/**
 * What is known after lines with the index `from` came; the same object when they were known. A log only grows:
 * what overlaps is the same, and what does not join on replaces what was before the gap.
 */
export const appended = (known, from, lines) => {
    const end = known ? known.from + known.lines.length : 0;
    const joins = known && from >= known.from && from <= end;
    if (joins && from + lines.length <= end)
        return known;
    const all = joins ? known.lines.concat(lines.slice(end - from)) : lines;
    const start = joins ? known.from : from;
    const excess = Math.max(0, all.length - LINES_KEPT);
    return { from: start + excess, lines: excess ? all.slice(excess) : all };
};
