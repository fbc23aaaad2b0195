"""Tasks longer than their lease, workers that die or stand still: each task ends, and is recorded once."""

from __future__ import annotations

import os
import signal
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis

from jobs_flow import Registry
from jobs_flow.recovery import Recovery
from tests.support.eventually import eventually
from tests.support.processes import Worker

Start = Callable[..., Worker]

LEASE = 1.5
ENV = {"ENGINE_LEASE": str(LEASE)}
#: For who has to keep a lease: it is renewed each third of it, and a busy machine may let that wait for seconds.
KEPT = 6.0
KEEPING = {"ENGINE_LEASE": str(KEPT)}
LONGER = 3 * KEPT

#: The words for a worker of each kind, and whether its task keeps a process busy.
POOLS: dict[str, tuple[dict[str, Any], bool]] = {
    "prefork": ({"concurrency": 2}, True),
    "threads": ({"concurrency": 2}, False),
    "solo": ({}, False),
    "gevent": ({"concurrency": 5}, False),
}


def calls(file: Path) -> list[int]:
    """The process of each call."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def status(engine: ModuleType, id: str, path: str = "#.a") -> str:
    found: str = engine.jobs.get_tasks_statuses(id)[path]["status"]
    return found


class TestLongTasks:
    def test_a_task_longer_than_its_lease_is_executed_once(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        """In each pool, all at the same time. Another worker runs the recovery, and would take it."""
        start_engine(env=KEEPING, name="other", queues="nothing", concurrency=1).wait_for_output("runs the recovery")
        for pool, (options, _) in POOLS.items():
            start_engine(env=KEEPING, pool=pool, queues=pool, **options)
        ids = {}
        for pool, (_, busy) in POOLS.items():
            data = {"calls": str(tmp_path / pool), "seconds": LONGER, "busy": busy, "queue": pool}
            ids[pool] = engine.jobs.create_workflow_instance("long", data, execute=True)
        assert {pool: engine.jobs.wait(id, 60) for pool, id in ids.items()} == dict.fromkeys(POOLS, 1)
        records = {pool: engine.jobs.get_tasks_statuses(id)["#.a"] for pool, id in ids.items()}
        found = {pool: (record["attempt"], record["losses"]) for pool, record in records.items()}
        assert found == dict.fromkeys(POOLS, (1, 0))
        assert {pool: len(calls(tmp_path / pool)) for pool in POOLS} == dict.fromkeys(POOLS, 1)

    def test_leases_are_renewed_while_a_worker_shuts_down(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        start_engine(env=KEEPING, name="other", queues="nothing").wait_for_output("runs the recovery")
        worker = start_engine(env=KEEPING, queues="celery")
        data = {"calls": str(tmp_path / "calls"), "seconds": LONGER, "busy": True}
        id = engine.jobs.create_workflow_instance("long", data, execute=True)
        eventually(lambda: status(engine, id) == "running")
        assert worker.terminate(60) == 0
        record = engine.jobs.get_tasks_statuses(id)["#.a"]
        assert (record["status"], record["attempt"]) == ("ok", 1)


class TestDeadWorkers:
    def test_a_killed_child_loses_nothing(self, engine: ModuleType, start_engine: Start, tmp_path: Path) -> None:
        """With the usual lease: the main process tells at once."""
        worker = start_engine()
        data = {"calls": str(tmp_path / "calls"), "deaths": 2}
        id = engine.jobs.create_workflow_instance("deadly", data, execute=True)
        assert engine.jobs.wait(id, 60) == 3
        record = engine.jobs.get_tasks_statuses(id)["#.a"]
        assert (record["losses"], record["attempt"]) == (2, 3)
        attempts = engine.jobs.get_attempts(id, "#.a")
        assert [(kept["status"], kept["error"]["code"]) for kept in attempts] == [("lost", "WORKER_LOST")] * 2
        assert len(set(calls(tmp_path / "calls"))) == 3
        assert worker.running

    def test_a_task_that_kills_its_process_again_and_again_is_poisoned(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        start_engine(env={"ENGINE_MAX_LOSSES": "1"})
        data = {"calls": str(tmp_path / "calls"), "deaths": 99}
        id = engine.jobs.create_workflow_instance("deadly", data, execute=True)
        eventually(lambda: engine.jobs.get_workflow(id)["status"] == "failed", 60)
        assert engine.jobs.get_workflow(id)["error"]["code"] == "POISONED"
        assert len(calls(tmp_path / "calls")) == 2
        assert status(engine, id, "#.b") == "inactive"

    @pytest.mark.parametrize(
        ("deaths", "most", "ends", "called"), [(2, 3, "cancelled", 3), (99, 1, "failed", 2)], ids=["mortal", "poison"]
    )
    def test_an_undo_whose_process_dies_is_carried_on_but_not_for_ever(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path, deaths: int, most: int, ends: str, called: int
    ) -> None:
        start_engine(env={**ENV, "ENGINE_MAX_LOSSES": str(most)}, concurrency=2)
        data = {"calls": str(tmp_path / "calls"), "deaths": deaths}
        id = engine.jobs.create_workflow_instance("undoing", data, execute=True)
        assert engine.jobs.wait(id, 30) == 2
        assert engine.jobs.cancel(id, undo=True)
        eventually(lambda: engine.jobs.get_workflow(id)["status"] == ends, 60)
        assert len(calls(tmp_path / "calls")) == called
        if ends == "failed":
            assert engine.jobs.get_workflow(id)["error"]["code"] == "POISONED"

    def test_a_killed_main_process_is_taken_over_from(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        worker = start_engine(env=ENV)
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data, execute=True)
        eventually(lambda: len(calls(tmp_path / "calls")) == 1)
        start_engine(env=ENV)
        worker.end()
        killed = time.monotonic()
        assert engine.jobs.wait(id, 30) == 2
        # The lease, the pause of a worker that is not elected, and the work itself.
        assert time.monotonic() - killed < LEASE + LEASE / 3 + 5
        assert engine.jobs.get_tasks_statuses(id)["#.a"]["losses"] == 1

    def test_a_worker_that_stood_still_past_its_lease_records_nothing(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        worker = start_engine(env=ENV, concurrency=1)
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data, execute=True)
        (zombie,) = eventually(lambda: calls(tmp_path / "calls"))
        worker.send(signal.SIGSTOP)
        os.kill(zombie, signal.SIGSTOP)
        start_engine(env=ENV)
        assert engine.jobs.wait(id, 30) == 2
        before = {path: engine.jobs.get_task(id, path) for path in ("#.a", "#.b")}
        (tmp_path / "gate").touch()
        os.kill(zombie, signal.SIGCONT)
        worker.send(signal.SIGCONT)
        worker.wait_for_output("came too late", 20)
        assert {path: engine.jobs.get_task(id, path) for path in ("#.a", "#.b")} == before
        assert engine.jobs.get_result(id) == 2
        assert worker.running


class TestLostMessages:
    def test_a_flushed_broker_loses_no_task(self, engine: ModuleType, start_engine: Start) -> None:
        ids = [engine.jobs.create_workflow_instance("skipped_block", execute=True) for _ in range(10)]
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            broker.flushdb()
        start_engine(env=ENV)
        for id in ids:
            assert engine.jobs.wait(id, 30) == [1]

    def test_they_are_published_where_they_were_also_by_who_does_not_know_the_code(self, engine: ModuleType) -> None:
        """In the default queue, which nobody may consume, they would wait for ever."""
        engine.app.conf.jobs_flow_lease = 0.1
        id = engine.jobs.create_workflow_instance("misrouted", "first", execute=True)
        runtime = replace(engine.jobs.runtime, registry=Registry(), _plans=OrderedDict())
        recovery = Recovery(runtime, engine.jobs.backend)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            assert broker.llen("typo") == 1
            broker.flushdb()
            eventually(lambda: recovery.sweep(everything=True))
            assert (broker.llen("typo"), broker.llen("celery")) == (1, 0)
        assert status(engine, id, "#.typo") == "queued"

    def test_each_message_twice_executes_nothing_twice(
        self, engine: ModuleType, start_engine: Start, tmp_path: Path
    ) -> None:
        data = [{"calls": str(tmp_path / f"calls{n}"), "seconds": 0.5} for n in range(6)]
        ids = [engine.jobs.create_workflow_instance("long", one, execute=True) for one in data]
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            for message in broker.lrange("celery", 0, -1):
                broker.lpush("celery", message, message)
            start_engine(concurrency=3)
            for id in ids:
                assert engine.jobs.wait(id, 30) == 1
            eventually(lambda: not broker.llen("celery") and not broker.hlen("unacked"))
        assert [len(calls(Path(str(one["calls"])))) for one in data] == [1] * 6

    def test_without_recovery_nothing_is_published_again(self, engine: ModuleType, start_engine: Start) -> None:
        id = engine.jobs.create_workflow_instance("skipped_block", execute=True)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            broker.flushdb()
        start_engine(env={**ENV, "ENGINE_NO_RECOVERY": "1"})
        other = engine.jobs.create_workflow_instance("long", {"calls": os.devnull, "seconds": 2 * LEASE}, execute=True)
        engine.jobs.wait(other, 30)
        assert status(engine, id) == "queued"
        # A message gets some seconds to arrive before it counts as lost.
        eventually(lambda: engine.jobs.recover() >= 1, timeout=30)
        assert engine.jobs.wait(id, 30) == [1]
