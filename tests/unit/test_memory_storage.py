"""What MemoryStorage has beyond the contract: a clock that can be set, and the lives of event loops."""

from __future__ import annotations

import asyncio
import dataclasses
from itertools import pairwise
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory import MemoryStorage, wall_clock
from jobs_flow.storages.records import (
    EPHEMERAL_KEPT,
    NOTICE_DELAY,
    TOMBSTONE_KEPT,
    Due,
    Event,
    Flow,
    Grip,
    Hold,
    NewInstance,
    Outcome,
    Queued,
    RunSelection,
    Waiting,
)

NEW = NewInstance("id", "workflow", {}, {}, "fingerprint", [], ["#.a"])
SELECTION = RunSelection(["#.a"], ["#.a"], {})


class Clock:
    """Epoch milliseconds that stand still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


class TestClock:
    def run(self, storage: Storage, clock: Clock, *times: int) -> dict[str, Any]:
        """The header's and the record's times of a run whose start, claim and end are at ``times``."""
        clock.now, claimed, ended = times
        storage.start_run("id", SELECTION)
        clock.now = claimed
        storage.claim("id", "#.a", 1, token="t", worker="w", revision=1, inputs=[], lease=1_000)
        clock.now = ended
        storage.complete("id", "#.a", 1, token="t", outcome=Outcome("ok"), flow=Flow())
        instance, record = storage.get_instance("id"), storage.get_task("id", "#.a")
        assert instance is not None
        assert record is not None
        times_of = {name: getattr(instance, name) for name in ("created_at", "started_at", "finished_at", "updated_at")}
        return times_of | {name: record[name] for name in ("queuedAt", "executionTime", "finishedAt", "duration")}

    def test_times_are_the_clock_s(self) -> None:
        clock = Clock()
        storage = MemoryStorage(clock=clock)
        storage.create_instance(NEW)
        assert self.run(storage, clock, 1_100, 1_200, 1_250) == {
            "created_at": 1_000,
            "started_at": 1_100,
            "finished_at": 1_250,
            "updated_at": 1_250,
            "queuedAt": 1_100,
            "executionTime": 1_200,
            "finishedAt": 1_250,
            "duration": 50,
        }

    def test_a_clock_that_is_set_back_stands_still(self) -> None:
        clock = Clock()
        storage = MemoryStorage(clock=clock)
        storage.create_instance(NEW)
        times = self.run(storage, clock, 1_100, 900, 1_050)
        assert set(times.values()) == {1_000, 1_100, 0}
        assert times["duration"] == 0

    def test_instances_have_times_of_their_own(self) -> None:
        clock = Clock()
        storage = MemoryStorage(clock=clock)
        storage.create_instance(NEW)
        clock.now = 500
        assert storage.create_instance(dataclasses.replace(NEW, id="other")).created_at == 500

    def test_the_default_is_the_wall_clock(self) -> None:
        before = wall_clock()
        created = MemoryStorage().create_instance(NEW)
        assert before <= created.created_at <= wall_clock()


FAILED = Outcome("failed", error={"code": "X", "message": "x"})


class Timed:
    """A storage on a clock of its own, with instances of one task each."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.storage = MemoryStorage(clock=self.clock)

    def start(self, instance_id: str = "id", *, timeout: int | None = None, **header: Any) -> None:
        self.storage.create_instance(dataclasses.replace(NEW, id=instance_id, **header))
        waiting = {"#.a": Waiting("q", timeout)}
        self.storage.start_run(instance_id, dataclasses.replace(SELECTION, lane="q", waiting=waiting))

    def claim(self, instance_id: str = "id", *, lease: int = 1_000, timeout: int | None = None) -> str:
        call: dict[str, Any] = {"worker": "w", "revision": 1, "inputs": [], "lease": lease, "timeout": timeout}
        return self.storage.claim(instance_id, "#.a", 1, token="t", **call).state

    def after(self, milliseconds: int) -> list[str]:
        """Kinds of what is due so much later."""
        self.clock.now += milliseconds
        return [due.kind for due in self.storage.due()]

    def overdue(self, *, drained: bool = False, grace: int = 100) -> list[str]:
        found = self.storage.overdue("q", grace=grace, drained=drained)
        assert all(each == Queued(each.instance_id, "#.a", 1) for each in found)
        return [each.instance_id for each in found]


@pytest.fixture
def timed() -> Timed:
    return Timed()


