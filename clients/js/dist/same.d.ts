/** Whether two JSON values are the same. */
export declare const same: (one: unknown, other: unknown) => boolean;
