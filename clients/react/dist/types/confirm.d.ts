import { type ReactNode } from "react";
import type { Asking } from "./details.js";
interface ButtonProps {
    /** A press in vain: nothing happens but what `onClick` does with it. */
    disabled: boolean;
    title?: string | undefined;
    grave?: boolean;
    onClick: () => unknown;
    children: ReactNode;
}
/** A button of a command. */
export declare function Button({ disabled, title, grave, onClick, children }: ButtonProps): import("react").JSX.Element;
/** Why the last request was refused. */
export declare function Refusal({ asking }: {
    asking: Asking;
}): import("react").JSX.Element | null;
interface ConfirmProps {
    asking: Asking;
    /** The label of the command that is asked for. */
    label: string;
    /** null: there is nothing to do. */
    yes: (() => unknown) | null;
    no: () => void;
    children?: ReactNode;
}
/** What is asked before a command is given, and the two answers; below it why it was refused. */
export declare function Confirm({ asking, label, yes, no, children }: ConfirmProps): import("react").JSX.Element;
export {};
