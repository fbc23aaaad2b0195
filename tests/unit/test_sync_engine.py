"""The whole engine in this process: the facade on the sync backend and the memory storage."""

from __future__ import annotations

import asyncio
import functools
from typing import Any
from uuid import UUID

import pytest

from jobs_flow import Failure, Jobs, Registry, Task
from jobs_flow.backends import SyncBackend, leases
from jobs_flow.backends.policy import Policy
from jobs_flow.errors import (
    CannotStart,
    ConfigurationError,
    DefinitionError,
    ExecutionFailed,
    InstanceNotFound,
    InvalidArgument,
    InvalidPath,
    NotJson,
    TaskNotFound,
    UnknownWorkflow,
    WaitTimeout,
)
from jobs_flow.storages import MemoryStorage
from jobs_flow.storages.records import Grip
from jobs_flow.workflows.selection import select_all
from tests.support.eventually import eventually


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(storage="memory://", backend="sync", registry=Registry())


def run(jobs: Jobs, *tasks: Any, data: Any = None, **options: Any) -> str:
    jobs.register_workflow("w", list(tasks))
    return jobs.create_workflow_instance("w", data, execute=True, **options)


def statuses(jobs: Jobs, id: str) -> dict[str, str]:
    return {path: record["status"] for path, record in jobs.get_tasks_statuses(id).items()}


def boom(res: Any = None) -> Any:
    raise ValueError("no rows")


class TestResults:
    @pytest.mark.parametrize("value", [0, "", False, [], None, {}, {"é": [1, 2.5, None, "x"]}])
    def test_a_result_is_stored_unchanged_and_handed_on(self, jobs: Jobs, value: Any) -> None:
        id = run(jobs, Task("a", lambda: value), Task("b", lambda res: [res]))
        assert jobs.get_task(id, "#.a")["body"] == value
        assert jobs.wait(id) == [value]

    def test_a_result_that_is_not_json_fails_the_task_with_place_and_type(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: {"when": object()}))
        error = jobs.get_task(id, "#.a")["error"]
        assert error["code"] == "NOT_JSON"
        assert "the result['when'] is of type builtins.object" in error["message"]

    def test_a_coroutine_and_a_generator_serve_as_tasks(self, jobs: Jobs) -> None:
        async def later(res: Any) -> Any:
            await asyncio.sleep(0)
            return 1

        def steps(res: Any) -> Any:
            yield 0.25
            yield "half"
            yield 0.75, "nearly"
            return res + 1

        id = run(jobs, Task("a", later), Task("b", steps))
        assert jobs.wait(id) == 2
        record = jobs.get_task(id, "#.b")
        assert (record["progress"], record["progressText"]) == (1.0, "nearly")

    async def test_everything_also_works_inside_a_running_loop(self, jobs: Jobs) -> None:
        async def later(res: Any) -> Any:
            return 1

        jobs.register_workflow("w", [Task("a", later)])
        id = await jobs.acreate_workflow_instance("w", execute=True)
        assert await jobs.await_result(id) == 1
        # Called straight from the loop's own thread as well: the coroutine runs beside it.
        assert jobs.wait(jobs.create_workflow_instance("w", execute=True)) == 1

    def test_a_workflow_without_tasks_is_done(self, jobs: Jobs) -> None:
        id = run(jobs)
        view = jobs.get_workflow(id)
        assert (view["status"], view["progress"], jobs.wait(id)) == ("done", 0.0, None)


