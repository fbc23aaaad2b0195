import type { ReactNode } from "react";

/** A part that can be folded away. */
export function Part({ title, open = true, children }: { title: string; open?: boolean; children: ReactNode }) {
  return (
    <details className="jobs-flow-part" open={open}>
      <summary>{title}</summary>
      {children}
    </details>
  );
}
