"""Taking a queued task: who gets it, and what everybody else is told."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Input, RunSelection
from jobs_flow.testing.scenario import Scenario, failed, ok, task


class TestClaimGranted:
    def test_the_record_runs_under_the_worker(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        claim = scenario.claim("#.a", worker="celery@here")
        assert (claim.state, claim.attempt, claim.argument, dict(claim.inputs)) == ("granted", 1, None, {})
        record = scenario.task("#.a")
        assert (record["status"], record["attempt"], record["worker"]) == ("running", 1, "celery@here")
        assert record["executionTime"] == claim.execution_time >= record["queuedAt"]
        assert (record["finishedAt"], record["duration"]) == (None, None)

    def test_event(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        claim = scenario.claim("#.a")
        assert scenario.events(2)[0].data == {
            "run": 1,
            "tasks": {"#.a": {"status": "running", "executionTime": claim.execution_time, "attempt": 1}},
        }

    def test_attempts_are_counted_from_the_start_of_the_run(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        for _ in range(2):
            scenario.start()
            assert scenario.claim("#.a").attempt == 1
            scenario.complete("#.a", failed())

    def test_a_claim_whose_answer_was_lost_is_answered_again(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start(argument="[0]")
        first = scenario.claim("#.a", inputs=["#.a"])
        before = scenario.snapshot
        assert scenario.claim("#.a", inputs=["#.a"]) == first
        assert scenario.snapshot == before
        scenario.complete("#.a", failed())
        assert scenario.claim("#.a").state == "halted"

    def test_inputs_come_along(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a", ok("#.a", [1]))
        claim = scenario.claim("#.b", inputs=["#.a", "#.c", "#.nobody"])
        executed = scenario.snapshot.tasks["#.a"]["executionTime"]
        assert dict(claim.inputs) == {
            "#.a": Input("ok", "#.a", executed, "[1]"),
            "#.c": Input("inactive", None, None, None),
        }


class TestClaimRefusals:
    """Each refusal is provoked with everything that is checked later being wrong too."""

    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        return scenario

    def test_gone_instance(self, storage: Storage) -> None:
        claim = storage.claim("nobody", "#.a", 1, token="t", worker="w", revision=None, inputs=(), lease=1_000)
        assert (claim.state, claim.header) == ("gone", None)

    def test_gone_path(self, scenario: Scenario) -> None:
        assert scenario.claim("#.nobody", run=9, revision=None).state == "gone"

    @pytest.mark.parametrize("run", [0, 2])
    def test_stale_comes_before_header(self, scenario: Scenario, run: int) -> None:
        assert scenario.claim("#.a", run=run, revision=None).state == "stale"

    @pytest.mark.parametrize("revision", [None, 99])
    def test_header_comes_before_halted(self, scenario: Scenario, revision: int | None) -> None:
        scenario.do("#.b", failed())
        claim = scenario.claim("#.b", revision=revision)
        assert claim.state == "header"
        assert claim.header == scenario.instance

    def test_header_comes_before_the_status(self, scenario: Scenario) -> None:
        assert scenario.claim("#.a", revision=None).state == "header"
        assert scenario.claim("#.c", revision=None).state == "header"

    def test_header_gives_a_revision_that_is_accepted(self, scenario: Scenario) -> None:
        header = scenario.claim("#.b", revision=None).header
        assert header is not None
        assert scenario.claim("#.b", revision=header.revision).state == "granted"

    def test_halted_comes_before_the_status(self, scenario: Scenario) -> None:
        scenario.do("#.b", failed())
        assert [scenario.claim(path).state for path in ("#.a", "#.b", "#.c")] == ["halted"] * 3

    def test_early(self, scenario: Scenario) -> None:
        assert scenario.claim("#.c").state == "early"

    def test_running(self, scenario: Scenario) -> None:
        assert scenario.claim("#.b", "first").state == "granted"
        assert scenario.claim("#.b", "second").state == "running"

    @pytest.mark.parametrize("status", ["ok", "skipped", "failed"])
    def test_ended(self, storage: Storage, status: str) -> None:
        scenario = Scenario(storage, task("a", on_failure="continue"), task("b"))
        scenario.start()
        outcome = {"ok": ok("#.a"), "failed": failed(tolerated=True)}.get(status)
        scenario.do("#.a", outcome or type(ok("#.a"))("skipped"))
        assert scenario.claim("#.a").state == "ended"

    def test_early_comes_before_cancelled_and_paused(self, storage: Storage, scenario: Scenario) -> None:
        storage.cancel(scenario.id, "#")
        storage.pause(scenario.id, True)
        assert scenario.claim("#.c").state == "early"
        assert scenario.claim("#.a").state == "ended"
        assert scenario.claim("#.b", run=0).state == "stale"
        assert scenario.claim("#.b", revision=None).state == "header"
        assert scenario.claim("#.b").state == "cancelled"

    def test_running_comes_before_cancelled_and_paused(self, storage: Storage, scenario: Scenario) -> None:
        scenario.claim("#.b", "first")
        storage.cancel(scenario.id, "#")
        storage.pause(scenario.id, True)
        assert scenario.claim("#.b", "second").state == "running"
        assert scenario.claim("#.b", "first").state == "granted"

    def test_a_path_that_the_run_does_not_select(self, scenario: Scenario) -> None:
        scenario.do("#.b", failed())
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert scenario.claim("#.a").state in ("stale", "ended")
        assert scenario.claim("#.c").state in ("stale", "early")

    def test_a_refusal_changes_nothing_and_carries_nothing(self, scenario: Scenario) -> None:
        scenario.claim("#.b", "holder")
        before = scenario.snapshot
        refused = [
            scenario.claim("#.b", "other", inputs=["#.a"]),
            scenario.claim("#.b", "other", run=7, inputs=["#.a"]),
            scenario.claim("#.b", "other", revision=None, inputs=["#.a"]),
            scenario.claim("#.c", "other", inputs=["#.a"]),
            scenario.claim("#.a", "other", inputs=["#.a"]),
        ]
        assert [claim.state for claim in refused] == ["running", "stale", "header", "early", "ended"]
        for claim in refused:
            assert (claim.argument, dict(claim.inputs), claim.attempt) == (None, {}, 0)
            assert (claim.header is not None) == (claim.state == "header")
        assert scenario.snapshot == before
        assert scenario.complete("#.b", ok("#.b"), "holder").recorded
