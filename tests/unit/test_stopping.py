"""Cancel, pause and undo, in this process."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_flow import Cancelled, Jobs, Registry, Task
from jobs_flow.errors import ExecutionFailed, InstanceNotFound, TaskNotFound
from jobs_flow.invariants import invariants


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(storage="memory://", backend="sync", registry=Registry())


def run(jobs: Jobs, *tasks: Task) -> str:
    jobs.register_workflow("w", list(tasks))
    return jobs.create_workflow_instance("w", execute=True)


def statuses(jobs: Jobs, id: str) -> dict[str, str]:
    return {path: record["status"] for path, record in jobs.get_tasks_statuses(id).items()}


class TestCancel:
    @pytest.mark.parametrize(("look", "said"), [("progress", [0.5]), ("log", ["on"]), ("heartbeat", [])])
    def test_a_running_function_is_stopped_by_what_it_says(self, jobs: Jobs, look: str, said: list[Any]) -> None:
        after: list[str] = []

        def work(res: Any, job: Any) -> None:
            jobs.cancel(job.workflow_id)
            job._checked = 0.0  # the storage is asked twice a second at most
            try:
                {"progress": lambda: job.progress(0.5), "log": lambda: job.log("on"), "heartbeat": job.heartbeat}[
                    look
                ]()
            except Exception:
                after.append("swallowed")
            after.append("went on")

        id = run(jobs, Task("a", work), Task("b", lambda: None))
        assert after == []
        assert statuses(jobs, id) == {"#.a": "cancelled", "#.b": "inactive"}
        assert jobs.get_workflow(id)["status"] == "cancelled"
        assert jobs.get_task(id, "#.a")["error"]["code"] == "CANCELLED"
        assert invariants(jobs.storage) == []

    def test_a_function_that_returns_after_it_saw_it_is_cancelled(self, jobs: Jobs) -> None:
        def work(res: Any, job: Any) -> str:
            assert not job.cancelled
            jobs.cancel(job.workflow_id)
            job._checked = 0.0
            return "half" if job.cancelled else "whole"

        id = run(jobs, Task("a", work))
        assert statuses(jobs, id) == {"#.a": "cancelled"}

    def test_one_that_never_looks_is_ok_and_nothing_starts_after_it(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda res, job: jobs.cancel(job.workflow_id)), Task("b", lambda: 1))
        assert statuses(jobs, id) == {"#.a": "ok", "#.b": "cancelled"}
        with pytest.raises(ExecutionFailed):
            jobs.wait(id)

    def test_a_subtree_is_cancelled_and_its_siblings_are_not(self, jobs: Jobs) -> None:
        def work(res: Any, job: Any) -> None:
            jobs.cancel(job.workflow_id, "#.p.b")

        members = [Task("a", work), Task("b", lambda: 1, subtasks=[Task("x", lambda: 1)]), Task("c", lambda: 1)]
        id = run(jobs, Task("p", lambda: 0, subtasks=members), Task("end", lambda: 1))
        assert statuses(jobs, id) == {
            "#.p": "ok",
            "#.p.a": "ok",
            "#.p.b": "cancelled",
            "#.p.b.x": "inactive",
            "#.p.c": "ok",
            "#.end": "inactive",
        }

    def test_a_cancelled_run_can_be_resumed(self, jobs: Jobs) -> None:
        first = [True]

        def work(res: Any, job: Any) -> str:
            if first.pop() if first else False:
                jobs.cancel(job.workflow_id)
            job.log("working")
            return "done"

        id = run(jobs, Task("a", lambda: 1), Task("b", work), Task("c", lambda res: res))
        assert jobs.preview(id) == ["#.b", "#.c"]
        assert jobs.resume(id).wait() == "done"

    def test_what_is_not_working_cannot_be_cancelled(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda: 1))
        assert jobs.cancel(id) is False
        with pytest.raises(TaskNotFound):
            jobs.cancel(id, "#.z")
        with pytest.raises(InstanceNotFound):
            jobs.cancel("nobody")
        assert jobs.get_workflow(id)["status"] == "done"

    def test_its_exception_is_no_exception_that_users_catch(self) -> None:
        assert not issubclass(Cancelled, Exception)


class TestPause:
    def test_it_stops_before_the_next_task_and_goes_on_where_it_stopped(self, jobs: Jobs) -> None:
        calls: list[str] = []

        def work(res: Any, job: Any) -> None:
            calls.append(job.path)
            if job.path == "#.a":
                jobs.pause(job.workflow_id)

        id = run(jobs, Task("a", work), Task("p", work, subtasks=[Task("x", work), Task("y", work)]))
        assert calls == ["#.a"]
        assert jobs.get_workflow(id)["status"] == "working"
        assert jobs.pause(id) is False
        assert jobs.unpause(id) is True
        assert calls == ["#.a", "#.p", "#.p.x", "#.p.y"]
        assert jobs.get_workflow(id)["status"] == "done"
        assert jobs.unpause(id) is False

    def test_a_paused_run_can_be_cancelled(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda res, job: jobs.pause(job.workflow_id)), Task("b", lambda: 1))
        assert jobs.cancel(id)
        assert statuses(jobs, id) == {"#.a": "ok", "#.b": "cancelled"}
        assert jobs.get_workflow(id)["status"] == "cancelled"


class TestUndo:
    def test_finished_tasks_are_undone_latest_first_with_their_results(self, jobs: Jobs) -> None:
        undone: list[tuple[str, Any]] = []

        def undo(res: Any, job: Any) -> None:
            job.log("nobody reads this, and it stops nothing")
            undone.append((job.path, res))

        def stop(res: Any, job: Any) -> None:
            jobs.cancel(job.workflow_id, undo=True)
            job.log("stop")

        tasks = [Task("a", lambda: 1, undo=undo), Task("b", lambda: 2), Task("c", lambda: 3, undo=undo)]
        id = run(jobs, *tasks, Task("d", stop, undo=undo))
        assert undone == [("#.c", 3), ("#.a", 1)]
        assert statuses(jobs, id) == {"#.a": "cancelled", "#.b": "ok", "#.c": "cancelled", "#.d": "cancelled"}
        assert jobs.get_workflow(id)["status"] == "cancelled"
        assert [attempt["status"] for attempt in jobs.get_attempts(id, "#.c")] == ["ok"]
        assert invariants(jobs.storage) == []

    def test_a_run_that_is_over_can_be_undone(self, jobs: Jobs) -> None:
        undone: list[Any] = []
        id = run(jobs, Task("a", lambda: 1, undo=lambda res: undone.append(res)))
        assert jobs.cancel(id, undo=True) is True
        assert undone == [1]
        assert jobs.cancel(id, undo=True) is False

    def test_one_that_cannot_be_undone_stops_there_and_can_be_tried_again(self, jobs: Jobs) -> None:
        broken, undone = [True], []

        def undo(res: Any, job: Any) -> None:
            if job.path == "#.b" and broken:
                raise OSError("locked")
            undone.append(job.path)

        id = run(jobs, *(Task(name, lambda: None, undo=undo) for name in "abc"))
        jobs.cancel(id, undo=True)
        view = jobs.get_workflow(id)
        assert undone == ["#.c"]
        assert (view["status"], view["error"]["code"], view["error"]["path"]) == ("failed", "UNDO_FAILED", "#.b")
        broken.clear()
        jobs.cancel(id, undo=True)
        assert undone == ["#.c", "#.b", "#.a"]
        assert jobs.get_workflow(id)["status"] == "cancelled"
