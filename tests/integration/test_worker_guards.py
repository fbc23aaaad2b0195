"""Faults that Celery, kombu or a task's code turn into the end of a worker: ours goes on."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import redis

from jobs_flow.backends.celery import guards
from jobs_flow.errors import ExecutionFailed
from tests.support.eventually import eventually
from tests.support.processes import Worker
from tests.support.servers import Valkey

Start = Callable[..., Worker]

ENV = {"ENGINE_LEASE": "1.5"}
#: Where each task is to be called once: a lease that a busy machine does not let run out.
KEEPING = {"ENGINE_LEASE": "15"}
#: Celery's worker without our guards, to show what they are for.
UNGUARDED = {**ENV, "ENGINE_UNGUARDED": "1"}


@pytest.fixture
def apart(
    start_valkey: Callable[..., Valkey], valkey: Valkey, import_engine: Callable[..., ModuleType]
) -> tuple[ModuleType, Valkey]:
    """The engine with a broker of its own, to be disturbed alone."""
    broker = start_valkey(name="broker")
    return import_engine(broker=broker.url, storage=valkey.url, results=valkey.database(1)), broker


@pytest.fixture
def start_apart(apart: tuple[ModuleType, Valkey], start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """Starts a worker of it."""
    return lambda **options: start_worker(apart[0].__name__, **options)


def message(engine: ModuleType, *args: object, name: str = "jobs_flow.step") -> dict[str, object]:
    """A message as the Redis transport carries it."""
    with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
        engine.app.signature(name, args=args).apply_async(queue="scratch")
        (text,) = broker.lrange("scratch", 0, -1)
        broker.delete("scratch")
    found: dict[str, object] = json.loads(text)
    found["properties"]["delivery_info"] = {"exchange": "", "routing_key": "celery"}  # type: ignore[index]
    return found


def elements(engine: ModuleType) -> dict[str, bytes]:
    """What may stand in a queue and is no message."""
    no_properties = message(engine) | {"properties": None}
    no_tag = message(engine)
    del no_tag["properties"]["delivery_tag"]  # type: ignore[attr-defined]
    return {
        "text": b"no json",
        "bytes": b"\xff\xfe\x00",
        "list": b"[1, 2]",
        "string": b'"word"',
        "empty": b"{}",
        "properties": json.dumps(no_properties).encode(),
        "tag": json.dumps(no_tag).encode(),
        "body": json.dumps(message(engine) | {"body": "?"}).encode(),
    }


def is_running(engine: ModuleType, id: str) -> bool:
    """Whether its first task is."""
    status: str = engine.jobs.get_tasks_statuses(id)["#.a"]["status"]
    return status == "running"


class TestElements:
    def test_what_is_no_message_is_put_aside(self, engine: ModuleType, start_engine: Start) -> None:
        worker = start_engine(env=ENV, concurrency=1)
        given = elements(engine)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            for element in given.values():
                broker.lpush("celery", element)
            id = engine.jobs.create_workflow_instance("skipped_block", execute=True)
            assert engine.jobs.wait(id, 20) == [1]
            eventually(lambda: broker.llen("celery.undecodable") == len(given))
            assert b"no json" in broker.lrange("celery.undecodable", 0, -1)
            assert broker.ttl("celery.undecodable") > 0
        assert worker.running
        assert "no json" not in worker.output()

    def test_without_the_guard_it_ends_the_worker(self, engine: ModuleType, start_engine: Start) -> None:
        worker = start_engine(env=UNGUARDED, concurrency=1)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            broker.lpush("celery", b"no json")
        worker.wait(60)

    def test_the_side_list_is_bounded(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine(env=ENV, concurrency=1)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            broker.lpush("celery", *[f"no json {n}" for n in range(guards.SIDE_LIMIT + 20)])
            eventually(lambda: not broker.llen("celery"), 20)
            eventually(lambda: broker.llen("celery.undecodable") == guards.SIDE_LIMIT, 20)

    def test_unknown_tasks_and_bodies_that_cannot_be_read(self, engine: ModuleType, start_engine: Start) -> None:
        worker = start_engine(env=ENV, concurrency=1)
        unread = message(engine) | {"body": base64.b64encode(b"no json").decode()}
        foreign = message(engine, name="nobody.knows")
        no_task = message(engine) | {"headers": {}}
        odd_args = message(engine, 1)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            for one in (unread, foreign, no_task, odd_args):
                broker.lpush("celery", json.dumps(one))
            id = engine.jobs.create_workflow_instance("skipped_block", execute=True)
            assert engine.jobs.wait(id, 20) == [1]
        assert worker.running


class TestBroker:
    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_a_restart_with_messages_in_hand_is_survived(
        self, apart: tuple[ModuleType, Valkey], start_apart: Callable[..., Worker], tmp_path: object, pool: str
    ) -> None:
        engine, broker = apart
        worker = start_apart(env=KEEPING, pool=pool)
        for turn in range(2):
            data = [{"calls": f"{tmp_path}/{turn}-{n}", "seconds": 2} for n in range(6)]
            ids = [engine.jobs.create_workflow_instance("long", one, execute=True) for one in data]
            eventually(partial(is_running, engine, ids[0]))
            broker.restart()
            for id in ids:
                assert engine.jobs.wait(id, 60) == 1
            assert worker.running, worker.tail()

    @pytest.mark.skipif(guards._version() < (5, 7, 0), reason="kombu has the fault from 5.7.0 on")
    def test_without_the_guard_the_worker_ends(
        self, apart: tuple[ModuleType, Valkey], start_apart: Callable[..., Worker], tmp_path: object
    ) -> None:
        engine, broker = apart
        worker = start_apart(env=UNGUARDED)
        ids = [
            engine.jobs.create_workflow_instance("long", {"calls": f"{tmp_path}/{n}", "seconds": 4}, execute=True)
            for n in range(6)
        ]
        eventually(partial(is_running, engine, ids[0]))
        broker.terminate()
        worker.wait_for_output("Unrecoverable error: AttributeError.*hostname", 30)

    @pytest.mark.parametrize("fault", ["memory", "read_only"])
    def test_a_broker_that_refuses_writes_is_survived(
        self, apart: tuple[ModuleType, Valkey], start_apart: Callable[..., Worker], tmp_path: Path, fault: str
    ) -> None:
        engine, broker = apart
        worker = start_apart(env=KEEPING)
        # Each ends when it may no longer be acknowledged, nor the next task published.
        gate = tmp_path / "gate"
        data = [{"calls": f"{tmp_path}/{n}", "gate": str(gate)} for n in range(8)]
        ids = [engine.jobs.create_workflow_instance("gated", one, execute=True) for one in data]
        eventually(partial(is_running, engine, ids[0]))
        with redis.Redis.from_url(broker.url) as client:
            if fault == "memory":
                client.config_set("maxmemory", "1")
            else:
                client.replicaof("127.0.0.1", 1)
            gate.touch()
            worker.wait_for_output("OOM|OutOfMemory|command not allowed|READONLY|read only|ReadOnly", 20)
            if fault == "memory":
                client.config_set("maxmemory", "0")
            else:
                client.replicaof("NO", "ONE")
        for id in ids:
            assert engine.jobs.wait(id, 60) == 1
        assert worker.running, worker.tail()


class TestTasks:
    @pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
    @pytest.mark.parametrize("how", ["exit", "memory"])
    def test_a_task_that_would_end_the_worker_only_fails(
        self, engine: ModuleType, start_engine: Start, pool: str, how: str
    ) -> None:
        worker = start_engine(pool=pool)
        id = engine.jobs.create_workflow_instance("deaths", how, execute=True)
        with pytest.raises(ExecutionFailed):
            engine.jobs.wait(id, 30)
        again = engine.jobs.create_workflow_instance("skipped_block", execute=True)
        assert engine.jobs.wait(again, 30) == [1]
        assert worker.running
