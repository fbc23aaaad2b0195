/** The value of a JSON text, or why it is none. */
export declare const parseJson: (text: string) => {
    value: unknown;
    reason?: undefined;
} | {
    value?: undefined;
    reason: string;
};
