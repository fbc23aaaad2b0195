import { useJobsClient, type BodyOf, type JobOf } from "@jobs-flow/react";
import { useEffect, useState } from "react";

type Report = BodyOf<"weather_report", "#.report">;

interface ReportViewProps {
  job: JobOf<"weather_report">;
  /** Where its files are. */
  files: string;
  again: () => void;
}

/** A finished report: what its last task gave. */
export function ReportView({ job, files, again }: ReportViewProps) {
  const report = useResult(job);
  if (!report) return <p className="soft">Loading…</p>;
  return (
    <article className="report">
      <header>
        <h2>{report.title}</h2>
        <p>{report.summary}</p>
      </header>
      <div className="report-sections">
        {report.sections.map((section) => (
          <section className="report-section" key={section.section}>
            <h3>{section.title}</h3>
            {section.plot && <img src={files + section.plot} alt={section.alt} width="1056" height="528" />}
            {section.figures.length > 0 && (
              <dl className="figures">
                {section.figures.map(({ label, value }) => (
                  <div key={label}>
                    <dt>{label}</dt>
                    <dd>{value}</dd>
                  </div>
                ))}
              </dl>
            )}
          </section>
        ))}
      </div>
      <footer>{report.source}</footer>
      <div className="actions">
        <button type="button" onClick={again}>
          Another report
        </button>
      </div>
    </article>
  );
}

/** The result comes with the state where it is small; else it is asked for. */
function useResult(job: JobOf<"weather_report">): Report | undefined {
  const client = useJobsClient();
  const own = job.statuses["#.report"]?.body;
  const [asked, setAsked] = useState<Report>();
  useEffect(() => {
    if (own) return;
    let there = true;
    client.getTask(job.id, "#.report").then(
      ({ task }) => there && setAsked((task as { body?: Report }).body),
      (error: unknown) => console.warn(error),
    );
    return () => {
      there = false;
    };
  }, [client, job.id, own]);
  return own ?? asked;
}
