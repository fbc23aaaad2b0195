import type { ReactNode } from "react";
/** A part that can be folded away. */
export declare function Part({ title, open, children }: {
    title: string;
    open?: boolean;
    children: ReactNode;
}): import("react").JSX.Element;
