"""Canvases: how small their messages are, and whole runs composed into a user's own."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import redis
from celery import chain, group
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.celery import canvas
from jobs_flow.errors import (
    CanvasTooLarge,
    DefinitionError,
    ExecutionFailed,
    ResultBackendRequired,
    StorageUnavailable,
)
from jobs_flow.ids import new_instance_id
from jobs_flow.workflows.definition import Workflow
from jobs_flow.workflows.plan import Plan
from tests.support.eventually import eventually
from tests.support.meter import Meter
from tests.support.processes import Worker
from tests.support.servers import Valkey

Start = Callable[..., Worker]


@contextlib.contextmanager
def queues(app: Any) -> Iterator[redis.Redis]:
    """The broker of an application, whose queues are lists."""
    with redis.Redis.from_url(app.conf.broker_url) as client:
        yield client


def pushed_bytes(app: Any, signature: Any, queue: str = "celery") -> list[int]:
    """Bytes on the broker of each message that publishing a signature makes."""
    with queues(app) as client:
        client.delete(queue)
        signature.apply_async()
        sizes = [len(message) for message in client.lrange(queue, 0, -1)]
        client.delete(queue)
    return sizes


names = st.text(st.characters(exclude_characters=".#", exclude_categories=("C", "Z")), min_size=1, max_size=100)
roots = st.lists(
    st.tuples(names, st.lists(names, max_size=6, unique=True)), min_size=1, max_size=40, unique_by=lambda root: root[0]
)


class TestSizes:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @example([("0000000\\¡¡¡¡¡ĀĀĀĀĀĀĀĀĀĀĀĀĀ𐀀𐀀𐀀𐀀𐀀", ["0", "1", "2", "3", "00", "000"])])
    @given(roots)
    def test_no_message_is_over_8_kib_whatever_the_names(self, engine: ModuleType, declared: Any) -> None:
        tasks = [
            {"name": name, "task": len, "subtasks": [{"name": child, "task": len} for child in children]}
            for name, children in declared
        ]
        plan = Plan.of(Workflow.parse("w" * 200, tasks))
        for head in plan.roots:
            (signature,) = canvas.heads(engine.app, Dispatch(new_instance_id(), 1, plan, [head]))
            assert max(pushed_bytes(engine.app, signature)) <= 8192

    @pytest.mark.parametrize("letter", ["x", "é", "数", "😀"])
    @pytest.mark.parametrize("queue", [None, "q" * 255, "数" * 255])
    def test_nor_with_the_longest_paths_and_queues(self, engine: ModuleType, letter: str, queue: str | None) -> None:
        bottom: dict[str, Any] = {"name": "end", "task": len, "queue": queue}
        for length in (100, 99, 98, 97, 50, 25, 12, 6, 3):
            deeper = {"name": letter * length, "task": len, "queue": queue, "subtasks": [bottom]}
            with contextlib.suppress(DefinitionError):
                Workflow.parse("w", [deeper])
                bottom = deeper
        plan = Plan.of(Workflow.parse("w", [bottom, {"name": "last", "task": len, "queue": queue}]))
        assert max(len(json.dumps(path)) for path in plan.nodes) > 450
        for head in plan.nodes:
            (signature,) = canvas.heads(engine.app, Dispatch(new_instance_id(), 1, plan, [head]))
            (size,) = pushed_bytes(engine.app, signature, queue or "celery")
            assert size <= 8192

    def test_nor_when_a_route_names_the_queue(self, engine: ModuleType) -> None:
        engine.app.conf.task_routes = {engine.note.name: {"queue": "q" * 255}}
        plan = Plan.of(Workflow.parse("w", [{"name": f"t{n}", "task": engine.note} for n in range(40)]))
        (signature,) = canvas.heads(engine.app, Dispatch(new_instance_id(), 1, plan, ["#.t0"]))
        assert 4096 < pushed_bytes(engine.app, signature, "q" * 255)[0] <= 8192

    def test_short_workflows_are_one_canvas(self, engine: ModuleType) -> None:
        plan = Plan.of(Workflow.parse("w", engine.nested(None)))
        (signature,) = canvas.heads(engine.app, Dispatch("i", 1, plan, ["#.first"]))
        steps = signature.tasks
        assert [step.args[1] for step in steps[:2]] == ["#.first", "#.block"]
        assert len(steps[2].tasks) == 3

    def test_bytes_on_the_broker_grow_linearly(
        self, valkey: Valkey, engine: ModuleType, start_engine: Start, tmp_path: Any
    ) -> None:
        """300 sequential tasks and a block of 1 000: no message over 8 KiB; twice the tasks, twice the bytes."""
        # Of messages that wait for seconds on a busy machine, recovery would publish some again.
        start_engine(concurrency=2, env={"ENGINE_NO_RECOVERY": "1"})
        totals: dict[tuple[str, int], int] = {}
        for name, sizes in (("chain", (150, 300)), ("wide", (500, 1000))):
            for size in sizes:
                context = {"calls": str(tmp_path / f"{name}{size}")}
                id = engine.jobs.create_workflow_instance(name, size, base_context=context)
                with Meter(valkey.port) as meter:
                    engine.jobs.execute_all_tasks(id).wait(120)
                assert len(meter.messages) >= size
                assert max(meter.messages) < 8192
                totals[name, size] = sum(meter.messages)
        for name, (small, large) in (("chain", (150, 300)), ("wide", (500, 1000))):
            assert totals[name, large] / totals[name, small] == pytest.approx(2, abs=0.2)


class TestWholeCanvas:
    def test_it_runs_between_two_tasks_of_the_users(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("nested")
        before, after = engine.note.si("before"), engine.note.s()
        result = chain(before, engine.jobs.canvas(id), after).apply_async().get(timeout=30)
        assert result == engine.jobs.get_result(id)
        assert result["got"]["b"]["x"] == 16
        assert engine.jobs.get_workflow(id)["status"] == "done"
        assert {r["attempt"] for r in engine.jobs.get_tasks_statuses(id).values()} == {1}

    def test_immutable_neighbours(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("skipped_block")
        whole = chain(engine.note.si("before"), engine.jobs.canvas(id), engine.note.si("after"))
        assert whole.apply_async().get(timeout=30) == "after"
        assert engine.jobs.get_result(id) == [1]

    def test_a_failure_stops_the_users_chain(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("nested", {"broken": "y"})
        with pytest.raises(ExecutionFailed, match=r"#\.block\.b\.y"):
            chain(engine.jobs.canvas(id), engine.note.s()).apply_async().get(timeout=30)
        assert engine.jobs.get_workflow(id)["status"] == "failed"
        assert engine.jobs.get_tasks_statuses(id)["#.block.c"]["status"] == "skipped"

    def test_two_workflows_in_a_group(self, engine: ModuleType, start_engine: Start) -> None:
        start_engine()
        ids = [engine.jobs.create_workflow_instance("skipped_block") for _ in range(2)]
        results = group(engine.jobs.canvas(id) for id in ids).apply_async().get(timeout=30)
        assert results == [[1], [1]]

    def test_a_canvas_can_be_used_once(self, engine: ModuleType, start_engine: Start) -> None:
        worker = start_engine()
        id = engine.jobs.create_workflow_instance("skipped_block")
        whole = engine.jobs.canvas(id)
        whole.apply_async().get(timeout=30)
        engine.jobs.execute_all_tasks(id).wait(30)
        before = engine.jobs.snapshot(id)
        whole.apply_async()
        worker.wait_for_output("run 1 was asked for, the next one is 3")
        assert engine.jobs.snapshot(id) == before

    def test_over_the_limit_it_is_refused_with_its_size(self, engine: ModuleType) -> None:
        id = engine.jobs.create_workflow_instance("wide", 3000)
        with pytest.raises(CanvasTooLarge) as refused:
            engine.jobs.canvas(id)
        assert refused.value.to_wire()["payload"]["size"] > 1_000_000

    def test_the_estimate_is_not_below_what_is_sent(self, engine: ModuleType) -> None:
        id = engine.jobs.create_workflow_instance("chain", 40)
        whole = engine.jobs.canvas(id)
        first = pushed_bytes(engine.app, whole)[0]
        engine.app.conf.jobs_flow_canvas_bytes = first
        with pytest.raises(CanvasTooLarge):
            engine.jobs.canvas(id)

    def test_without_a_result_backend_only_a_sequence_can_be_one(
        self, engine: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from celery import Celery

        from jobs_flow import Jobs

        app = Celery("plain", broker=engine.app.conf.broker_url, set_as_current=False)
        jobs = Jobs(app, storage=engine.jobs.storage)
        assert jobs.canvas(jobs.create_workflow_instance("routed"))
        with pytest.raises(ResultBackendRequired, match="CELERY_RESULT_BACKEND"):
            jobs.canvas(jobs.create_workflow_instance("nested"))


def test_messages_carry_id_path_and_run_only(engine: ModuleType) -> None:
    id = engine.jobs.create_workflow_instance("skipped_block", {"secret": "s3cret"}, base_context={"other": "s3cret"})
    engine.jobs.execute_all_tasks(id, {"argument": "s3cret"})
    with queues(engine.app) as client:
        (message,) = client.lrange("celery", 0, -1)
    envelope = json.loads(message)
    args, kwargs, _ = json.loads(base64.b64decode(envelope["body"]))
    assert (args, kwargs) == ([id, "#.a", 1], {})
    assert b"s3cret" not in message
    assert b"s3cret" not in base64.b64decode(envelope["body"])


class TestCanvasThatWaits:
    """The end of a message is the end of its task for Celery, so a message stays until its task has ended."""

    @pytest.mark.parametrize("delay", [0, 1.5])
    def test_retries_do_not_count_a_chord_down(
        self, engine: ModuleType, start_engine: Start, tmp_path: Any, delay: float
    ) -> None:
        start_engine(env={"ENGINE_LEASE": "3"})
        data = {"calls": str(tmp_path / "calls"), "failures": 2, "delay": delay}
        id = engine.jobs.create_workflow_instance("flaky", data)
        after = chain(engine.jobs.canvas(id), engine.note.s()).apply_async().get(timeout=40)
        assert after == {"x": 3, "y": "y"}
        records = engine.jobs.get_tasks_statuses(id)
        assert {path: record["status"] for path, record in records.items()} == dict.fromkeys(records, "ok")
        assert [records[path]["retries"] for path in ("#.a", "#.p.x", "#.p.y")] == [2, 2, 0]

    def test_a_killed_child_does_not_break_it(self, engine: ModuleType, start_engine: Start, tmp_path: Any) -> None:
        start_engine()
        data = {"calls": str(tmp_path / "calls"), "deaths": 1}
        id = engine.jobs.create_workflow_instance("deadly", data)
        engine.jobs.canvas(id).apply_async()
        assert engine.jobs.wait(id, 30) == 2

    def test_a_paused_one_goes_on(self, engine: ModuleType, start_engine: Start, tmp_path: Any) -> None:
        start_engine()
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data)
        result = engine.jobs.canvas(id).apply_async()
        eventually(lambda: engine.jobs.get_tasks_statuses(id)["#.a"]["status"] == "running")
        engine.jobs.pause(id)
        (tmp_path / "gate").touch()
        eventually(lambda: engine.jobs.get_tasks_statuses(id)["#.b"]["status"] == "queued")
        engine.jobs.unpause(id)
        assert result.get(timeout=30) == 1

    def test_a_destroyed_one_fails(self, engine: ModuleType, start_engine: Start, tmp_path: Any) -> None:
        start_engine()
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data)
        result = engine.jobs.canvas(id).apply_async()
        eventually(lambda: engine.jobs.get_tasks_statuses(id)["#.a"]["status"] == "running")
        engine.jobs.destroy_workflow(id)
        (tmp_path / "gate").touch()
        with pytest.raises(ExecutionFailed, match="destroyed"):
            result.get(timeout=30)

    def test_a_storage_that_is_away_when_it_begins_only_delays_it(
        self, engine: ModuleType, start_engine: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id = engine.jobs.create_workflow_instance("skipped_block")
        engine.jobs.canvas(id)
        answers = [StorageUnavailable(storage="redis://", reason="it is restarting")] * 2
        start_run = engine.jobs.storage.start_run

        def flaky(*args: Any, **kwargs: Any) -> Any:
            if answers:
                raise answers.pop()
            return start_run(*args, **kwargs)

        monkeypatch.setattr(engine.jobs.storage, "start_run", flaky)
        engine.app.tasks["jobs_flow.canvas_begin"].run(id, "#", 1)
        assert engine.jobs.get_workflow(id)["status"] == "working"

    def test_its_result_is_not_logged(self, engine: ModuleType, start_engine: Start) -> None:
        worker = start_engine()
        id = engine.jobs.create_workflow_instance("one_word", "s3cret")
        assert engine.jobs.canvas(id).apply_async().get(timeout=30) == "s3cret"
        worker.wait_for_output(r"one_word\[\S+ succeeded in \S+ , \.\.\.")
        assert "s3cret" not in worker.output()

    def test_a_cancelled_one_fails(self, engine: ModuleType, start_engine: Start, tmp_path: Any) -> None:
        start_engine()
        data = {"calls": str(tmp_path / "calls"), "gate": str(tmp_path / "gate")}
        id = engine.jobs.create_workflow_instance("gated", data)
        result = engine.jobs.canvas(id).apply_async()
        eventually(lambda: engine.jobs.get_tasks_statuses(id)["#.a"]["status"] == "running")
        engine.jobs.cancel(id)
        (tmp_path / "gate").touch()
        with pytest.raises(ExecutionFailed):
            result.get(timeout=30)
        assert engine.jobs.get_workflow(id)["status"] == "cancelled"