class TestTimers:
    def test_a_lease(self, timed: Timed) -> None:
        timed.start()
        timed.claim(lease=1_000)
        assert timed.storage.next_due() == 1_000
        assert timed.after(999) == []
        assert timed.storage.next_due() == 1
        assert timed.storage.renew([Hold("id", "#.a", 1)], holder="t", lease=1_000) == [Grip.HELD]
        assert timed.after(999) == []
        assert timed.after(1) == ["lease"]
        assert timed.after(5_000) == ["lease"]
        assert timed.storage.next_due() == 0

    def test_a_timeout_and_a_lease(self, timed: Timed) -> None:
        timed.start()
        timed.claim(lease=1_000, timeout=400)
        assert timed.after(400) == ["timeout"]
        assert timed.after(600) == ["timeout", "lease"], "the earliest first"

    def test_a_retry(self, timed: Timed) -> None:
        timed.start()
        timed.claim()
        timed.storage.retry("id", "#.a", 1, token="t", outcome=FAILED, delay=3_000)
        record = timed.storage.get_task("id", "#.a")
        assert record is not None
        assert record["retryAt"] == timed.clock.now + 3_000
        assert timed.after(2_999) == []
        assert timed.after(1) == ["retry"]
        assert timed.storage.release("id", "#.a", 1)
        assert timed.after(0) == []
        assert timed.storage.lanes()[0].oldest == timed.clock.now

    def test_waiting_is_counted_from_each_time_it_is_queued(self, timed: Timed) -> None:
        timed.start(timeout=500)
        assert timed.after(499) == []
        timed.claim()
        timed.storage.lose("id", "#.a", 1, token="t", max_losses=3, error={})
        assert timed.after(499) == []
        assert timed.after(1) == ["waiting"]

    def test_waiting_of_a_paused_instance(self, timed: Timed) -> None:
        timed.start(timeout=500)
        timed.storage.pause("id", True)
        assert timed.after(500) == []
        assert timed.storage.next_due() == NOTICE_DELAY
        timed.storage.pause("id", False)
        assert timed.after(NOTICE_DELAY) == ["waiting"]

    def test_notices(self, timed: Timed) -> None:
        timed.start(ephemeral=True)
        timed.claim()
        timed.storage.complete("id", "#.a", 1, token="t", outcome=FAILED, flow=Flow())
        assert timed.after(NOTICE_DELAY - 1) == []
        assert sorted(timed.after(1)) == ["ended", "failed"]
        timed.storage.settle(Due("failed", "id", "#.a", 1, None))
        timed.storage.settle(Due("ended", "id", "#", 1, None, "1 failed"))
        assert timed.after(EPHEMERAL_KEPT - NOTICE_DELAY - 1) == []
        assert timed.after(1) == ["ephemeral"]

    def test_postponed(self, timed: Timed) -> None:
        timed.start()
        timed.claim()
        timed.clock.now += 1_000
        timed.storage.postpone(timed.storage.due()[0], 250)
        assert timed.after(249) == []
        assert timed.after(1) == ["lease"]

    def test_an_election(self, timed: Timed) -> None:
        elect = timed.storage.elect
        assert elect("r", "one", 100)
        timed.clock.now += 60
        assert elect("r", "one", 100)
        timed.clock.now += 99
        assert not elect("r", "two", 100)
        timed.clock.now += 1
        assert elect("r", "two", 100)

    def test_a_tombstone(self, timed: Timed) -> None:
        timed.start()
        timed.storage.delete_instance("id")
        timed.clock.now += TOMBSTONE_KEPT - 1
        assert timed.storage.events("id", 2) == [Event(3, {"deleted": True})]
        assert timed.storage.events("id", 1) is None, "some of them are no longer kept"
        timed.clock.now += 1
        assert timed.storage.events("id", 2) == []
        timed.start("other")
        timed.storage.delete_instance("other")
        assert list(timed.storage._tombstones) == ["other"]


