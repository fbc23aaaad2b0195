"""What is asked of a run from outside: to stop, to wait; and the updaters of what it did."""

from __future__ import annotations

import json

import pytest

from jobs_flow.errors import InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Grip
from jobs_flow.testing.scenario import Scenario, cancelled, failed, ok, skipped, task


class TestCancel:
    def blocks(self, storage: Storage) -> Scenario:
        """Of a block of two the one runs, the other, a block itself, is queued."""
        scenario = Scenario(storage, task("a", task("b"), task("bc", task("d"))), task("e"))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.b")
        return scenario

    def test_all(self, storage: Storage) -> None:
        scenario = self.blocks(storage)
        before = scenario.snapshot
        header = storage.cancel(scenario.id, "#")
        assert header == scenario.instance
        assert (header.cancelled, header.undo, header.status) == (("#",), None, "working")
        assert scenario.last_event() == {"run": 1, "instance": {"cancelled": ["#"]}}
        assert scenario.snapshot.tasks == before.tasks
        assert scenario.claim("#.a.bc", "other").state == "cancelled"
        assert scenario.grip("#.a.b") is Grip.CANCELLED

    def test_a_part(self, storage: Storage) -> None:
        scenario = self.blocks(storage)
        header = storage.cancel(scenario.id, "#.a.b")
        assert header is not None
        assert header.cancelled == ("#.a.b",)
        assert scenario.grip("#.a.b") is Grip.CANCELLED
        assert scenario.claim("#.a.bc", "other").state == "granted", "a name that begins alike is another task"
        assert scenario.grip("#.a.bc", "other") is Grip.HELD

    def test_what_is_below(self, storage: Storage) -> None:
        scenario = self.blocks(storage)
        scenario.do("#.a.bc", token="other")
        storage.cancel(scenario.id, "#.a.bc")
        assert scenario.claim("#.a.bc.d").state == "cancelled"
        assert scenario.grip("#.a.b") is Grip.HELD

    def test_several_parts(self, storage: Storage) -> None:
        scenario = self.blocks(storage)
        storage.cancel(scenario.id, "#.e")
        header = storage.cancel(scenario.id, "#.a.b")
        assert header is not None
        assert set(header.cancelled) == {"#.e", "#.a.b"}
        assert scenario.grip("#.a.b") is Grip.CANCELLED

    def test_the_rest_as_cancelled_ends_the_run(self, storage: Storage) -> None:
        scenario = self.blocks(storage)
        storage.cancel(scenario.id, "#")
        assert scenario.complete("#.a.bc", cancelled(), None).recorded
        done = scenario.complete("#.a.b", cancelled())
        assert (list(done.queued), done.finished) == ([], "cancelled")

    def test_one_that_ends_well_all_the_same(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.claim("#.a")
        storage.cancel(scenario.id, "#")
        assert list(scenario.complete("#.a", ok("#.a")).queued) == ["#.b"]
        assert scenario.claim("#.b").state == "cancelled"
        assert scenario.complete("#.b", cancelled(), None).finished == "cancelled"

    def test_undo_is_noted(self, storage: Storage) -> None:
        scenario = self.blocks(storage)
        storage.cancel(scenario.id, "#")
        header = storage.cancel(scenario.id, "#", undo=True)
        assert header is not None
        assert (header.cancelled, header.undo) == (("#",), "wanted")
        assert scenario.instance.undo == "wanted"

    def test_not_working(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        assert storage.cancel(scenario.id, "#", undo=True) is None
        scenario.start()
        scenario.do("#.a")
        before = scenario.snapshot
        assert storage.cancel(scenario.id, "#", undo=True) is None
        assert scenario.snapshot == before

    def test_the_next_run_begins_without(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        storage.cancel(scenario.id, "#", undo=True)
        scenario.complete("#.a", cancelled(), None)
        scenario.start()
        assert (scenario.instance.cancelled, scenario.instance.undo) == ((), None)
        assert scenario.claim("#.a").state == "granted"

    def test_a_task_that_waits_for_its_retry_is_early(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a")
        scenario.retry("#.a", 600_000)
        storage.cancel(scenario.id, "#")
        assert scenario.claim("#.a").state == "early"
        assert scenario.complete("#.a", cancelled(), None).finished == "cancelled"

    def test_unknown(self, storage: Storage) -> None:
        with pytest.raises(InstanceNotFound):
            storage.cancel("nobody", "#")


class TestPause:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        return scenario

    def test_claims_wait(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.snapshot
        header = storage.pause(scenario.id, True)
        assert header == scenario.instance
        assert header.paused is True
        assert scenario.last_event() == {"run": 1, "instance": {"paused": True}}
        assert scenario.claim("#.a").state == "paused"
        assert scenario.snapshot.tasks == before.tasks
        assert storage.pause(scenario.id, False).paused is False
        assert scenario.last_event() == {"run": 1, "instance": {"paused": False}}
        assert scenario.claim("#.a").state == "granted"

    def test_what_runs_goes_on(self, storage: Storage, scenario: Scenario) -> None:
        scenario.claim("#.a")
        storage.pause(scenario.id, True)
        assert scenario.grip("#.a") is Grip.HELD
        assert scenario.claim("#.a").state == "granted", "its answer was lost"
        assert list(scenario.complete("#.a", ok("#.a")).queued) == ["#.b"]
        assert scenario.claim("#.b").state == "paused"

    def test_cancelled_comes_before_paused(self, storage: Storage, scenario: Scenario) -> None:
        storage.pause(scenario.id, True)
        storage.cancel(scenario.id, "#")
        assert scenario.claim("#.a").state == "cancelled"
        assert scenario.complete("#.a", cancelled(), None).recorded

    def test_it_ends_with_the_next_start(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a", failed())
        assert storage.pause(scenario.id, True).paused
        scenario.start()
        assert not scenario.instance.paused
        assert scenario.claim("#.a").state == "granted"

    def test_twice(self, storage: Storage, scenario: Scenario) -> None:
        for wanted in (True, True, False, False):
            assert storage.pause(scenario.id, wanted).paused is wanted

    def test_unknown(self, storage: Storage) -> None:
        with pytest.raises(InstanceNotFound):
            storage.pause("nobody", True)


class TestUpdaters:
    ONE, TWO = '[{"$set": {"x": 1}}]', '[{"$push": {"é": [null]}}, {"$unset": ["y"]}]'

    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"), task("c"), task("d"))
        scenario.start()
        return scenario

    def claimed(self, scenario: Scenario, path: str) -> dict[str, object]:
        return {path: json.loads(text) for path, text in scenario.claim(path).updaters.items()}

    def test_a_claim_brings_those_of_all_tasks(self, scenario: Scenario) -> None:
        assert self.claimed(scenario, "#.a") == {}
        scenario.complete("#.a", ok("#.a", updaters=self.ONE))
        assert self.claimed(scenario, "#.b") == {"#.a": json.loads(self.ONE)}
        scenario.complete("#.b", skipped(updaters=self.TWO))
        assert self.claimed(scenario, "#.c") == {"#.a": json.loads(self.ONE), "#.b": json.loads(self.TWO)}

    @pytest.mark.parametrize("none", [None, "[]", "[ ]"])
    def test_none(self, scenario: Scenario, none: str | None) -> None:
        scenario.do("#.a", ok("#.a", updaters=none))
        assert scenario.task("#.a")["updaters"] == []
        assert self.claimed(scenario, "#.b") == {}

    def test_replaced(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", updaters=self.ONE))
        assert storage.set_updaters(scenario.id, "#.a", self.TWO) is True
        assert scenario.task("#.a")["updaters"] == json.loads(self.TWO)
        assert scenario.last_event() == {"run": 1, "tasks": {"#.a": {"updaters": json.loads(self.TWO)}}}
        assert self.claimed(scenario, "#.b") == {"#.a": json.loads(self.TWO)}

    def test_taken_away(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", updaters=self.ONE))
        assert storage.set_updaters(scenario.id, "#.a", "[]") is True
        assert scenario.task("#.a")["updaters"] == []
        assert self.claimed(scenario, "#.b") == {}

    def test_added(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a")
        assert storage.set_updaters(scenario.id, "#.a", self.ONE) is True
        assert self.claimed(scenario, "#.b") == {"#.a": json.loads(self.ONE)}

    def test_of_an_ok_task_only(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a", skipped())
        scenario.claim("#.b")
        before = scenario.snapshot
        for path in ("#.a", "#.b", "#.c", "#.nobody"):
            assert storage.set_updaters(scenario.id, path, self.ONE) is False
        assert storage.set_updaters("nobody", "#.a", self.ONE) is False
        assert scenario.snapshot == before
        scenario.complete("#.b", failed())
        assert storage.set_updaters(scenario.id, "#.b", self.ONE) is False

    def test_after_the_run(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a")
        scenario.do("#.b", failed())
        assert storage.set_updaters(scenario.id, "#.a", self.ONE) is True
        assert scenario.instance.status == "failed"

    def test_gone_with_the_record(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", updaters=self.ONE))
        scenario.do("#.b", failed())
        scenario.start()
        assert self.claimed(scenario, "#.a") == {}
        scenario.complete("#.a", ok("#.a", updaters=self.ONE))
        scenario.do("#.b", failed())
        storage.reset(scenario.id, ["#.a"])
        scenario.start()
        assert self.claimed(scenario, "#.a") == {}
