"""What is promised of resuming, cancelling and keys, on real workers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from jobs_flow.invariants import invariants
from tests.chaos.client import call_all
from tests.chaos.house import House
from tests.chaos.shapes import node
from tests.support.eventually import eventually

Open = Callable[..., House]


class TestResume:
    def test_a_run_of_ten_that_failed_at_seven_goes_on_with_seven(self, house: House) -> None:
        house.start_worker()
        tasks = [node(f"t{n}", "breaks" if n == 7 else "quick") for n in range(1, 11)]
        id = house.create(tasks)
        house.wait([id], 60)
        assert house.jobs.get_workflow(id)["status"] == "failed"
        before = {path: house.jobs.get_task(id, path) for path in house.jobs.get_tasks_statuses(id)}
        (house.directory / "gate").touch()
        preview = house.jobs.preview(id)
        house.jobs.resume(id).wait(60)
        assert house.jobs.get_workflow(id)["status"] == "done"
        entries = [entry for entry in house.ledger.read(id) if entry.what == "start"]
        assert [entry.path for entry in entries if entry.run == 1] == [f"#.t{n}" for n in range(1, 8)]
        assert [entry.path for entry in entries if entry.run == 2] == preview == [f"#.t{n}" for n in range(7, 11)]
        for n in range(1, 7):
            assert house.jobs.get_task(id, f"#.t{n}") == before[f"#.t{n}"]
        assert [attempt["status"] for attempt in house.jobs.get_attempts(id, "#.t7")] == ["failed"]
        assert invariants(house.jobs.storage, [id]) == []


class TestCancel:
    @pytest.mark.parametrize(("pool", "at_once"), [("prefork", 8), ("threads", 8), ("solo", 1)])
    def test_all_that_runs_sees_it_within_two_heartbeats_and_nothing_starts_later(
        self, open_house: Open, pool: str, at_once: int
    ) -> None:
        # Long beside the half second in which tasks look up, for machines that are busy.
        house = open_house(pool=pool, concurrency=at_once, lease=15.0)
        heartbeat = house.lease / 3
        house.start_worker()
        tasks = [node("split", "quick", *(node(f"t{n}", "gated") for n in range(12))), node("never")]
        id = house.create(tasks)
        eventually(lambda: len(house.ledger.paths(id)) == 1 + at_once, 60)
        cancelled_at = now()
        assert house.jobs.cancel(id)
        house.wait([id], 60, tend=False)
        header = house.jobs.storage.get_instance(id)
        assert header is not None
        assert header.status == "cancelled"
        records = house.jobs.get_tasks_statuses(id)
        last = max(record["finishedAt"] or 0 for record in records.values())
        assert last - cancelled_at <= 2000 * heartbeat
        assert records["#.never"]["status"] == "inactive"
        members = [record["status"] for path, record in records.items() if path.count(".") == 2]
        assert members == ["cancelled"] * 12
        # Whatever messages there still are have been delivered when a later one has.
        other = house.create([node("later")])
        house.wait([other], 60, tend=False)
        starts = [entry for entry in house.ledger.read(id) if entry.what == "start"]
        assert len(starts) == 1 + at_once
        assert all(entry.at <= cancelled_at for entry in starts)
        assert invariants(house.jobs.storage, [id]) == []


class TestKey:
    def test_fifty_processes_create_with_one_key_at_once(self, open_house: Open) -> None:
        # The fifty leave the worker little of the machine: it is not to lose its task for that.
        house = open_house(lease=10.0)
        house.start_worker()
        data = {"tasks": [node("only", "work", for_ms=100), node("last")]}
        context = {"ledger": str(house.directory), "pace": 1.0}
        call = (
            "create_workflow_instance",
            ("chaos_tree", data),
            {"key": "k", "base_context": context, "execute": True},
        )
        answers = call_all([call] * 50, house.environment)
        ids = {answer.get("result") for answer in answers}
        assert len(answers) == 50
        assert len(ids) == 1, answers
        (id,) = ids
        assert house.jobs.storage.list_ids() == [id]
        house.wait([id], 60)
        assert house.jobs.get_workflow(id)["run"] == 1
        assert house.ledger.paths(id) == ["#.only", "#.last"]


def now() -> int:
    """Milliseconds of the storage's clock, which is that of this machine."""
    return time.time_ns() // 1_000_000
