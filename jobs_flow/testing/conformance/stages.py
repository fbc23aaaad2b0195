"""Runs of parts that do not follow each other: a resume leaves out what has passed."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import RunSelection, Waiting
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import GONE, Scenario, failed, lengths, ok, skipped, task


class Resumed:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """Root tasks a to e; b is a block of x and y. A run has ended, all is ok but ``#.b.x``, ``#.d`` and ``#.e``."""
        scenario = Scenario(storage, task("a"), task("b", task("x"), task("y")), task("c"), task("d"), task("e"))
        scenario.start()
        for path in ("#.a", "#.b", "#.b.y"):
            scenario.do(path)
        scenario.do("#.b.x", failed())
        scenario.start(RunSelection(["#.c"], ["#.c"], {}))
        scenario.do("#.c")
        return scenario


PATHS = ["#.b.x", "#.d", "#.e"]
#: Whether the heads are a stage of their own or stand before all stages is the caller's choice.
STAGES = pytest.mark.parametrize(
    "stages", [[["#.b.x"], ["#.d"], ["#.e"]], [["#.d"], ["#.e"]]], ids=["heads too", "later ones"]
)


def resume(scenario: Scenario, stages: list[list[str]], **fields: Any) -> None:
    scenario.start(RunSelection(PATHS, ["#.b.x"], {"#.b": 1}, stages=stages, **fields))


@STAGES
class TestStages(Resumed):
    def test_each_after_the_one_before(self, scenario: Scenario, stages: list[list[str]]) -> None:
        kept = {path: scenario.task(path) for path in ("#.a", "#.b", "#.b.y", "#.c")}
        resume(scenario, stages)
        assert list(scenario.do("#.b.x").queued) == ["#.d"], "what lies between is left out"
        assert list(scenario.do("#.d").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"
        assert {path: scenario.task(path) for path in kept} == kept

    def test_a_failure_ends_the_run(self, scenario: Scenario, stages: list[list[str]]) -> None:
        resume(scenario, stages)
        scenario.do("#.b.x")
        done = scenario.do("#.d", failed())
        assert (list(done.queued), done.finished) == ([], "failed")
        assert scenario.statuses["#.e"] == "inactive"

    def test_a_tolerated_failure_does_not(self, scenario: Scenario, stages: list[list[str]]) -> None:
        resume(scenario, stages)
        scenario.do("#.b.x")
        assert list(scenario.do("#.d", failed(tolerated=True)).queued) == ["#.e"]

    def test_skipped(self, scenario: Scenario, stages: list[list[str]]) -> None:
        resume(scenario, stages)
        scenario.do("#.b.x")
        assert list(scenario.do("#.d", skipped()).queued) == ["#.e"]

    def test_asked_again(self, scenario: Scenario, stages: list[list[str]]) -> None:
        resume(scenario, stages)
        scenario.claim("#.b.x")
        first = scenario.complete("#.b.x", ok("#.b.x"))
        before = scenario.snapshot
        assert scenario.complete("#.b.x", ok("#.b.x")) == first
        assert scenario.snapshot == before
        scenario.claim("#.d", "next")
        assert list(scenario.complete("#.b.x", ok("#.b.x")).queued) == []

    def test_they_wait_as_the_selection_says(
        self, storage: Storage, scenario: Scenario, stages: list[list[str]]
    ) -> None:
        resume(scenario, stages, lane="q", waiting={"#.d": Waiting("slow", GONE)})
        assert soon(lengths, storage) == {"q": 1}
        scenario.do("#.b.x")
        assert soon(lengths, storage) == {"slow": 1}
        assert scenario.kinds() == {("waiting", "#.d")}
        scenario.do("#.d")
        assert soon(lengths, storage) == {"q": 1}

    def test_the_next_run_has_none(self, scenario: Scenario, stages: list[list[str]]) -> None:
        resume(scenario, stages)
        scenario.do("#.b.x", failed())
        scenario.start()
        assert list(scenario.do("#.a").queued) == ["#.b"]


class TestWideStages:
    def test_a_stage_of_several_that_join(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("x"), task("y"), task("z")), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        for name in "xyz":
            scenario.do(f"#.a.{name}", failed() if name != "y" else None)
        heads = ["#.a.x", "#.a.z"]
        scenario.start(RunSelection([*heads, "#.c"], heads, {"#.a": 2}, stages=[heads, ["#.c"]]))
        assert list(scenario.do("#.a.z").queued) == []
        assert list(scenario.do("#.a.x").queued) == ["#.c"]
        assert scenario.do("#.c").finished == "inactive", "#.b has not run"

    def test_a_later_stage_of_several(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b", task("x"), task("y")), task("c"))
        later = ["#.b.x", "#.b.y"]
        scenario.start(RunSelection(["#.a", *later, "#.c"], ["#.a"], {"#.b": 2}, stages=[["#.a"], later, ["#.c"]]))
        assert list(scenario.do("#.a").queued) == later
        assert list(scenario.do("#.b.x").queued) == []
        assert list(scenario.do("#.b.y").queued) == ["#.c"]

    def test_children_of_a_stage_come_before_the_next(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("x"), task("y")), task("b"), task("c"))
        paths = ["#.a", "#.a.x", "#.a.y", "#.c"]
        scenario.start(RunSelection(paths, ["#.a"], {"#.a": 2}, stages=[["#.a"], ["#.c"]]))
        assert list(scenario.do("#.a").queued) == ["#.a.x", "#.a.y"]
        assert list(scenario.do("#.a.x").queued) == []
        assert list(scenario.do("#.a.y").queued) == ["#.c"]