class TestSkipping:
    def test_body_hooks_and_log_are_not_touched_and_the_flow_goes_on(self, jobs: Jobs) -> None:
        called: list[Any] = []
        id = run(
            jobs,
            Task("a", lambda: 1),
            Task("b", called.append, condition=lambda res: res > 1, debug=called.append, on_complete="said"),
            Task("c", lambda res: res, condition=lambda res, job: False),
            Task("d", lambda res: ["last", res]),
        )
        assert statuses(jobs, id) == {"#.a": "ok", "#.b": "skipped", "#.c": "skipped", "#.d": "ok"}
        assert called == []
        assert jobs.get_logs(id, "#.b") == []
        assert jobs.wait(id) == ["last", 1]
        assert jobs.get_workflow(id)["status"] == "done"

    def test_a_skipped_first_task_hands_its_argument_on(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", boom, condition=lambda: 0), Task("b", lambda res: [res])])
        id = jobs.create_workflow_instance("w")
        assert jobs.execute_all_tasks(id, 7).wait() == [7]
        assert jobs.execute_all_tasks(id).wait() == [{}]

    def test_a_skipped_block_skips_all_of_it(self, jobs: Jobs) -> None:
        block = Task("b", boom, condition=lambda: False, subtasks=[Task("x", boom, subtasks=[Task("y", boom)])])
        id = run(jobs, Task("a", lambda: 1), block, Task("c", lambda res: [res]))
        assert statuses(jobs, id) == {
            "#.a": "ok",
            "#.b": "skipped",
            "#.b.x": "skipped",
            "#.b.x.y": "skipped",
            "#.c": "ok",
        }
        assert jobs.wait(id) == [1]

    def test_a_condition_that_raises_fails_the_task(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1, condition=boom))
        assert statuses(jobs, id) == {"#.a": "failed"}


class TestFailure:
    def test_later_tasks_are_untouched(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1), Task("b", boom), Task("c", lambda: 2))
        assert statuses(jobs, id) == {"#.a": "ok", "#.b": "failed", "#.c": "inactive"}
        record = jobs.get_task(id, "#.b")
        assert record["body"] == "no rows"
        assert record["error"] == {"code": "EXECUTION_FAILED", "type": "ValueError", "message": "no rows"}
        assert record["argument"] == 1
        assert "Traceback" in record["traceback"]
        assert "traceback" not in jobs.get_tasks_statuses(id)["#.b"]
        assert jobs.get_workflow(id)["error"]["path"] == "#.b"

    def test_waiting_raises_with_path_and_payload(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", boom))
        with pytest.raises(ExecutionFailed) as failed:
            jobs.wait(id)
        assert failed.value.path == "#.a"  # type: ignore[attr-defined]
        assert failed.value.payload["message"] == "no rows"  # type: ignore[attr-defined]

    def test_a_given_value_is_the_body(self, jobs: Jobs) -> None:
        def fail() -> None:
            raise Failure({"rows": [3]})

        assert jobs.get_task(run(jobs, Task("a", fail)), "#.a")["body"] == {"rows": [3]}

    @pytest.mark.parametrize("error", [MemoryError(), SystemExit(3), asyncio.CancelledError(), ValueError("\ud800")])
    def test_what_would_end_a_worker_fails_the_task(self, jobs: Jobs, error: BaseException) -> None:
        def fail() -> None:
            raise error

        id = run(jobs, Task("a", fail), Task("b", lambda: 1))
        assert statuses(jobs, id) == {"#.a": "failed", "#.b": "inactive"}
        assert jobs.get_task(id, "#.a")["error"]["type"] == type(error).__name__

    def test_ctrl_c_is_for_whoever_pressed_it(self, jobs: Jobs) -> None:
        def press() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(jobs, Task("a", press))

    def test_the_siblings_finish_and_the_next_does_not_start(self, jobs: Jobs) -> None:
        block = Task("b", lambda: 1, subtasks=[Task("x", boom), Task("y", lambda: 2, subtasks=[Task("z", lambda: 3)])])
        id = run(jobs, block, Task("c", lambda: 4))
        found = statuses(jobs, id)
        assert found == {"#.b": "ok", "#.b.x": "failed", "#.b.y": "ok", "#.b.y.z": "ok", "#.c": "inactive"}
        assert jobs.get_workflow(id)["status"] == "failed"

    def test_a_tolerated_failure_lets_the_flow_go_on(self, jobs: Jobs) -> None:
        id = run(
            jobs,
            Task("a", lambda: 1),
            Task("b", boom, on_failure="continue"),
            Task("c", lambda: 0, on_failure="continue", subtasks=[Task("x", boom), Task("y", lambda: 2)]),
            Task("d", lambda res: res),
        )
        assert jobs.wait(id) == {"x": None, "y": 2}
        assert jobs.get_workflow(id)["status"] == "done"
        assert statuses(jobs, id)["#.b"] == "failed"


class TestContext:
    def test_dest_is_read_both_ways(self, jobs: Jobs) -> None:
        def reads(res: Any, job: Any) -> Any:
            return [job.context["rows"], job.rows, job.previous_context["base"]]

        id = run(jobs, Task("a", lambda: 5, dest="rows"), Task("b", reads), base_context={"base": 1})
        assert jobs.wait(id) == [5, 5, 1]
        assert jobs.get_task(id, "#.b")["context"] == {"base": 1, "rows": 5}

    def test_a_missing_member_is_an_attribute_error_that_names_the_path(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda res, job: job.rows))
        assert jobs.get_task(id, "#.a")["error"]["message"] == "the job of #.a has no 'rows' in its context"

    def test_runs_do_not_change_the_base_context(self, jobs: Jobs) -> None:
        def changes(res: Any, job: Any) -> int:
            job.context["list"].append(1)
            return len(job.context["list"])

        id = run(jobs, Task("a", changes), base_context={"list": []})
        assert jobs.wait(id) == 1
        assert jobs.execute_all_tasks(id).wait() == 1

    def test_running_an_earlier_task_again_sees_nothing_of_later_ones(self, jobs: Jobs) -> None:
        seen = Task("a", lambda res, job: sorted(job.context), dest="x")
        id = run(jobs, seen, Task("b", lambda: 1, dest="y"))
        assert jobs.execute_one_task(id, "#.a").wait() == []

    def test_a_long_argument_is_given_in_full_when_asked_for(self, jobs: Jobs) -> None:
        rows = list(range(10_000))
        id = run(jobs, Task("a", lambda: rows, dest="rows"), Task("b", len))
        record = jobs.get_task(id, "#.b")
        assert (record["body"], record["argument"], record["context"]) == (10_000, rows, {"rows": rows})


