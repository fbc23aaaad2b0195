"""``jobs_flow_types``, and what TypeScript makes of it: in the demo's page, and in an application with the package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs_flow import Task
from jobs_flow.workflows.annotations import Interfaces
from jobs_flow.workflows.registry import Registry
from jobs_flow_django.management.commands import jobs_flow_types
from scripts import node as tools
from scripts.environment import ROOT
from testproject.weather import workflows as weather
from tests.integration.test_clients import node, run

__all__ = ["node"]

FRONTEND = ROOT / "testproject" / "frontend"
BUNDLE = ROOT / "testproject" / "static" / "testproject" / "react"
WRITTEN = FRONTEND / "src" / "jobs-flow.d.ts"
REACT = tools.CLIENTS / "react"
TSC = tools.CLIENTS / "node_modules" / "typescript" / "bin" / "tsc"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """An empty one, in the place of the project's."""
    found = Registry()
    monkeypatch.setattr(jobs_flow_types, "jobs", SimpleNamespace(registry=found))
    return found


def types(*arguments: str) -> str:
    out = StringIO()
    call_command("jobs_flow_types", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def compile_(node: tools.Node, directory: Path, *options: str) -> str:
    """What the compiler says of a project; "" when nothing is wrong."""
    return node.run(node.node, str(TSC), "--project", str(directory), *options).stdout


class TestCommand:
    def test_writes_what_it_prints_and_sees_what_is_old(self, registry: Registry, tmp_path: Path) -> None:
        registry.register("plain", [Task("load", lambda: 1)])
        path = tmp_path / "new" / "jobs-flow.d.ts"

        types("--output", str(path))
        assert path.read_text("utf-8") == types()
        assert '"#.load": unknown;' in path.read_text("utf-8")
        types("--output", str(path), "--check")

        registry.register("plain", [Task("read", lambda: 1)])
        with pytest.raises(CommandError, match="not up to date"):
            types("--output", str(path), "--check")
        assert "#.load" in path.read_text("utf-8")

    def test_names_what_cannot_be_described_and_writes_the_others(self, registry: Registry, tmp_path: Path) -> None:
        registry.register("picky", lambda data: [Task(data["name"], lambda: 1)])
        registry.register("plain", [Task("load", lambda: 1)])
        path = tmp_path / "jobs-flow.d.ts"
        said = StringIO()

        with pytest.raises(CommandError, match="Not described: picky"):
            call_command("jobs_flow_types", "--output", str(path), stderr=said)

        assert "'picky'" in said.getvalue()
        assert "KeyError" in said.getvalue()
        assert "--data 'picky=JSON'" in said.getvalue()
        assert "#.load" in path.read_text("utf-8")
        assert '"#.x"' in types("--workflow", "picky", "--data", 'picky={"name": "x"}')

    @pytest.mark.parametrize(
        "wrong",
        [("--data", "plain"), ("--data", "plain=x"), ("--data", "plian={}"), ("--check",), ("--workflow", "none")],
    )
    def test_refuses_what_makes_no_sense(self, registry: Registry, wrong: tuple[str, ...]) -> None:
        registry.register("plain", [Task("load", lambda: 1)])
        with pytest.raises(CommandError):
            types(*wrong)


class TestDemo:
    def test_its_types_are_up_to_date(self, registry: Registry) -> None:
        registry.register(weather.NAME, weather.weather_report, example=weather.report_data())
        types("--workflow", weather.NAME, "--output", str(WRITTEN), "--check")

    def test_compiles_and_is_committed_as_it_is_built(self, node: tools.Node, tmp_path: Path) -> None:
        assert compile_(node, FRONTEND) == ""
        run(node, REACT, node.node, "scripts/demo.mjs", str(tmp_path))

        built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert sorted(built) == sorted(path.name for path in BUNDLE.iterdir())
        stale = [name for name, content in built.items() if content != (BUNDLE / name).read_bytes()]
        assert not stale, f"{', '.join(stale)} is not what the sources give: run `make clients`"

    def test_no_longer_compiles_when_a_task_is_renamed_in_python(
        self, node: tools.Node, registry: Registry, tmp_path: Path
    ) -> None:
        def renamed(data: weather.ReportData) -> list[Task]:
            *others, report = weather.weather_report(data)
            return [*others, Task("summary", report.task)]

        copy = _copied_frontend(tmp_path)
        path = copy / "src" / "jobs-flow.d.ts"
        registry.register(weather.NAME, weather.weather_report, example=weather.report_data())
        types("--output", str(path))
        assert compile_(node, copy) == ""

        registry.register(weather.NAME, renamed, example=weather.report_data())
        types("--output", str(path))
        said = compile_(node, copy)
        assert "'#.report'" in said.replace('"', "'").replace("''", "'")
        # Where it is used: the estimations of the page, and the result.
        assert {"page.tsx", "report.tsx"} <= {
            Path(line.split("(")[0]).name for line in said.splitlines() if "(" in line
        }


def _copied_frontend(directory: Path) -> Path:
    copy = directory / "frontend"
    shutil.copytree(FRONTEND, copy)
    configuration = copy / "tsconfig.json"
    text = configuration.read_text("utf-8").replace("../../clients", tools.CLIENTS.as_posix())
    configuration.write_text(text, "utf-8")
    return copy


#: An application of somebody else's, which uses everything.
APPLICATION = """
import {
  ContinuousProgression, Jobify, JobsProvider, Panel, Progress, Progression, Workflow,
  useConnection, useJob, useJobs, useJobsClient, type JobState,
} from "@jobs-flow/react";
import "./jobs-flow.js";

export function Page({ id }: { id: string | null }) {
  const job = useJob<"report">(id);
  const sure: string = useJob<"report">("x").workflow;
  const any: JobState | null = useJob(id);
  const text: string | undefined = job?.statuses["#.write"]?.body;
  const jobs: Readonly<Record<string, JobState>> = useJobs([id, "x"]);
  const client = useJobsClient();
  const start = async () => {
    const { id } = await client.create("report", { data: { year: 2026 }, execute: true });
    await client.execute<"report">(id, "#.write", null);
    await client.execute(id, "#.anything");
  };
  return (
    <JobsProvider url="/ws/jobs-flow/" words={{ back: "Back" }}>
      <Jobify<"report">
        jobId={id}
        component={(job) => <b>{job?.statuses["#.write"]?.body?.length}</b>}
        onDone={(job) => job.id}
      />
      <Jobify jobId={1} progression={(state: JobState) => <i>{state.progress}</i>} component={<b>view</b>} keep={100} />
      {job && <Progress state={job} />}
      {any && <Progress state={any} lines={3} />}
      <Progress jobId={id} label={sure + text} />
      <Progression ids={[id]} onTaskEnd={({ path, task }) => path + task.status} onError={({ error }) => error.code}>
        {({ socket, workflows }) => <b>{socket.connection + workflows["x"]?.progression}</b>}
      </Progression>
      <ContinuousProgression jobId={id} estimations={{ "#.write": 100 }} interval={40}>
        {(share) => share * 100}
      </ContinuousProgression>
      <Workflow jobId={id} panel={(path) => id && <Panel jobId={id} path={path} />} />
      <button onClick={start}>{useConnection() + Object.keys(jobs).join()}</button>
    </JobsProvider>
  );
}
"""
#: Each line of it is wrong.
MISTAKES = """
import { Jobify, useJob, useJobsClient } from "@jobs-flow/react";
import "./jobs-flow.js";

export const useMistakes = () => [
  useJob<"reports">("x"),
  useJob<"report">("x").statuses["#.rite"],
  useJob("x", { fold: "yes" }),
  useJobsClient().create("reports"),
  useJobsClient().create("report", { data: { year: "2026" } }),
  useJobsClient().execute<"report">("x", "#.rite"),
  <Jobify jobId="x" />,
];
"""


class TestApplication:
    @pytest.fixture
    def application(self, registry: Registry, tmp_path: Path) -> Path:
        """A directory with the package, and types of one workflow, as npm and the command put them there."""

        def report(data: dict[Literal["year"], int]) -> list[Task]:
            def write() -> str: ...

            return [Task("write", write)]

        registry.register("report", report)
        types("--output", str(tmp_path / "src" / "jobs-flow.d.ts"))
        for name, source, parts in (
            ("@jobs-flow/react", REACT, ("package.json", "dist")),
            ("@jobs-flow/client", tools.CLIENTS / "js", ("package.json", "dist")),
        ):
            for part in parts:
                _copy(source / part, tmp_path / "node_modules" / name / part)
        return tmp_path

    @pytest.mark.parametrize(
        ("version", "resolution"),
        [("19", {"module": "ESNext", "moduleResolution": "Bundler"}), ("18", {"module": "NodeNext"})],
    )
    def test_has_its_types_with_both_versions_of_react(
        self, node: tools.Node, application: Path, version: str, resolution: dict[str, str]
    ) -> None:
        modules = tools.CLIENTS / "node_modules"
        own = tools.CLIENTS / "react-18" / "node_modules" if version == "18" else modules
        for name, place in (("@types/react", own), ("@types/prop-types", modules), ("csstype", modules)):
            _copy(place / name, application / "node_modules" / name)
        options = {"strict": True, "noEmit": True, "jsx": "react-jsx", "target": "ES2022", "types": [], **resolution}
        (application / "package.json").write_text('{"type": "module"}')
        (application / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["src"]}))

        (application / "src" / "page.tsx").write_text(APPLICATION)
        assert compile_(node, application) == ""

        (application / "src" / "mistakes.tsx").write_text(MISTAKES)
        said = compile_(node, application)
        lines = {int(line.split("(")[1].split(",")[0]) for line in said.splitlines() if line.startswith(("src", "../"))}
        assert lines == set(range(6, 13)), said


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


