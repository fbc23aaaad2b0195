"""Workflows on real workers, with a real Valkey as broker and storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from celery.signals import before_task_publish

from jobs_flow import Jobs
from jobs_flow.backends.base import Dispatch
from jobs_flow.errors import BrokerUnavailable, CannotPublish, CannotStart, ExecutionFailed
from jobs_flow.ids import message_id
from tests.support.eventually import eventually
from tests.support.processes import Worker
from tests.support.servers import Valkey

Start = Callable[..., Worker]

#: What differs between two executions of the same thing.
VOLATILE = ("queuedAt", "executionTime", "finishedAt", "duration", "worker", "traceback")

POOLS = [
    pytest.param({"pool": "prefork", "concurrency": 2}, id="prefork"),
    pytest.param({"pool": "threads", "concurrency": 4}, id="threads"),
    pytest.param({"pool": "gevent", "concurrency": 10}, id="gevent"),
    pytest.param({"pool": "solo"}, id="solo"),
]


def records(jobs: Jobs, instance_id: str) -> dict[str, Any]:
    found = {}
    for path in jobs.get_tasks_statuses(instance_id):
        record = jobs.get_task(instance_id, path)
        found[path] = {k: v for k, v in record.items() if k not in VOLATILE} | {
            "logs": jobs.get_logs(instance_id, path)
        }
    return found


def order(jobs: Jobs, instance_id: str) -> list[str]:
    """Paths in the order in which their execution was recorded."""
    events = jobs.storage.events(instance_id, 0) or []
    return [path for e in events for path, v in e.data.get("tasks", {}).items() if v.get("status") == "running"]


class TestNested:
    @pytest.mark.parametrize("options", POOLS)
    def test_order_results_and_context_are_as_declared(
        self, engine: ModuleType, start_engine: Start, options: dict[str, Any]
    ) -> None:
        start_engine(**options)
        id = engine.jobs.create_workflow_instance("nested", execute=True)
        result = engine.jobs.wait(id, 30)
        assert result == {
            "got": {"a": [4, 3, 4], "b": {"x": 16, "y": ["block", "first", "number"]}, "c": 4},
            "context": ["block", "first", "number"],
        }
        ran = order(engine.jobs, id)
        assert ran[:2] == ["#.first", "#.block"]
        assert set(ran[2:7]) == {"#.block.a", "#.block.b", "#.block.b.x", "#.block.b.y", "#.block.c"}
        assert ran.index("#.block.b") < min(ran.index("#.block.b.x"), ran.index("#.block.b.y"))
        assert ran[7:] == ["#.last"]
        record = engine.jobs.get_task(id, "#.block.a")
        assert record["context"] == {"first": {"number": 3}, "number": 3, "block": 4}
        assert engine.jobs.get_logs(id, "#.first") == ["loaded"]

    @pytest.mark.parametrize("data", [None, {"broken": "y"}], ids=["ok", "failing"])
    def test_the_sync_backend_leaves_the_same_records(self, engine: ModuleType, start_engine: Start, data: Any) -> None:
        start_engine()
        here = Jobs(storage="memory://", backend="sync")
        theirs, ours = (j.create_workflow_instance("nested", data, execute=True) for j in (engine.jobs, here))
        outcomes = []
        for jobs, id in ((engine.jobs, theirs), (here, ours)):
            try:
                outcomes.append(jobs.wait(id, 30))
            except ExecutionFailed as error:
                outcomes.append((error.path, error.payload))  # type: ignore[attr-defined]
        assert outcomes[0] == outcomes[1]
        assert records(engine.jobs, theirs) == records(here, ours)
        views = [jobs.get_workflow(id) for jobs, id in ((engine.jobs, theirs), (here, ours))]
        assert views[0]["status"] == views[1]["status"] == ("failed" if data else "done")

    def test_a_failure_among_parallel_tasks(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("nested", {"broken": "y"}, execute=True)
        with pytest.raises(ExecutionFailed, match=r"#\.block\.b\.y .* no rows"):
            engine.jobs.wait(id, 30)
        found = {path: record["status"] for path, record in engine.jobs.get_tasks_statuses(id).items()}
        assert found == {
            "#.first": "ok",
            "#.block": "ok",
            "#.block.a": "ok",
            "#.block.b": "ok",
            "#.block.b.x": "ok",
            "#.block.b.y": "failed",
            "#.block.c": "skipped",
            "#.last": "inactive",
        }

    def test_a_block_that_is_skipped_is_passed_by(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("skipped_block", execute=True)
        assert engine.jobs.wait(id, 30) == [1]


class TestPartialRuns:
    def test_only_what_was_asked_for_is_called(self, engine: ModuleType, start_engine: Start, tmp_path: Path) -> None:
        start_engine()
        calls = tmp_path / "calls"
        id = engine.jobs.create_workflow_instance("marked", base_context={"calls": str(calls)}, execute=True)
        engine.jobs.wait(id, 30)
        first = calls.read_text().split()
        assert sorted(first) == ["#.a", "#.b", "#.b.x", "#.b.y", "#.c"]
        for start, expected in (
            (lambda: engine.jobs.execute_one_task(id, "#.b.x"), {"#.b.x"}),
            (lambda: engine.jobs.execute_all_tasks(id, from_path="#.b.y"), {"#.b.y", "#.c"}),
            (lambda: engine.jobs.execute_all_tasks(id, from_path="#.b"), {"#.b", "#.b.x", "#.b.y", "#.c"}),
            (lambda: engine.jobs.execute_one_task(id, "#.a"), {"#.a"}),
        ):
            calls.write_text("")
            start().wait(30)
            assert set(calls.read_text().split()) == expected
            assert engine.jobs.get_workflow(id)["status"] == "done"

    def test_one_run_at_a_time(self, engine: ModuleType, start_engine: Start, tmp_path: Path) -> None:
        start_engine()
        gate = tmp_path / "gate"
        id = engine.jobs.create_workflow_instance("waits", str(gate), execute=True)
        eventually(lambda: engine.jobs.get_tasks_statuses(id)["#.a"]["progressText"] == "waiting")
        with pytest.raises(CannotStart, match="a run is going on"):
            engine.jobs.execute_all_tasks(id)
        gate.touch()
        assert engine.jobs.wait(id, 30) == "done"


class TestMessages:
    def test_large_workflows_end(self, engine: ModuleType, start_engine: Start, tmp_path: Path) -> None:
        start_engine()
        context = {"calls": str(tmp_path / "calls")}
        chain = engine.jobs.create_workflow_instance("chain", 300, base_context=context, execute=True)
        wide = engine.jobs.create_workflow_instance("wide", 1000, execute=True)
        engine.jobs.wait(chain, 120)
        assert engine.jobs.wait(wide, 120) == 1000
        called = (tmp_path / "calls").read_text().split()
        assert called == ["#.t0", "#.t50", "#.t100", "#.t150", "#.t200", "#.t250"]

    def test_a_second_delivery_calls_nothing(self, engine: ModuleType, start_engine: Start, tmp_path: Path) -> None:
        """The same message twice, as a broker's visibility time-out delivers it, before and after its first run."""
        calls = tmp_path / "calls"
        id = engine.jobs.create_workflow_instance("marked", base_context={"calls": str(calls)})
        engine.jobs.execute_all_tasks(id)
        with redis.Redis.from_url(engine.app.conf.broker_url) as broker:
            (message,) = broker.lrange("celery", 0, -1)
            broker.lpush("celery", message, message)
            start_engine()
            engine.jobs.wait(id, 30)
            broker.lpush("celery", message)
            eventually(lambda: not broker.llen("celery") and not broker.hlen("unacked"))
        assert sorted(calls.read_text().split()) == ["#.a", "#.b", "#.b.x", "#.b.y", "#.c"]

    def test_queues_are_honoured(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine(queues="celery", name="main")
        start_engine(queues="elsewhere", name="other")
        id = engine.jobs.create_workflow_instance("routed", execute=True)
        engine.jobs.wait(id, 30)
        workers = [engine.jobs.get_task(id, path)["worker"].split("@")[0] for path in ("#.a", "#.b", "#.c")]
        assert workers == ["other", "other", "main"]


class TestDeaths:
    """Each ends in a record that says why, the worker goes on, and what follows does not start."""

    @pytest.mark.parametrize(
        ("how", "code"),
        [
            ("sigkill", "POISONED"),
            ("hard", "TIME_LIMIT"),
            ("timeout", "TIMEOUT"),
            ("soft", "EXECUTION_FAILED"),
            ("exit", "EXECUTION_FAILED"),
            ("memory", "EXECUTION_FAILED"),
            ("not_json", "NOT_JSON"),
        ],
    )
    def test_in_a_prefork_worker(self, engine: ModuleType, start_engine: Start, how: str, code: str) -> None:
        worker = start_engine()
        id = engine.jobs.create_workflow_instance("deaths", how, execute=True)
        with pytest.raises(ExecutionFailed) as failed:
            # Four children die; or a limit strikes a child that has yet to begin, and the task waits for its lease.
            engine.jobs.wait(id, 90)
        assert failed.value.payload["code"] == code  # type: ignore[attr-defined]
        assert engine.jobs.get_tasks_statuses(id)["#.b"]["status"] == "inactive"
        again = engine.jobs.create_workflow_instance("skipped_block", execute=True)
        assert engine.jobs.wait(again, 30) == [1]
        assert worker.running

    def test_a_timeout_in_a_pool_that_cannot_kill(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine(pool="threads", concurrency=2)
        id = engine.jobs.create_workflow_instance("deaths", "timeout", execute=True)
        with pytest.raises(ExecutionFailed, match="timeout of 1 s"):
            engine.jobs.wait(id, 30)
        assert engine.jobs.get_task(id, "#.a")["error"]["code"] == "TIMEOUT"

    def test_a_revoked_message_is_recorded_as_cancelled(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine(name="revoker")
        id = engine.jobs.create_workflow_instance("skipped_block")
        revoked = engine.app.control.inspect(timeout=5, limit=1).revoked
        # A worker is ready a moment before it hears what is said to all.
        eventually(revoked, 30)
        engine.app.control.revoke(message_id(id, "#.a", 1))
        eventually(lambda: any((revoked() or {}).values()), 30)
        engine.jobs.execute_all_tasks(id)
        with pytest.raises(ExecutionFailed):
            engine.jobs.wait(id, 30)
        assert engine.jobs.get_workflow(id)["status"] == "cancelled"
        assert engine.jobs.get_task(id, "#.a")["error"]["code"] == "REVOKED"

    def test_a_worker_whose_code_gives_another_tree_names_the_path(
        self, engine: ModuleType, start_engine: Start
    ) -> None:
        engine.jobs.register_workflow("nested", engine.chained(2))
        id = engine.jobs.create_workflow_instance("nested", execute=True)
        start_engine()
        with pytest.raises(ExecutionFailed, match=r"#\.t0 differs|#\.first differs") as failed:
            engine.jobs.wait(id, 30)
        assert failed.value.payload["code"] == "DEFINITION_CHANGED"  # type: ignore[attr-defined]


class TestWithoutServers:
    def test_no_broker_leaves_the_instance_inactive_and_says_so(
        self, valkey: Valkey, start_valkey: Callable[..., Valkey], import_engine: Callable[..., ModuleType]
    ) -> None:
        broker = start_valkey(name="broker")
        engine = import_engine(broker=broker.url, storage=valkey.url)
        broker.end()
        id = engine.jobs.create_workflow_instance("skipped_block", execute=True)
        view = engine.jobs.get_workflow(id)
        assert (view["status"], view["error"]["code"]) == ("inactive", "BROKER_UNAVAILABLE")
        with pytest.raises(BrokerUnavailable, match="Start the broker"):
            engine.jobs.execute_all_tasks(id)
        assert {r["status"] for r in engine.jobs.get_tasks_statuses(id).values()} == {"inactive"}

    def test_a_storage_that_lost_its_scripts_goes_on(self, engine: ModuleType, valkey: Valkey) -> None:
        with redis.Redis.from_url(valkey.url) as client:
            id = engine.jobs.create_workflow_instance("skipped_block")
            client.script_flush()
            assert engine.jobs.snapshot(id).instance.status == "inactive"

    def test_records_are_laid_out_as_the_readme_says(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("nested", execute=True)
        engine.jobs.wait(id, 30)
        with redis.Redis.from_url(engine.jobs.storage.url, decode_responses=True) as client:
            record = client.hgetall(f"workflowTask_{id}_#.first")
            assert record["status"] == '"ok"'
            assert record["body"] == '{"number":3}'
            assert int(record["executionTime"]) > 1_700_000_000_000
            assert client.lrange(f"logs_{id}_#.first", 0, -1) == ["loaded"]
            assert client.hget(f"workflow_{id}", "workflow") == '"nested"'


class TestUnlucky:
    def test_coroutines_run_side_by_side_under_gevent(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine(pool="gevent", concurrency=20)
        id = engine.jobs.create_workflow_instance("coroutines", 8, execute=True)
        assert engine.jobs.wait(id, 30) == {f"s{number}": number for number in range(8)}

    @pytest.mark.parametrize("at", [1, 150])
    def test_a_broker_that_goes_away_among_many_messages_fails_no_task(
        self,
        valkey: Valkey,
        start_valkey: Callable[..., Valkey],
        import_engine: Callable[..., ModuleType],
        at: int,
    ) -> None:
        """Where kombu publishes a block in batches, such a batch has an error of its own."""
        broker = start_valkey(name="broker")
        engine = import_engine(broker=broker.url, storage=valkey.url)
        id = engine.jobs.create_workflow_instance("wide", 300)
        engine.jobs.execute_all_tasks(id)
        plan = engine.jobs.runtime.plan_of(engine.jobs.runtime.header(id))
        published: list[object] = []

        def note(sender: object = None, **_: object) -> None:
            published.append(sender)
            if len(published) == at:
                broker.end()

        work = Dispatch(id, 1, plan, [f"#.split.s{number}" for number in range(300)])
        before_task_publish.connect(note)
        try:
            with pytest.raises(BrokerUnavailable):
                engine.jobs.backend.dispatch(work)
        finally:
            before_task_publish.disconnect(note)

    @pytest.mark.parametrize("place", ["first", "later"])
    def test_a_message_that_cannot_be_published_leaves_nothing_working(
        self, engine: ModuleType, start_engine: Start, place: str
    ) -> None:
        engine.app.conf.task_create_missing_queues = False
        start_engine(env={"ENGINE_NO_QUEUES": "1"})
        id = engine.jobs.create_workflow_instance("misrouted", place, execute=True)
        if place == "first":
            view = engine.jobs.get_workflow(id)
            assert (view["status"], view["error"]["code"]) == ("inactive", "CANNOT_PUBLISH")
            with pytest.raises(CannotPublish, match="typo"):
                engine.jobs.execute_all_tasks(id)
        with pytest.raises(ExecutionFailed, match="typo") as failed:
            engine.jobs.wait(id, 30)
        assert failed.value.payload["code"] == "CANNOT_PUBLISH"  # type: ignore[attr-defined]

    def test_a_canvas_of_no_tasks_is_done(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        engine.jobs.register_workflow("chain", engine.chained)
        id = engine.jobs.create_workflow_instance("chain", 0)
        assert engine.jobs.canvas(id).apply_async().get(timeout=30) is None
        assert engine.jobs.get_workflow(id)["status"] == "done"
