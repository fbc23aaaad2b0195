/** Log lines of one task that are known: those from index `from` on. */
export interface KnownLines {
    from: number;
    lines: string[];
}
/** Lines kept of one task; the earlier ones can be asked for. */
export declare const LINES_KEPT = 1000;
/**
 * What is known after lines with the index `from` came; the same object when they were known. A log only grows:
 * what overlaps is the same, and what does not join on replaces what was before the gap.
 */
export declare const appended: (known: KnownLines | undefined, from: number, lines: string[]) => KnownLines;
