import { useState, type FormEvent } from "react";

const YEARS = [2012, 2013, 2014, 2015];

interface ReportFormProps {
  send: (fields: FormData) => Promise<string>;
  /** Gets the id of the job. */
  begun: (id: string) => void;
}

/** Asks for a report. That this is a job, only its id says. */
export function ReportForm({ send, begun }: ReportFormProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    try {
      begun(await send(fields));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };

  return (
    <form onSubmit={submit}>
      <h2>Make a report</h2>
      <div className="fields">
        <div className="field">
          <label htmlFor="year">Year</label>
          <select id="year" name="year">
            <option value="">All years</option>
            {YEARS.map((year) => (
              <option key={year}>{year}</option>
            ))}
          </select>
        </div>
        <div className="field">
          <label>
            <input type="checkbox" name="rain" defaultChecked />
            Rain and dry spells too
          </label>
        </div>
      </div>
      {problem && (
        <p className="errorlist" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" disabled={busy}>
        Make the report
      </button>
    </form>
  );
}
