/** See `Bar`. */
export interface BarProps {
    /** 0 to 1; null: not known yet. */
    value: number | null;
    color: string;
    label: string;
    /** What a screen reader says instead of the percentage. */
    text?: string | undefined;
}
/** A progress bar. Its width goes through `element.style`, which a strict policy for styles allows. */
export declare function Bar({ value, color, label, text }: BarProps): import("react").JSX.Element;
