"""Processes that are killed or stopped in the middle of a task."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil
import pytest

from tests.chaos.house import House
from tests.chaos.shapes import node
from tests.chaos.verdict import problems
from tests.support.eventually import eventually

WORK = [node("first"), node("block", "quick", node("x", "gated"), node("y")), node("last")]

Open = Callable[..., House]


def running(house: House, id: str, path: str = "#.block.x") -> bool:
    """Whether the function of the task has begun, and its record says so."""
    return path in house.ledger.paths(id) and house.jobs.get_task(id, path)["status"] == "running"


class TestKilled:
    @pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
    def test_a_worker_is_killed_and_another_takes_over(self, open_house: Open, pool: str) -> None:
        # Long enough for a worker that is slow not to lose its task before it is killed.
        house = open_house(pool=pool, lease=4.0)
        worker = house.start_worker()
        id = house.create(WORK)
        eventually(lambda: running(house, id), 60)
        if pool != "solo":
            # The other task of the block is not to be cut off.
            eventually(lambda: house.jobs.get_task(id, "#.block.y")["status"] == "ok", 60)
        worker.end()
        (house.directory / "gate").touch()
        house.wait([id], 60)
        assert list(problems(house.jobs.storage, house.ledger, id, WORK)) == []
        attempts = house.jobs.get_attempts(id, "#.block.x")
        assert [attempt["status"] for attempt in attempts] == ["lost"]
        assert house.ledger.paths(id).count("#.block.x") == 2

    def test_a_child_is_killed(self, open_house: Open) -> None:
        house = open_house(lease=6.0)
        worker = house.start_worker()
        id = house.create(WORK)
        eventually(lambda: running(house, id), 60)
        pid = next(entry.pid for entry in house.ledger.read(id) if entry.path == "#.block.x")
        next(child for child in worker.children() if child.pid == pid).kill()
        (house.directory / "gate").touch()
        house.wait([id], 60, tend=False)
        assert worker.running
        assert list(problems(house.jobs.storage, house.ledger, id, WORK)) == []
        assert [attempt["status"] for attempt in house.jobs.get_attempts(id, "#.block.x")] == ["lost"]

    def test_a_main_process_alone_is_killed(self, house: House) -> None:
        """Its children are orphans: what they have begun, they may end while its lease runs, or somebody else does."""
        worker = house.start_worker()
        id = house.create(WORK)
        eventually(lambda: running(house, id), 60)
        worker.kill()
        (house.directory / "gate").touch()
        house.wait([id], 60)
        assert list(problems(house.jobs.storage, house.ledger, id, WORK)) == []

    def test_what_kills_every_worker_it_meets_is_given_up(self, open_house: Open) -> None:
        house = open_house(CHAOS_MAX_LOSSES="1")
        house.start_worker()
        tasks = [node("bad", "dies"), node("last")]
        id = house.create(tasks)
        house.wait([id], 60)
        record = house.jobs.get_task(id, "#.bad")
        assert record["error"]["code"] == "POISONED"
        assert record["losses"] == 2
        assert house.ledger.paths(id) == ["#.bad", "#.bad"]
        assert list(problems(house.jobs.storage, house.ledger, id, tasks)) == []


class TestStopped:
    def test_what_a_zombie_writes_is_refused(self, house: House) -> None:
        """A worker stands still for longer than its lease, somebody else does its task, and then it goes on."""
        zombie = house.start_worker()
        id = house.create(WORK)
        eventually(lambda: running(house, id), 60)
        # Stopped between its claim and its first line, the other one would begin when somebody else has done it.
        eventually(lambda: house.jobs.get_task(id, "#.block.y")["status"] == "ok", 60)
        processes = [*zombie.children(), psutil.Process(zombie.pid)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        other = house.start_worker()
        eventually(lambda: house.ledger.paths(id).count("#.block.x") == 2, 60)
        taken_over = house.jobs.get_task(id, "#.block.x")
        # Both may end now. The one that was stopped gets the news, or its record is refused.
        (house.directory / "gate").touch()
        house.wait([id], 60, tend=False)
        ended = house.jobs.get_task(id, "#.block.x")
        assert ended["worker"] == taken_over["worker"]
        assert other.name in ended["worker"]
        seq = house.jobs.snapshot(id).seq
        for process in processes:
            process.send_signal(signal.SIGCONT)
        zombie.wait_for_output("the outcome came too late", 60)
        # Another instance shows that it works again, and that it has changed nothing.
        other.end()
        second = house.create([node("only")])
        house.wait([second], 60, tend=False)
        assert house.jobs.snapshot(id).seq == seq
        assert house.jobs.get_task(id, "#.block.x") == ended
        assert list(problems(house.jobs.storage, house.ledger, id, WORK)) == []
