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
export function Bar({ value, color, label, text }: BarProps) {
  const known = value === null ? {} : { "aria-valuenow": Math.round(value * 100) };
  return (
    <div
      className="jobs-flow-bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={text}
      data-color={color}
      data-unknown={value === null || undefined}
      {...known}
    >
      {/* No attribute while there is nothing to show, so that a page rendered on a server has none. */}
      <div className="jobs-flow-fill" style={value ? { width: `${value * 100}%` } : undefined} />
    </div>
  );
}