class TestLogs:
    def test_lines_in_order_with_the_completion_last(self, jobs: Jobs) -> None:
        def talks(res: Any, job: Any) -> int:
            job.log("one", "two\nthree")
            return 4

        id = run(jobs, Task("a", talks, on_complete=lambda res: f"{res} rows"), Task("b", talks, on_complete="fixed"))
        assert jobs.get_logs(id, "#.a") == ["one", "two", "three", "4 rows"]
        assert jobs.get_logs(id, "#.b")[-1] == "fixed"

    def test_hooks_that_raise_harm_nothing(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1, debug=lambda res, context: 1 / 0, on_complete=boom))
        assert statuses(jobs, id) == {"#.a": "ok"}

    def test_debug_gets_result_and_context(self, jobs: Jobs) -> None:
        seen: list[Any] = []
        run(
            jobs,
            Task("a", lambda: 1, dest="x"),
            Task("b", lambda: 2, debug=lambda res, context: seen.append((res, context))),
        )
        assert seen == [(2, {"x": 1})]

    @pytest.mark.parametrize("value", [-0.1, 1.1, True, [], float("nan")])
    def test_progress_is_a_share(self, jobs: Jobs, value: Any) -> None:
        id = run(jobs, Task("a", lambda res, job: job.progress(value)))
        assert jobs.get_task(id, "#.a")["error"]["code"] == "INVALID_ARGUMENT"


class TestRuns:
    def test_a_full_run_runs_everything_again(self, jobs: Jobs) -> None:
        calls: list[str] = []
        id = run(jobs, Task("a", lambda: calls.append("a")), Task("b", lambda: calls.append("b")))
        jobs.execute_all_tasks(id)
        assert calls == ["a", "b", "a", "b"]
        assert jobs.get_workflow(id)["run"] == 2

    def test_one_task_uses_what_ran_before_it(self, jobs: Jobs) -> None:
        calls: list[str] = []
        id = run(
            jobs,
            Task("a", lambda: calls.append("a") or 1),
            Task("b", lambda res: calls.append("b") or [res]),
            Task("c", lambda: 3),
        )
        assert jobs.execute_one_task(id, "#.b").wait() == [1]
        assert jobs.execute_one_task(id, "#.b", None).wait() == [None]
        assert calls == ["a", "b", "b", "b"]
        assert jobs.get_workflow(id)["status"] == "done"

    def test_a_path_on_runs_the_rest(self, jobs: Jobs) -> None:
        calls: list[str] = []
        tasks = [Task(name, functools.partial(calls.append, name)) for name in "abc"]
        id = run(jobs, *tasks)
        jobs.execute_all_tasks(id, from_path="#.b")
        assert calls == ["a", "b", "c", "b", "c"]

    def test_the_root_path_runs_all(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda res: res))
        assert jobs.execute_one_task(id, "#", 5).wait() == 5

    def test_hooks_fire_once(self, jobs: Jobs) -> None:
        fired: list[Any] = []
        jobs.on_start.connect(lambda **info: fired.append(("start", info["run"])))
        jobs.on_complete.connect(lambda **info: fired.append("complete"))
        jobs.on_error.connect(lambda **info: fired.append(("error", info["path"], info["payload"]["message"])))
        run(jobs, Task("a", lambda: 1))
        run(jobs, Task("a", boom))
        assert fired == [("start", 1), "complete", ("start", 1), ("error", "#.a", "no rows")]

    def test_a_hook_that_raises_harms_nothing(self, jobs: Jobs) -> None:
        jobs.on_complete.connect(boom)
        assert jobs.get_workflow(run(jobs, Task("a", lambda: 1)))["status"] == "done"


