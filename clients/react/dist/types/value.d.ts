/** A JSON value for people. */
export declare function Value({ value, omitted }: {
    value: unknown;
    omitted: boolean;
}): import("react").JSX.Element;
