"""Outcomes that are reported again, by the wrong one, or of a task that nobody holds."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Flow, Outcome
from jobs_flow.testing.scenario import ERROR, Scenario, failed, ok, task


class TestCompleteAgain:
    """Whoever completed and did not get the answer gets the same one, and nothing is written twice."""

    def again(self, scenario: Scenario, path: str, outcome: Outcome) -> None:
        scenario.claim(path)
        first = scenario.complete(path, outcome)
        before = scenario.snapshot
        assert scenario.complete(path, outcome) == first
        assert scenario.snapshot == before

    def test_in_a_sequence(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        self.again(scenario, "#.a", ok("#.a", logs=["line"]))
        self.again(scenario, "#.b", ok("#.b"))
        assert scenario.snapshot.instance.status == "done"

    def test_in_a_block(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        self.again(scenario, "#.a", ok("#.a"))
        self.again(scenario, "#.a.b", failed())
        self.again(scenario, "#.a.c", ok("#.a.c"))
        assert scenario.snapshot.instance.status == "failed"

    def test_what_was_claimed_since_is_not_queued_again(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.b")
        assert list(scenario.complete("#.a", ok("#.a")).queued) == ["#.a.c"]

    def test_with_what_the_token_begins_with(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.claim("#.a", "worker.7.x")
        first = scenario.complete("#.a", failed(), "worker.7.*")
        assert (first.recorded, first.finished) == (True, "failed")
        for token in ("worker.7.*", "worker.7.x", "*"):
            assert scenario.complete("#.a", failed(), token) == first
        assert not scenario.complete("#.a", failed(), "worker.8.*").recorded

    def test_not_in_another_run(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a")
        scenario.start()
        assert not scenario.complete("#.a", ok("#.a"), run=1).recorded


class TestCompleteRefused:
    """``recorded`` is False, and nothing has changed."""

    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        return scenario

    def refused(self, scenario: Scenario, path: str, token: str | None, run: int = 1) -> bool:
        before = scenario.snapshot
        done = scenario.complete(path, ok(path, "late", logs=["late"]), token, run)
        unchanged = scenario.snapshot == before and len(scenario.events()) == before.seq
        return unchanged and (done.recorded, list(done.queued), done.finished) == (False, [], None)

    def test_another_token(self, scenario: Scenario) -> None:
        scenario.claim("#.b", "mine")
        assert self.refused(scenario, "#.b", "other")
        assert self.refused(scenario, "#.b", "")
        assert scenario.complete("#.b", ok("#.b"), "mine").recorded

    def test_the_beginning_of_another_token(self, scenario: Scenario) -> None:
        scenario.claim("#.b", "mine.1")
        assert self.refused(scenario, "#.b", "mine.2*")
        assert self.refused(scenario, "#.b", "mine.")
        assert scenario.complete("#.b", ok("#.b"), "mine.*").recorded

    def test_queued_under_a_token(self, scenario: Scenario) -> None:
        assert self.refused(scenario, "#.b", "token")

    @pytest.mark.parametrize("token", ["token", None])
    def test_not_queued_yet(self, scenario: Scenario, token: str | None) -> None:
        assert self.refused(scenario, "#.c", token)

    @pytest.mark.parametrize("token", ["another", None])
    def test_twice(self, scenario: Scenario, token: str | None) -> None:
        scenario.do("#.b")
        assert self.refused(scenario, "#.b", token)
        assert self.refused(scenario, "#.a", token)

    @pytest.mark.parametrize("token", ["token", None])
    @pytest.mark.parametrize("run", [0, 2])
    def test_another_run(self, scenario: Scenario, token: str | None, run: int) -> None:
        scenario.claim("#.b")
        assert self.refused(scenario, "#.b", token, run)

    @pytest.mark.parametrize("token", ["another", None])
    def test_the_run_is_over(self, scenario: Scenario, token: str | None) -> None:
        scenario.do("#.b", failed())
        assert [self.refused(scenario, path, token) for path in ("#.a", "#.b", "#.c")] == [True] * 3

    @pytest.mark.parametrize("token", ["token", None])
    def test_the_run_before(self, scenario: Scenario, token: str | None) -> None:
        scenario.do("#.b", failed())
        scenario.start()
        scenario.claim("#.a", "new")
        assert self.refused(scenario, "#.a", token, run=1)

    @pytest.mark.parametrize("token", ["token", None])
    def test_a_reverted_run(self, storage: Storage, token: str | None) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        storage.revert_run(scenario.id, 1, ERROR)
        assert self.refused(scenario, "#.a", token)

    def test_unknown(self, storage: Storage, scenario: Scenario) -> None:
        for instance_id, path in (("nobody", "#.a"), (scenario.id, "#.nobody")):
            done = storage.complete(instance_id, path, 1, token=None, outcome=ok(path), flow=Flow())
            assert not done.recorded
        assert storage.get_task(scenario.id, "#.nobody") is None


class TestReports:
    """``token=None``: somebody reports of a queued task what no step can."""

    def test_of_a_queued_task(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        assert scenario.complete("#.a", failed({"code": "UNKNOWN_TASK", "message": "not registered"}), None).recorded
        record = scenario.task("#.a")
        assert (record["status"], record["executionTime"], record["duration"]) == ("failed", None, None)
        assert record["finishedAt"] is not None
        assert scenario.instance.status == "failed"

    def test_not_of_a_running_task(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a")
        before = scenario.snapshot
        assert not scenario.complete("#.a", failed({"code": "WORKER_LOST", "message": "SIGKILL"}), None).recorded
        assert scenario.snapshot == before
        assert scenario.complete("#.a", ok("#.a")).recorded

    def test_counts_down_once(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        scenario.do("#.a")
        reports = [scenario.complete("#.a.b", failed(), None).recorded for _ in range(3)]
        assert reports == [True, False, False]
        assert scenario.instance.status == "working"
        assert scenario.do("#.a.c").finished == "failed"
