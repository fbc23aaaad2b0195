/** The HTML of a URL of this origin, asked for with cookies; nodes that are in no document. Scripts in it do not run. */
export declare const fetchResult: (src: string) => Promise<ChildNode[]>;
