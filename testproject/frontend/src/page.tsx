import { ContinuousProgression, english, Jobify, Panel, Progress, Progression, Workflow, type PathOf } from "@jobs-flow/react";
import { useEffect, useState } from "react";

import { ReportForm } from "./form";
import { ReportView } from "./report";

/** About how long the tasks take at the demo's pace, in milliseconds. Paths that Python no longer has fail the build. */
const ESTIMATIONS: Partial<Record<PathOf<"weather_report">, number>> = {
  "#.load": 1500,
  "#.measures": 300,
  "#.measures.temperature": 300,
  "#.measures.temperature.curve": 1200,
  "#.measures.hours": 2200,
  "#.measures.wind": 1400,
  "#.report": 400,
};

interface PageProps {
  /** The instance that the address names. */
  instance: string | null;
  /** Ids of the reader's latest reports. */
  latest: string[];
  /** Where the files of an instance are. */
  filesOf: (id: string) => string;
  /** Begins a report with the fields of the form; the id of its job. */
  send: (fields: FormData) => Promise<string>;
}

/** A form that is swapped for the progress of its job, the job's tasks, and the latest ones. */
export function Page({ instance, latest, filesOf, send }: PageProps) {
  const [id, setId] = useState(instance);
  const [ids, setIds] = useState(latest);

  // The address names the job: a reload, and a link to it, show the same.
  useEffect(() => {
    const address = new URL(location.href);
    if (id) address.searchParams.set("instance", id);
    else address.searchParams.delete("instance");
    history.replaceState(null, "", address);
  }, [id]);

  const begin = (made: string) => {
    setId(made);
    setIds((known) => [made, ...known.filter((each) => each !== made)].slice(0, 6));
  };

  return (
    <>
      <section className="card" aria-label="Report">
        <Jobify<"weather_report">
          jobId={id}
          keep={700}
          progression={(job) => (
            <>
              <Progress state={job} error={false} />
              <p className="soft estimated">Estimated from how long the tasks usually take</p>
              <ContinuousProgression jobId={job.id} estimations={ESTIMATIONS} label="Report, estimated" />
            </>
          )}
          component={(job) =>
            job?.status === "done" ? (
              <ReportView job={job} files={filesOf(job.id)} again={() => setId(null)} />
            ) : (
              <ReportForm send={send} begun={begin} />
            )
          }
          onBack={() => setId(null)}
        />
      </section>
      {id && (
        <section className="card" aria-labelledby="tasks-title">
          <h2 id="tasks-title">Its tasks</h2>
          <Workflow jobId={id} panel={(path) => <Panel jobId={id} path={path} fold={100} commands />} />
        </section>
      )}
      <section className="card" aria-labelledby="latest-title">
        <h2 id="latest-title">Your latest reports, live</h2>
        <Latest ids={ids} open={setId} />
      </section>
    </>
  );
}

function Latest({ ids, open }: { ids: string[]; open: (id: string) => void }) {
  const [said, setSaid] = useState("");
  return (
    <Progression
      ids={ids}
      logs={false}
      onComplete={({ state, late }) => late || setSaid(`${state.name} is ready.`)}
      onError={({ state, error, late }) => late || setSaid(`${state.name}: ${error.message ?? error.code}`)}
    >
      {({ workflows }) => (
        <>
          {ids.length === 0 && <p className="soft">There are none yet.</p>}
          <ul className="latest">
            {ids.map((id) => {
              const { workflow, progression } = workflows[id]!;
              return (
                <li key={id}>
                  <button type="button" className="link" onClick={() => open(id)}>
                    {workflow.name || id}
                  </button>
                  <span className={`status status-${workflow.status}`}>{workflow.status ? english.instance[workflow.status] : "…"}</span>
                  <span className="soft share">{Math.round(progression * 100)} %</span>
                </li>
              );
            })}
          </ul>
          <p className="soft" role="status">
            {said}
          </p>
        </>
      )}
    </Progression>
  );
}
