import { everywhere, ofPanels } from "@jobs-flow/client/shared";
/** What only the components here say. */
declare const own: {
    ended: (ended: number, total: number) => string;
    cancelled: string;
    /** Of the rows that lead to other tasks of a wide block. */
    page: (from: number, to: number, total: number) => string;
    nothingToRun: string;
    cut: string;
    nothing: string;
};
/** Every text that the components show. Replace some with `<JobsProvider words={…}>`. */
export type Words = typeof everywhere & typeof ofPanels & typeof own;
/** Words in the place of others: of a list, such as `task` or `commands`, those that are there. */
export type OtherWords = {
    readonly [Name in keyof Words]?: (Words[Name] extends string | ((...given: never[]) => string) ? Words[Name] : Partial<Words[Name]>) | undefined;
};
/** The words of a page that says nothing else. */
export declare const english: Words;
/** `words` with others in their place. */
export declare const replaced: (words: Words, others: OtherWords) => Words;
export {};
