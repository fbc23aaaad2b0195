"""What MemoryStorage has beyond the contract: a clock that can be set, and the lives of event loops."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory import MemoryStorage, wall_clock
from jobs_flow.storages.records import Flow, NewInstance, Outcome, RunSelection

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
        storage.claim("id", "#.a", 1, token="t", worker="w", revision=1, inputs=[])
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


class TestErrors:
    """Input that JSON cannot hold is refused before anything has changed."""

    @pytest.fixture
    def storage(self) -> MemoryStorage:
        storage = MemoryStorage()
        storage.create_instance(NEW)
        storage.start_run("id", SELECTION)
        storage.claim("id", "#.a", 1, token="t", worker="w", revision=1, inputs=[])
        return storage

    @pytest.mark.parametrize(
        "outcome",
        [
            pytest.param(Outcome("ok", body="not JSON"), id="body"),
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
