import { everywhere, ofPanels, tasksEnded } from "@jobs-flow/client/shared";

/** What only the components here say. */
const own = {
  ended: tasksEnded,
  cancelled: "It was cancelled.",
  /** Of the rows that lead to other tasks of a wide block. */
  page: (from: number, to: number, total: number): string => `Show ${from} to ${to} of ${total}`,
  nothingToRun: "There is nothing to run.",
  cut: "Only the beginning is shown.",
  nothing: "Not recorded, or not for you to see.",
};

/** Every text that the components show. Replace some with `<JobsProvider words={…}>`. */
export type Words = typeof everywhere & typeof ofPanels & typeof own;

/** Words in the place of others: of a list, such as `task` or `commands`, those that are there. */
export type OtherWords = {
  readonly [Name in keyof Words]?: (Words[Name] extends string | ((...given: never[]) => string) ? Words[Name] : Partial<Words[Name]>) | undefined;
};

/** The words of a page that says nothing else. */
export const english: Words = { ...everywhere, ...ofPanels, ...own };

/** `words` with others in their place. */
export const replaced = (words: Words, others: OtherWords): Words => {
  const all: Record<string, unknown> = { ...words };
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) all[name] = typeof value === "object" ? { ...(all[name] as object), ...value } : value;
  }
  return all as Words;
};
