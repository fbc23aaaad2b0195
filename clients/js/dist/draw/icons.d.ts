/** Drawings in a box of 16 by 16. Every status has a shape of its own, so that none depends on colour. */
/** A tag and its attributes. */
export type Shape = readonly [tag: string, attributes: Readonly<Record<string, string | number>>];
/** By the status of a task or an instance. */
export declare const SHAPES: Readonly<Record<string, readonly Shape[]>>;
/** Points right; turned by the style of its button. */
export declare const CHEVRON: readonly Shape[];
/** A picture, which says nothing to a screen reader. */
export declare const draw: (shapes: readonly Shape[]) => SVGElement;
/** `shown` is the look, where it is not that of the status. */
export declare const setStatus: (element: HTMLElement, icon: Element, status: string, shown?: string) => void;
