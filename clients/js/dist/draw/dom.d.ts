/** Elements are made once and changed where the state changed. Text goes in as text, never as HTML. */
/** make("div.line", {role: "status"}, child, …) */
export declare const make: <Element extends HTMLElement = HTMLElement>(selector: string, attributes?: Record<string, string>, ...children: Array<Node | string>) => Element;
/** Show that text, or nothing of the element without one. */
export declare const setText: (element: HTMLElement, text: string) => void;
/** Have exactly these children, touching nothing where they are there already. */
export declare const setChildren: (parent: Element, children: Element[]) => void;