class TestLanes:
    def test_watermark(self, timed: Timed) -> None:
        for name in ("one", "two", "three"):
            timed.start(name)
            timed.clock.now += 101
        assert timed.overdue() == []
        timed.claim("two")
        assert timed.overdue() == ["one"], "what was queued after the one that was claimed may be on its way"
        assert timed.overdue(drained=True) == ["three"]

    def test_grace(self, timed: Timed) -> None:
        timed.start()
        timed.clock.now += 100
        assert timed.overdue(drained=True) == [], "it is no older than that"
        timed.clock.now += 1
        assert timed.overdue(drained=True) == ["id"]

    def test_from_the_second_time_on_twice_as_long(self, timed: Timed) -> None:
        timed.start()
        times: list[int] = []
        while len(times) < 10:
            timed.clock.now += 1
            if timed.overdue(drained=True):
                times.append(timed.clock.now)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        # The first time it has to be older than the grace, which is then, too, what its interval is.
        assert gaps == [101, *[200] * 8]

    def test_the_mark_is_never_beyond_now(self, timed: Timed) -> None:
        timed.start()
        timed.clock.now -= 500
        timed.claim()
        timed.start("other")
        assert timed.storage.lanes()[0].mark == timed.clock.now

    def test_queued_again_it_is_fresh(self, timed: Timed) -> None:
        timed.start()
        timed.clock.now += 1_000
        assert timed.overdue(drained=True) == ["id"]
        timed.claim()
        timed.storage.lose("id", "#.a", 1, token="t", max_losses=3, error={})
        timed.clock.now += 101
        assert timed.overdue(drained=True) == ["id"]


class TestErrors:
    """Input that JSON cannot hold is refused before anything has changed."""

    @pytest.fixture
    def storage(self) -> MemoryStorage:
        storage = MemoryStorage()
        storage.create_instance(NEW)
        storage.start_run("id", SELECTION)
        storage.claim("id", "#.a", 1, token="t", worker="w", revision=1, inputs=[], lease=1_000)
        return storage

    @pytest.mark.parametrize(
        "outcome",
        [
            pytest.param(Outcome("ok", body="not JSON"), id="body"),
            pytest.param(Outcome("ok", updaters="not JSON"), id="updaters"),
            pytest.param(Outcome("failed", error={"value": object()}), id="error"),
            pytest.param(Outcome("lost"), id="status"),
        ],
    )
    def test_outcome(self, storage: MemoryStorage, outcome: Outcome) -> None:
        before = storage.snapshot("id")
        with pytest.raises((TypeError, ValueError)):
            storage.complete("id", "#.a", 1, token="t", outcome=outcome, flow=Flow())
        assert storage.snapshot("id") == before
        assert storage.complete("id", "#.a", 1, token="t", outcome=Outcome("ok"), flow=Flow()).recorded

    def test_retry(self, storage: MemoryStorage) -> None:
        before = storage.snapshot("id")
        outcome = Outcome("failed", error={"value": object()})
        with pytest.raises(TypeError):
            storage.retry("id", "#.a", 1, token="t", outcome=outcome, delay=0)
        assert (storage.snapshot("id"), storage.get_attempts("id", "#.a")) == (before, [])
        assert storage.retry("id", "#.a", 1, token="t", outcome=FAILED, delay=0).recorded

    def test_lose(self, storage: MemoryStorage) -> None:
        before = storage.snapshot("id")
        with pytest.raises(TypeError):
            storage.lose("id", "#.a", 1, token="t", max_losses=3, error={"value": object()})
        assert storage.snapshot("id") == before

    def test_update(self, storage: MemoryStorage) -> None:
        before = storage.snapshot("id")
        with pytest.raises(TypeError):
            storage.update_instance(dataclasses.replace(NEW, data=object()), revision=1)
        assert storage.snapshot("id") == before

    @pytest.mark.parametrize("updaters", ["not JSON", ""])
    def test_updaters(self, storage: MemoryStorage, updaters: str) -> None:
        storage.complete("id", "#.a", 1, token="t", outcome=Outcome("ok"), flow=Flow())
        before = storage.snapshot("id")
        with pytest.raises(ValueError, match="Expecting value"):
            storage.set_updaters("id", "#.a", updaters)
        assert storage.snapshot("id") == before

    def test_event(self, storage: MemoryStorage) -> None:
        with pytest.raises(TypeError):
            storage.add_event("id", {"error": object()})
        assert storage.add_event("id", {}) == 4


class TestSubscriptionOfAClosedLoop:
    def test_it_is_forgotten(self) -> None:
        storage = MemoryStorage()
        storage.create_instance(NEW)

        async def watch_and_never_close() -> None:
            await storage.subscribe().add("id")

        asyncio.run(watch_and_never_close())
        assert storage.add_event("id", {}) == 2
        assert storage._subscribers == {}