class TestRefusals:
    def test_unknown_workflow_stores_nothing(self, jobs: Jobs) -> None:
        with pytest.raises(UnknownWorkflow):
            jobs.create_workflow_instance("nope")
        assert jobs.get_all_workflows() == []

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"data": object()}, NotJson),
            ({"base_context": {"x": {1}}}, NotJson),
            ({"base_context": [1]}, InvalidArgument),
            ({"realm": "x" * 201}, InvalidArgument),
            ({"name": 3}, InvalidArgument),
        ],
    )
    def test_wrong_arguments_store_nothing(self, jobs: Jobs, arguments: Any, error: Any) -> None:
        jobs.register_workflow("w", [])
        with pytest.raises(error):
            jobs.create_workflow_instance("w", **arguments)
        assert jobs.get_all_workflows() == []

    def test_an_unknown_path_changes_nothing(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1))
        before = jobs.snapshot(id)
        for path, error in (("#.b", TaskNotFound), ("b", InvalidPath), ("#.a.", InvalidPath)):
            with pytest.raises(error):
                jobs.execute_one_task(id, path)
        with pytest.raises(TaskNotFound):
            jobs.get_task(id, "#.b")
        with pytest.raises(TaskNotFound):
            jobs.get_logs(id, "#.b")
        assert jobs.snapshot(id) == before

    def test_an_unknown_instance(self, jobs: Jobs) -> None:
        for ask in (jobs.get_workflow, jobs.snapshot, jobs.execute_all_tasks, jobs.get_result, jobs.wait):
            with pytest.raises(InstanceNotFound):
                ask("nope")

    def test_an_id_that_is_no_text(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1))
        for ask in (jobs.get_workflow, jobs.execute_all_tasks, jobs.get_result):
            with pytest.raises(InvalidArgument, match="it is a UUID, and ids are text"):
                ask(UUID(id))

    def test_a_task_whose_predecessor_has_not_passed_is_refused_by_name(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", boom), Task("b", lambda: 1))
        before = jobs.snapshot(id)
        with pytest.raises(CannotStart, match=r"#\.a comes before it and is failed") as refused:
            jobs.execute_one_task(id, "#.b")
        assert refused.value.to_wire()["payload"]["blocking"] == "#.a"
        assert jobs.snapshot(id) == before

    def test_a_run_within_a_run_is_refused(self, jobs: Jobs) -> None:
        def again(res: Any, job: Any) -> str:
            with pytest.raises(CannotStart, match="a run is going on"):
                jobs.execute_all_tasks(job.workflow_id)
            return "refused"

        assert jobs.wait(run(jobs, Task("a", again))) == "refused"

    def test_waiting_has_an_end(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        with pytest.raises(WaitTimeout, match="it is inactive"):
            jobs.wait(jobs.create_workflow_instance("w"), timeout=0.05)

    @pytest.mark.parametrize("options", [{"backend": "kue"}, {"storage": "mongodb://x"}, {"storage": "nope"}])
    def test_an_unknown_backend_or_storage_is_named(self, options: Any) -> None:
        with pytest.raises(ConfigurationError) as wrong:
            Jobs(**({"storage": "memory://", "backend": "sync"} | options))
        assert next(iter(options)) in str(wrong.value)


class TestListing:
    def test_newest_first_in_pages_and_filtered(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        ids = [jobs.create_workflow_instance("w", realm=f"r{n % 2}", execute=n < 2) for n in range(5)]
        assert [w["id"] for w in jobs.get_all_workflows()] == ids[::-1]
        assert [w["id"] for w in jobs.get_all_workflows(limit=2, after=ids[3])] == [ids[2], ids[1]]
        assert [w["id"] for w in jobs.get_all_workflows(realm="r1")] == [ids[3], ids[1]]
        assert [w["id"] for w in jobs.get_all_workflows(status="done")] == [ids[1], ids[0]]
        assert jobs.get_all_workflows(workflow="other") == []

    def test_describe_and_paths(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", lambda data: [Task(data, boom, subtasks=[Task("b", boom)])])
        assert jobs.get_all_paths("w", "a") == ["#.a", "#.a.b"]
        assert jobs.describe("w", "a")[0]["children"][0]["path"] == "#.a.b"


def test_a_changed_definition_is_named(jobs: Jobs) -> None:
    jobs.register_workflow("w", [Task("a", lambda: 1), Task("b", lambda: 2)])
    id = jobs.create_workflow_instance("w")
    jobs.register_workflow("w", [Task("a", lambda: 1), Task("c", lambda: 2)])
    with pytest.raises(Exception, match=r"#\.c differs") as changed:
        jobs.execute_all_tasks(id)
    assert getattr(changed.value, "code", "") == "DEFINITION_CHANGED"
    assert jobs.get_workflow(id)["status"] == "inactive"


class TestMessages:
    """What users read when something is wrong."""

    def test_a_generator_that_forgot_its_return(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", lambda data: None)
        with pytest.raises(DefinitionError, match="lack a return"):
            jobs.create_workflow_instance("w")

    def test_a_time_out_says_what_is_waiting(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        id = jobs.create_workflow_instance("w")
        jobs.storage.start_run(id, select_all(jobs.registry.plan("w", None)))
        with pytest.raises(WaitTimeout, match="working, with 1 tasks queued and 0 running"):
            jobs.wait(id, timeout=0.01)

    def test_an_exception_is_named_with_its_type(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: {}["city"]))
        with pytest.raises(ExecutionFailed, match=r"failed: KeyError: 'city'$"):
            jobs.wait(id)
        assert jobs.get_task(id, "#.a")["error"]["message"] == "KeyError: 'city'"

    def test_a_failed_task_leaves_a_line_without_the_users_data(
        self, jobs: Jobs, caplog: pytest.LogCaptureFixture
    ) -> None:
        id = run(jobs, Task("a", lambda: 1 / 0))
        assert f"{id} #.a run 1 failed: ZeroDivisionError" in caplog.text
        assert "division by zero" not in caplog.text

    async def test_one_task_is_awaited_by_its_result(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1), Task("b", lambda res: [res]))
        await jobs.aexecute_one_task(id, "#.a")
        assert await jobs.await_task(id, "#.a") == 1


class TestLeases:
    def test_in_a_process_of_a_worker_too_its_own_tasks_keep_theirs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "_kept_by_main", True)
        monkeypatch.setattr(SyncBackend, "policy", Policy(lease=0.15))
        # A clock that moves only here: on that of the machine a lease may be over before anybody comes to renew it.
        now = [1_000_000]
        storage = MemoryStorage(clock=lambda: now[0])
        jobs = Jobs(storage=storage, backend=SyncBackend(), registry=Registry())
        renewed: list[list[Grip]] = []
        renew = storage.renew

        def count(*holds: Any, **options: Any) -> list[Grip]:
            renewed.append(renew(*holds, **options))
            return renewed[-1]

        monkeypatch.setattr(storage, "renew", count)
        found: list[int] = []

        def slow(res: Any) -> str:
            # Until the lease it was claimed with is long over.
            for _ in range(6):
                now[0] += 100
                # The next but one has begun after that.
                enough = len(renewed) + 2
                eventually(lambda enough=enough: len(renewed) >= enough)
                found.extend(1 for due in storage.due() if due.kind == "lease")
            return "kept"

        assert jobs.wait(run(jobs, Task("a", slow))) == "kept"
        assert found == []
