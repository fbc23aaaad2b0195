"""Pictures by the facade, ``celery -A proj flow draw`` and ``manage.py jobs_flow_draw``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from celery.bin.celery import celery
from click.testing import CliRunner, Result
from django.core.management import CommandError, call_command

from jobs_flow import Jobs, Task
from jobs_flow.backends.celery.cli import FORMATS, flow
from jobs_flow.errors import DefinitionError, InstanceNotFound, InvalidArgument, UnknownWorkflow
from jobs_flow.workflows import drawing
from jobs_flow.workflows.registry import Registry
from jobs_flow_django import jobs
from scripts.environment import ROOT
from tests.support import flows


class TestFacade:
    @pytest.fixture
    def own(self) -> Jobs:
        """Workflows of this test alone."""
        own = Jobs(backend="sync", storage="memory://", registry=Registry())

        @own.register_workflow("months")
        def months(data: Any) -> list[Task]:
            names = data["names"] if data else ["may"]
            return [
                Task("load", lambda res: 1),
                Task("each", subtasks=[Task(name, lambda res: 1 / 0) for name in names]),
            ]

        return own

    def test_a_workflow_for_its_data(self, own: Jobs) -> None:
        assert "t_each__may[" in own.draw("months")
        text = own.draw("months", {"names": ["june", "july"]})
        assert "j_each" in text
        assert 'title: "months"' in text
        root = ET.fromstring(own.draw("months", format="svg"))
        assert root.attrib["aria-label"] == "months"

    def test_a_run_as_it_is_and_without_its_code(self, own: Jobs) -> None:
        instance = own.create_workflow_instance("months", {"names": ["june", "july"]}, name="Summer", execute=True)
        own.registry.register("months", [Task("other", lambda res: 1)])
        text = own.draw_run(instance)
        assert 'title: "Summer (failed)"' in text
        assert "t_load ==> t_each" in text
        assert text.count(":::failed") == 2
        assert "division" not in text + own.draw_run(instance, format="svg")

    async def test_coroutines(self, own: Jobs) -> None:
        instance = await own.acreate_workflow_instance("months")
        assert await own.adraw("months") == own.draw("months")
        assert await own.adraw_run(instance, format="svg") == own.draw_run(instance, format="svg")

    def test_what_cannot_be_drawn(self, own: Jobs) -> None:
        with pytest.raises(InvalidArgument, match="one of mermaid, svg, not 'png'"):
            own.draw("months", format="png")
        with pytest.raises(UnknownWorkflow, match="Known names: months"):
            own.draw("nonsense")
        with pytest.raises(InstanceNotFound):
            own.draw_run("nonsense")
        with pytest.raises(UnknownWorkflow, match="nor is it the id of an instance"):
            own.draw_any("nonsense")
        with pytest.raises(InvalidArgument, match="not JSON"):
            own.draw_any("months", data="{")

    def test_a_workflow_that_needs_data_says_how_to_give_it(self, own: Jobs) -> None:
        own.register_workflow("many", lambda data: [Task(f"t{n}", lambda: 1) for n in range(data["count"])])
        with pytest.raises(DefinitionError, match=r"NoneType.*--data JSON, or @workflow\('many', example=…\)"):
            own.draw_any("many")
        with pytest.raises(DefinitionError, match=r"KeyError: 'count'$"):
            own.draw_any("many", data="{}")
        assert "t_t1" in own.draw_any("many", data='{"count": 2}')
        own.register_workflow(
            "many", lambda data: [Task(f"t{n}", lambda: 1) for n in range(data["count"])], example={"count": 1}
        )
        assert "t_t0" in own.draw_any("many")

    def test_the_documented_example_is_what_is_drawn(self) -> None:
        text = (ROOT / "docs" / "howto" / "drawings.md").read_text("utf-8")
        assert f"```mermaid\n{jobs.draw('behaviour_parallel')}```\n" in text

    def test_the_command_knows_every_format(self) -> None:
        assert drawing.FORMATS == FORMATS


class TestCelery:
    @pytest.fixture
    def run(self, engine: Any) -> Iterator[Callable[..., Result]]:
        """Runs ``celery -A engine flow draw …`` here."""
        celery.add_command(flow)
        yield lambda *words: CliRunner().invoke(celery, ["-A", engine.__name__, "flow", "draw", *words])
        celery.commands.pop("flow")

    def test_to_the_output_and_to_a_file(self, engine: Any, run: Callable[..., Result], tmp_path: Path) -> None:
        said = run("skipped_block")
        assert (said.exit_code, said.output) == (0, engine.jobs.draw("skipped_block"))
        instance = engine.jobs.create_workflow_instance("skipped_block")
        file = tmp_path / "run.svg"
        said = run(instance, "--format", "svg", "-o", str(file))
        assert (said.exit_code, said.output) == (0, "")
        assert file.read_text("utf-8") == engine.jobs.draw_run(instance, format="svg")

    def test_errors_are_sentences(self, run: Callable[..., Result], tmp_path: Path) -> None:
        for words, reason in (
            (("nonsense",), "UNKNOWN_WORKFLOW: No workflow is registered under the name 'nonsense'"),
            (("skipped_block", "--data", "{"), "INVALID_ARGUMENT"),
            (("skipped_block", "-o", str(tmp_path / "none" / "x.svg")), "No such file or directory"),
        ):
            said = run(*words)
            assert said.exit_code == 1
            assert reason in said.output
            assert "Traceback" not in said.output


@pytest.mark.django_db(transaction=True)
class TestManage:
    @pytest.fixture(autouse=True)
    def sync_jobs(self, settings: Any) -> None:
        """Instances run at once."""
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}

    def test_a_workflow_and_a_run(self, tmp_path: Path) -> None:
        said = StringIO()
        call_command("jobs_flow_draw", "flow_tree", stdout=said)
        assert said.getvalue() == jobs.draw("flow_tree")
        instance = jobs.create_workflow_instance("flow_hostile", execute=True)
        file = tmp_path / "run.svg"
        call_command("jobs_flow_draw", instance, "--format", "svg", "-o", str(file))
        text = file.read_text("utf-8")
        assert not any("script" in element.tag for element in ET.fromstring(text).iter())
        assert flows.HOSTILE not in text

    def test_errors_are_sentences(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="nor is it the id of an instance"):
            call_command("jobs_flow_draw", "nonsense")
        with pytest.raises(CommandError, match="not JSON"):
            call_command("jobs_flow_draw", "flow_tree", "--data", "{")
        with pytest.raises(CommandError, match="No such file or directory"):
            call_command("jobs_flow_draw", "flow_tree", "-o", str(tmp_path / "none" / "x"))
