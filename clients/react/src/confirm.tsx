import { GRAVE } from "@jobs-flow/client/shared";
import { useEffect, useId, useRef, type ReactNode } from "react";

import type { Asking } from "./details.js";
import { usePage } from "./provider.js";

interface ButtonProps {
  /** A press in vain: nothing happens but what `onClick` does with it. */
  disabled: boolean;
  title?: string | undefined;
  grave?: boolean;
  onClick: () => unknown;
  children: ReactNode;
}

/** A button of a command. */
export function Button({ disabled, title, grave = false, onClick, children }: ButtonProps) {
  // Not `disabled`, which would take the keyboard's focus away.
  return (
    <button
      type="button"
      className={grave ? "jobs-flow-button jobs-flow-grave" : "jobs-flow-button"}
      aria-disabled={disabled}
      title={title}
      // The second click of a double one was meant for what the first has changed.
      onClick={({ detail }) => detail < 2 && onClick()}
    >
      {children}
    </button>
  );
}

/** Why the last request was refused. */
export function Refusal({ asking }: { asking: Asking }) {
  if (!asking.problem) return null;
  return (
    <p className="jobs-flow-error" role="alert">
      {asking.problem.message}
    </p>
  );
}

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
export function Confirm({ asking, label, yes, no, children }: ConfirmProps) {
  const { words } = usePage();
  const [title, text, button] = words.confirm[label] ?? [label, "", label];
  const element = useRef<HTMLDivElement>(null);
  const id = useId();
  // The keyboard goes to the question, and back to where it came from; where that is gone, to the panel.
  // A reader who has gone elsewhere meanwhile stays there.
  useEffect(() => {
    const own = element.current;
    const before = document.activeElement as HTMLElement | null;
    const panel = own?.closest<HTMLElement>(".jobs-flow-panel");
    own?.focus();
    return () => {
      const now = document.activeElement;
      if (now && now !== document.body && !own?.contains(now)) return;
      (before?.isConnected ? before : panel)?.focus();
    };
  }, []);
  return (
    <div
      className="jobs-flow-confirm"
      role="group"
      aria-labelledby={id}
      aria-describedby={`${id}-text`}
      tabIndex={-1}
      ref={element}
      onKeyDown={(event) => event.key === "Escape" && no()}
    >
      <p className="jobs-flow-question" id={id}>
        {title}
      </p>
      <p id={`${id}-text`}>{text}</p>
      {children}
      <Refusal asking={asking} />
      <div className="jobs-flow-commands">
        <Button disabled={false} onClick={no}>
          {words.back}
        </Button>
        {yes && (
          <Button disabled={asking.busy} grave={GRAVE.has(label)} onClick={() => asking.busy || yes()}>
            {button}
          </Button>
        )}
      </div>
    </div>
  );
}
