interface UpdatersProps {
    id: string;
    path: string;
    /** What the task has recorded. */
    recorded: readonly unknown[];
    /** Called once others are recorded. */
    saved: () => void;
}
/** An editor for the context updaters that a finished task has recorded; later tasks see what they make of the context. */
export declare function Updaters({ id, path, recorded, saved }: UpdatersProps): import("react").JSX.Element;
export {};
