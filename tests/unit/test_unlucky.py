"""Users' code at its worst: every end of a task is an outcome, and no run stays behind."""

from __future__ import annotations

import asyncio
import enum
import threading
from typing import Any

import pytest

from jobs_flow import Failure, Jobs, Registry, Task
from jobs_flow.backends.perform import ends_the_process
from jobs_flow.errors import DefinitionError, ExecutionFailed, InvalidPath, NotJson, UnknownWorkflow
from jobs_flow.workflows import json


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class BadText:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Timeout(BaseException):
    """As gevent's: no Exception."""


class Half(float):
    """As numpy's floats: a subclass."""


class Text(str):
    __slots__ = ()


class Mode(enum.StrEnum):
    FAST = "fast"


def raises(error: BaseException) -> Any:
    def fail(*_: Any) -> None:
        raise error

    return fail


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(storage="memory://", backend="sync", registry=Registry())


def run(jobs: Jobs, *tasks: Any) -> tuple[str, dict[str, str]]:
    jobs.register_workflow("w", list(tasks))
    id = jobs.create_workflow_instance("w", execute=True)
    return jobs.get_workflow(id)["status"], {p: r["status"] for p, r in jobs.get_tasks_statuses(id).items()}


class TestOutcomes:
    @pytest.mark.parametrize(
        "function",
        [
            pytest.param(raises(Unprintable()), id="an exception without text"),
            pytest.param(raises(Failure(Half("nan"))), id="a payload that is no number"),
            pytest.param(raises(Failure(10**5000)), id="a payload of too many digits"),
            pytest.param(raises(Failure(BadText())), id="a payload that is not JSON"),
            pytest.param(raises(Timeout()), id="a time-out that is no Exception"),
            pytest.param(raises(BaseException("odd")), id="a bare BaseException"),
            pytest.param(lambda: Half("nan"), id="a result that is no number"),
            pytest.param(lambda: 10**5000, id="a result of too many digits"),
            pytest.param(lambda: Text("\ud800"), id="a result that no UTF-8 can hold"),
            pytest.param(lambda: nested(300), id="a result that is nested too deeply"),
        ],
    )
    def test_a_failure_is_recorded_and_the_run_ends(self, jobs: Jobs, function: Any) -> None:
        assert run(jobs, Task("a", function), Task("b", lambda: 1)) == ("failed", {"#.a": "failed", "#.b": "inactive"})

    def test_a_result_at_the_limit_of_depth_serves_the_next_task(self, jobs: Jobs) -> None:
        deep = nested(json.MAX_DEPTH)
        assert run(jobs, Task("a", lambda: deep, dest="deep"), Task("b", lambda res: 1))[1]["#.a"] == "ok"
        status, found = run(jobs, Task("p", subtasks=[Task("a", lambda: deep)]), Task("b", lambda: 1))
        assert status in ("done", "failed")
        assert "running" not in found.values()

    @pytest.mark.parametrize(
        "hook",
        [lambda res: BadText(), lambda res: "\udcff", raises(SystemExit(1)), raises(Timeout()), lambda: "x" * 10**6],
    )
    def test_hooks_harm_nothing(self, jobs: Jobs, hook: Any) -> None:
        assert run(jobs, Task("a", lambda: 1, on_complete=hook, debug=hook))[0] == "done"

    def test_logs_and_progress_of_any_text(self, jobs: Jobs) -> None:
        def says(res: Any, job: Any) -> None:
            job.log("odd \udcff", "é")
            job.progress("odd \udcff")

        jobs.register_workflow("w", [Task("a", says)])
        id = jobs.create_workflow_instance("w", execute=True)
        assert jobs.get_logs(id, "#.a") == ["odd \\udcff", "é"]
        assert jobs.get_task(id, "#.a")["progressText"] == "odd \\udcff"

    def test_many_log_lines_are_many_events(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda res, job: job.log("x\n" * 1000))])
        id = jobs.create_workflow_instance("w", execute=True)
        lengths = [len(e.data["logs"]["#.a"]["lines"]) for e in jobs.storage.events(id, 0) or [] if "logs" in e.data]
        assert sum(lengths) == 1000
        assert max(lengths) == 200

    def test_a_recorder_that_fails_once_leaves_no_record_behind(
        self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As a soft time limit does that strikes while the outcome is being written."""
        complete, calls = jobs.storage.complete, []

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            calls.append(kwargs["outcome"].status)
            if len(calls) == 1:
                raise TimeoutError("soft time limit")
            return complete(*args, **kwargs)

        monkeypatch.setattr(jobs.storage, "complete", interrupted)
        assert run(jobs, Task("a", lambda: 1))[0] == "failed"
        assert calls == ["ok", "failed"]

    def test_one_that_fails_after_it_has_written_changes_nothing(
        self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        complete, calls, errors = jobs.storage.complete, [], []
        jobs.on_error.connect(lambda **info: errors.append(info))

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            answer = complete(*args, **kwargs)
            calls.append(answer)
            if len(calls) == 1:
                raise TimeoutError("soft time limit")
            return answer

        monkeypatch.setattr(jobs.storage, "complete", interrupted)
        assert run(jobs, Task("a", lambda: 1), Task("b", lambda: 2)) == ("done", {"#.a": "ok", "#.b": "ok"})
        assert errors == []


class TestGenerators:
    def test_one_written_with_yield_and_raising(self, jobs: Jobs) -> None:
        def generate(data: Any) -> Any:
            yield Task("a", lambda: 1)
            raise KeyError("city")

        jobs.register_workflow("w", generate)
        with pytest.raises(DefinitionError, match="KeyError"):
            jobs.create_workflow_instance("w")

    def test_data_is_what_workers_will_read(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", lambda data: [Task("fast" if data["m"] is Mode.FAST else "slow", lambda: 1)])
        assert jobs.wait(jobs.create_workflow_instance("w", {"m": Mode.FAST}, execute=True)) == 1

    def test_two_who_ask_at_once_both_find(self) -> None:
        registry, started, proceed = Registry(), threading.Event(), threading.Event()

        def discover() -> None:
            started.set()
            proceed.wait(5)
            registry.register("found", [])

        registry.add_discovery(discover)
        found: list[Any] = []
        askers = [threading.Thread(target=lambda: found.append(registry.plan("found", None))) for _ in range(2)]
        askers[0].start()
        started.wait(5)
        askers[1].start()
        proceed.set()
        for asker in askers:
            asker.join(5)
        assert len(found) == 2

    def test_a_discovery_that_fails_says_so_each_time(self) -> None:
        registry = Registry()
        registry.add_discovery(raises(ImportError("no such module")))
        for _ in range(2):
            with pytest.raises(ImportError, match="no such module"):
                registry.plan("w", None)


class TestOddArguments:
    @pytest.mark.parametrize("name", [["x"], None, 3, {}])
    def test_a_workflow_name_of_another_type(self, jobs: Jobs, name: Any) -> None:
        with pytest.raises(UnknownWorkflow):
            jobs.create_workflow_instance(name)

    def test_a_path_of_another_type(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        id = jobs.create_workflow_instance("w")
        for path in (None, 3, "\ud800"):
            with pytest.raises(InvalidPath):
                jobs.execute_one_task(id, path)  # type: ignore[arg-type]

    @pytest.mark.parametrize("data", [Half("nan"), 10**5000, {"x": Text("\ud800")}], ids=["nan", "digits", "text"])
    def test_data_that_is_not_json(self, jobs: Jobs, data: Any) -> None:
        jobs.register_workflow("w", [])
        with pytest.raises(NotJson):
            jobs.create_workflow_instance("w", data)

    @pytest.mark.parametrize(
        "value", [{"$ref": ["x"], "executionTime": 1, "length": 2}, {"$ref": "#.a", "executionTime": 1, "length": 2}]
    )
    def test_a_dict_that_looks_like_a_reference_is_the_users_own(self, jobs: Jobs, value: Any) -> None:
        jobs.register_workflow("w", [Task("a", lambda: value, dest="mine"), Task("b", lambda res: res)])
        id = jobs.create_workflow_instance("w", execute=True)
        record = jobs.get_task(id, "#.b")
        assert (record["argument"], record["context"], jobs.wait(id)) == (value, {"mine": value}, value)


class TestRecordsStaySmall:
    def test_what_all_records_keep_grows_with_the_tasks(self, jobs: Jobs) -> None:
        def kept(number: int) -> int:
            tasks = [Task(f"t{n}", lambda: "x" * 10_000, dest=f"d{n}") for n in range(number)]
            jobs.register_workflow("w", tasks)
            id = jobs.create_workflow_instance("w", base_context={"base": "y" * 100_000}, execute=True)
            last = jobs.storage.get_task(id, f"#.t{number - 1}") or {}
            assert jobs.get_task(id, f"#.t{number - 1}")["context"]["base"] == "y" * 100_000
            assert jobs.get_task(id, f"#.t{number - 1}")["context"]["d0"] == "x" * 10_000
            return len(json.encode(last["context"]))

        assert kept(50) < 50 * 120


class TestWaiting:
    async def test_coroutines_hold_no_thread(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        id = jobs.create_workflow_instance("w")
        waiting = [asyncio.create_task(jobs.await_result(id)) for _ in range(200)]
        await asyncio.sleep(0)
        view = await asyncio.wait_for(jobs.aget_workflow(id), 5)
        assert view["status"] == "inactive"
        await jobs.aexecute_all_tasks(id)
        assert await asyncio.gather(*waiting) == [1] * 200

    def test_a_failure_of_an_earlier_run_is_still_told(self, jobs: Jobs) -> None:
        fails = [True]
        jobs.register_workflow(
            "w", [Task("p", subtasks=[Task("a", lambda: 1), Task("b", lambda: 1 / 0 if fails else 2)])]
        )
        id = jobs.create_workflow_instance("w", execute=True)
        jobs.execute_one_task(id, "#.p.a")
        with pytest.raises(ExecutionFailed) as failed:
            jobs.wait(id)
        assert failed.value.to_wire()["payload"]["path"] == "#.p.b"


class TestTolerantBlocks:
    def test_a_failure_that_the_block_tolerates_lets_partial_runs_start(self, jobs: Jobs) -> None:
        block = Task("p", on_failure="continue", subtasks=[Task("a", raises(ValueError())), Task("b", lambda: 1)])
        jobs.register_workflow("w", [block, Task("c", lambda: 2), Task("d", lambda: 3)])
        id = jobs.create_workflow_instance("w", execute=True)
        assert jobs.execute_one_task(id, "#.c").wait() == 2
        assert jobs.execute_all_tasks(id, from_path="#.d").wait() == 3
        assert jobs.execute_all_tasks(id, from_path="#.p.b").wait() == 3


class TestTermination:
    """A signal ends a child of a worker's pool: its main process knows why, and says so in the record."""

    def test_is_no_outcome_of_the_task(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import billiard.common

        assert not ends_the_process(SystemExit(1))
        monkeypatch.setattr(billiard.common, "_should_have_exited", [True])
        assert ends_the_process(SystemExit(1))
        assert not ends_the_process(ValueError())
