/** Whether a value can be a task's context updaters, as far as can be seen here: a list of objects. The server checks the rest. */
export declare const areUpdaters: (value: unknown) => value is Array<Record<string, unknown>>;