# -- types and the values that they are of -------------------------------------------------------------

_SCALARS: Any = st.one_of(
    st.tuples(st.just(None), st.none()),
    st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(int), st.integers(-1000, 1000)),
    st.tuples(st.just(str), st.text(max_size=5)),
    st.tuples(st.just(Any), st.sampled_from([None, 1, "x", [1], {"a": 1}])),
    st.text(max_size=5).map(lambda text: (Literal[text], text)),
)


def _grown(pairs: Any) -> Any:
    return st.one_of(
        pairs.map(lambda pair: (list[pair[0]], [pair[1], pair[1]])),
        pairs.map(lambda pair: (tuple[pair[0], ...], [pair[1]])),
        st.tuples(st.text(max_size=5), pairs).map(lambda both: (dict[str, both[1][0]], {both[0]: both[1][1]})),
        st.tuples(pairs, pairs).map(lambda both: (tuple[both[0][0], both[1][0]], [both[0][1], both[1][1]])),
        st.tuples(pairs, pairs).map(
            lambda both: (both[0][0] | both[1][0] if _united(both) else both[0][0], both[0][1])
        ),
    )


def _united(both: Any) -> bool:
    try:
        return bool(both[0][0] | both[1][0]) or True
    except TypeError:  # None | None, and the like
        return False


class TestValues:
    # One program a run of the compiler, which takes a second; in it are many types.
    @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(pairs=st.lists(st.recursive(_SCALARS, _grown, max_leaves=6), min_size=150, max_size=200))
    def test_of_a_type_are_of_what_is_written_for_it(
        self, node: tools.Node, tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[Any, Any]]
    ) -> None:
        directory = tmp_path_factory.mktemp("values")
        interfaces = Interfaces()
        lines = [
            f"export const v{n}: {interfaces.of(hint)} = {json.dumps(value)};" for n, (hint, value) in enumerate(pairs)
        ]
        (directory / "values.ts").write_text("\n".join(lines), "utf-8")
        (directory / "tsconfig.json").write_text('{"compilerOptions": {"strict": true, "noEmit": true, "types": []}}')

        assert compile_(node, directory) == ""


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    # Types of React are many files, and pytest keeps directories of the last runs.
    shutil.rmtree(tmp_path / "node_modules", ignore_errors=True)
