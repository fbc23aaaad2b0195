"""``celery -A proj flow …`` on a real storage."""

from __future__ import annotations

import configparser
import importlib
import json
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from celery.bin.celery import celery
from click.testing import CliRunner, Result

from jobs_flow.backends.celery.cli import flow
from scripts.environment import ROOT

Run = Callable[..., Result]


@pytest.fixture
def run(engine: ModuleType) -> Iterator[Run]:
    """Runs ``celery -A engine flow …`` here."""
    celery.add_command(flow)
    yield lambda *words: CliRunner().invoke(celery, ["-A", engine.__name__, "flow", *words])
    celery.commands.pop("flow")


def made(engine: ModuleType) -> str:
    """An instance that nobody executes."""
    found: str = engine.jobs.create_workflow_instance("skipped_block")
    return found


class TestCommands:
    def test_the_package_declares_the_command(self) -> None:
        parser = configparser.ConfigParser()
        parser.read(ROOT / "setup.cfg")
        name, _, place = parser["options.entry_points"]["celery.commands"].strip().partition(" = ")
        module, _, function = place.partition(":")
        assert name == "flow"
        assert getattr(importlib.import_module(module), function) is flow

    def test_show(self, engine: ModuleType, run: Run) -> None:
        id = made(engine)
        said = run("show", id)
        assert said.exit_code == 0
        assert f"{id}  skipped_block  inactive  0%  run 0" in said.output
        assert "inactive   #.b.x" in said.output
        assert json.loads(run("show", id, "--json").output)["tasks"]["#.b.y"]["status"] == "inactive"

    def test_doctor_and_changed(self, engine: ModuleType, run: Run) -> None:
        id = made(engine)
        assert (run("doctor").exit_code, run("changed").exit_code) == (0, 0)
        engine.jobs.register_workflow("skipped_block", engine.chained(2))
        engine.jobs.runtime._plans.clear()
        said = run("changed")
        assert said.exit_code == 1
        assert f"{id} skipped_block" in said.output

    def test_steering(self, engine: ModuleType, run: Run) -> None:
        id = made(engine)
        assert "#.a\n#.b\n" in run("resume", id, "--preview").output
        engine.jobs.execute_all_tasks(id)
        assert "paused" in run("pause", id).output
        assert engine.jobs.storage.get_instance(id).paused
        assert "it goes on" in run("unpause", id).output
        assert "was not paused" in run("unpause", id).output
        assert "asked to stop" in run("cancel", id).output
        assert engine.jobs.get_workflow(id)["status"] == "cancelled"
        assert "nothing to stop" in run("cancel", id).output
        assert run("reset", id).exit_code == 0
        assert engine.jobs.get_workflow(id)["status"] == "inactive"
        assert "run 2 was started" in run("resume", id, "--mode", "all").output
        assert run("recover").exit_code == 0
        assert run("destroy", id).exit_code == 0
        assert run("destroy", id).exit_code == 1

    def test_prune(self, engine: ModuleType, run: Run) -> None:
        id, over = made(engine), made(engine)
        engine.jobs.execute_all_tasks(over)
        engine.jobs.cancel(over)
        assert "0 removed" in run("prune").output
        assert "0 removed" in run("prune", "--older-than", "1h").output
        assert "skipped_block: 1\n1 would be removed" in run("prune", "--older-than", "0", "--dry-run").output
        assert "0 removed" in run("prune", "--older-than", "0", "--status", "done, failed").output
        assert "0 removed" in run("prune", "--older-than", "0", "--workflow", "chain").output
        said = run("prune", "--older-than", "0", "--limit", "5", "--status", "cancelled", "--orphans")
        assert (said.exit_code, said.output) == (0, "skipped_block: 1\n1 removed\n")
        assert engine.jobs.storage.list_ids() == [id]
        for wrong in (("--older-than", "soon"), ("--status", "working"), ("--workflow", "nothing")):
            said = run("prune", *wrong)
            assert said.exit_code == 1
            assert "Traceback" not in said.output
        assert run("prune", "--limit", "0").exit_code == 2

    @pytest.mark.parametrize("command", ["show", "resume", "cancel", "reset"])
    def test_an_error_is_its_code_and_message(self, run: Run, command: str) -> None:
        said = run(command, "nobody")
        assert said.exit_code == 1
        assert "INSTANCE_NOT_FOUND" in said.output
        assert "Traceback" not in said.output

    def test_an_application_without_jobs_flow(self) -> None:
        celery.add_command(flow)
        said = CliRunner().invoke(celery, ["-A", "celery.app.base:Celery()", "flow", "doctor"])
        celery.commands.pop("flow")
        assert said.exit_code != 0
