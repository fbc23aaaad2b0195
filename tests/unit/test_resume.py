"""Going on after a failure: resume, its preview, retries, and what stays readable."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from jobs_flow import Jobs, Registry, Retry, Task
from jobs_flow.errors import CannotStart, InstanceNotFound, InvalidArgument, TaskNotFound
from jobs_flow.invariants import invariants
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.workflows.plan import Plan
from tests.support.plans import plans


class Counting:
    """A chain whose tasks note their calls; those of ``broken`` fail."""

    def __init__(self, length: int, *broken: int) -> None:
        # A clock of its own: what is executed later has a later time, also within a millisecond.
        clock = count(1_000_000)
        storage = MemoryStorage(clock=lambda: next(clock))
        self.jobs = Jobs(storage=storage, backend="sync", registry=Registry())
        self.calls: list[str] = []
        self.broken = {f"#.t{number}" for number in broken}
        self.jobs.register_workflow("w", [Task(f"t{number}", self.work) for number in range(1, length + 1)])

    def work(self, res: Any, job: Any) -> str:
        self.calls.append(job.path)
        if job.path in self.broken:
            raise ValueError(f"{job.path} is broken")
        return f"{job.path} in run {job.run}"

    def start(self) -> str:
        id = self.jobs.create_workflow_instance("w", execute=True)
        self.calls.clear()
        return id


def paths(*numbers: int) -> list[str]:
    return [f"#.t{number}" for number in numbers]


class TestResume:
    def test_only_what_has_not_passed_runs_and_the_preview_says_so(self) -> None:
        flow = Counting(10, 7)
        id = flow.start()
        kept = {path: flow.jobs.get_task(id, path) for path in paths(*range(1, 7))}
        assert flow.jobs.preview(id) == paths(7, 8, 9, 10)
        assert flow.calls == []
        flow.broken.clear()

        assert flow.jobs.resume(id).wait() == "#.t10 in run 2"
        assert flow.calls == paths(7, 8, 9, 10)
        assert {path: flow.jobs.get_task(id, path) for path in kept} == kept
        assert flow.jobs.get_workflow(id)["status"] == "done"
        assert invariants(flow.jobs.storage) == []

    def test_the_failed_attempt_stays_readable(self) -> None:
        flow = Counting(3, 2)
        id = flow.start()
        flow.broken.clear()
        flow.jobs.resume(id)
        (attempt,) = flow.jobs.get_attempts(id, "#.t2")
        assert (attempt["run"], attempt["attempt"], attempt["status"]) == (1, 1, "failed")
        assert attempt["error"]["message"] == "#.t2 is broken"
        assert attempt["executionTime"] <= attempt["finishedAt"]
        assert flow.jobs.get_attempts(id, "#.t1") == []

    def test_from_a_path_everything_after_it_runs_again(self) -> None:
        flow = Counting(4)
        id = flow.start()
        assert flow.jobs.resume(id, path="#.t3", preview=True) == paths(3, 4)
        flow.jobs.resume(id, path="#.t3")
        assert flow.calls == paths(3, 4)

    def test_all_runs_everything_again(self) -> None:
        flow = Counting(2)
        id = flow.start()
        flow.jobs.resume(id, "all")
        assert flow.calls == paths(1, 2)
        assert flow.jobs.resume(id, path="#", preview=True) == paths(1, 2)

    def test_nothing_to_resume_is_refused(self) -> None:
        flow = Counting(2)
        id = flow.start()
        with pytest.raises(CannotStart, match="nothing to resume"):
            flow.jobs.resume(id)
        with pytest.raises(CannotStart):
            flow.jobs.preview(id)
        assert flow.jobs.get_workflow(id)["run"] == 1

    def test_an_unknown_mode_and_path_are_refused(self) -> None:
        flow = Counting(2, 2)
        id = flow.start()
        with pytest.raises(InvalidArgument, match="failed_and_downstream"):
            flow.jobs.resume(id, "everything")
        with pytest.raises(TaskNotFound):
            flow.jobs.resume(id, path="#.t3")
        assert flow.calls == []

    def test_in_a_block_only_the_failed_subtask_runs_and_the_flow_goes_on(self) -> None:
        jobs = Jobs(storage="memory://", backend="sync", registry=Registry())
        calls: list[str] = []
        broken = [True]

        def work(res: Any, job: Any) -> Any:
            calls.append(job.path)
            if job.path == "#.p.b.y" and broken:
                raise ValueError("broken")
            return res if job.path == "#.end" else job.path

        inner = Task("b", work, subtasks=[Task("x", work), Task("y", work)])
        jobs.register_workflow("w", [Task("p", work, subtasks=[Task("a", work), inner]), Task("end", work)])
        id = jobs.create_workflow_instance("w", execute=True)
        assert jobs.get_workflow(id)["status"] == "failed"
        calls.clear()
        broken.clear()
        assert jobs.preview(id) == ["#.p.b.y", "#.end"]
        assert jobs.resume(id).wait() == {"a": "#.p.a", "b": {"x": "#.p.b.x", "y": "#.p.b.y"}}
        assert calls == ["#.p.b.y", "#.end"]

    def test_what_lies_between_is_left_out_or_run_again_by_mode(self) -> None:
        jobs = Jobs(storage="memory://", backend="sync", registry=Registry())
        calls: list[str] = []
        broken = [True]

        def work(res: Any, job: Any) -> str:
            calls.append(job.path)
            if job.path in ("#.a", "#.c") and broken:
                raise ValueError("broken")
            return job.path

        tasks = [Task(name, work, on_failure="continue" if name == "a" else "stop") for name in "abcd"]
        jobs.register_workflow("w", tasks)
        id = jobs.create_workflow_instance("w", execute=True)
        assert calls == ["#.a", "#.b", "#.c"]
        calls.clear()
        assert jobs.preview(id, "failed_and_downstream") == ["#.a", "#.b", "#.c", "#.d"]
        broken.clear()
        jobs.resume(id)
        assert calls == ["#.a", "#.c", "#.d"]
        assert jobs.get_workflow(id)["status"] == "done"


class TestFreshness:
    def test_a_task_whose_predecessor_is_older_than_its_own_is_refused(self) -> None:
        flow = Counting(4)
        id = flow.start()
        flow.jobs.execute_one_task(id, "#.t2")
        with pytest.raises(CannotStart) as refused:
            flow.jobs.execute_one_task(id, "#.t4")
        assert refused.value.to_wire()["payload"]["blocking"] == "#.t3"
        assert flow.jobs.get_stale_tasks(id) == {"#.t3": "#.t2", "#.t4": "#.t2"}
        flow.jobs.execute_one_task(id, "#.t3")
        flow.jobs.execute_one_task(id, "#.t4")
        assert flow.calls == paths(2, 3, 4)


class Changing:
    """Any tree of tasks, of which those of ``broken`` fail and those of ``skipped`` are skipped; it may be turned."""

    def __init__(self, plan: Plan) -> None:
        clock = count(1_000_000)
        storage = MemoryStorage(clock=lambda: next(clock))
        self.jobs = Jobs(storage=storage, backend="sync", registry=Registry())
        self.plan = plan
        self.broken: frozenset[str] = frozenset()
        self.skipped: frozenset[str] = frozenset()
        self.jobs.register_workflow("w", self.tasks)
        self.id = self.jobs.create_workflow_instance("w", False, execute=True)

    def tasks(self, turned: bool) -> list[Task]:
        roots = [self.task(root) for root in self.plan.roots]
        return roots[::-1] if turned else roots

    def task(self, path: str) -> Task:
        node = self.plan.nodes[path]
        subtasks = [self.task(child) for child in node.children]
        condition, policy = (lambda res, job: job.path not in self.skipped), node.task.on_failure
        return Task(node.task.name, self.work, subtasks=subtasks, condition=condition, on_failure=policy)

    def work(self, res: Any, job: Any) -> None:
        if job.path in self.broken:
            raise ValueError(f"{job.path} is broken")

    def do(self, kind: str, path: str) -> None:
        """Ask for something, which may be refused."""
        with suppress(CannotStart):
            match kind:
                case "all":
                    self.jobs.execute_all_tasks(self.id)
                case "from":
                    self.jobs.execute_all_tasks(self.id, from_path=path)
                case "one":
                    self.jobs.execute_one_task(self.id, path)
                case "reset":
                    self.jobs.reset(self.id, path)
                case "turn":
                    self.jobs.update_workflow(self.id, {"$toggle": "data"})
                case mode:
                    self.jobs.resume(self.id, mode)


#: What may be done to an instance; mostly runs of a part of it, after which something is stale.
KINDS = ["one"] * 4 + ["from"] * 2 + ["failed"] * 2 + ["failed_and_downstream", "all", "reset", "turn"]


class TestWhetherOneIsStale:
    @settings(deadline=None)
    @given(st.data())
    def test_is_told_as_among_all_whatever_was_done(self, data: st.DataObject) -> None:
        flow = Changing(data.draw(plans().filter(lambda plan: plan.nodes)))
        some = st.frozensets(st.sampled_from(list(flow.plan.nodes)), max_size=3)
        for _ in range(data.draw(st.integers(1, 8))):
            flow.broken, flow.skipped = data.draw(some), data.draw(some)
            flow.do(data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from(list(flow.plan.nodes))))
            told = {path: flow.jobs.get_stale_cause(flow.id, path) for path in flow.plan.nodes}
            expected = flow.jobs.get_stale_tasks(flow.id)
            event("some are stale" if expected else "none is")
            assert told == {path: expected.get(path) for path in flow.plan.nodes}

    def test_is_not_told_of_what_is_not_there(self) -> None:
        flow = Counting(1)
        id = flow.start()
        for path in ("#.nowhere", "#"):
            with pytest.raises(TaskNotFound):
                flow.jobs.get_stale_cause(id, path)
        with pytest.raises(InstanceNotFound):
            flow.jobs.get_stale_cause("nobody", "#.t1")


class TestRetry:
    def test_a_task_is_tried_again_until_it_is_ok(self) -> None:
        jobs = Jobs(storage="memory://", backend="sync", registry=Registry())
        seen: list[int] = []

        def flaky(res: Any, job: Any) -> int:
            job.log(f"attempt {job.attempt}")
            seen.append(job.attempt)
            if len(seen) < 3:
                raise OSError("not yet")
            return len(seen)

        jobs.register_workflow("w", [Task("a", flaky, retry=Retry(max=3, backoff=0.001)), Task("b", lambda res: res)])
        id = jobs.create_workflow_instance("w", execute=True)
        assert jobs.wait(id) == 3
        assert seen == [1, 2, 3]
        record = jobs.get_task(id, "#.a")
        assert (record["retries"], record["attempt"], record["retryAt"]) == (2, 3, None)
        assert [attempt["status"] for attempt in jobs.get_attempts(id, "#.a")] == ["failed", "failed"]
        assert jobs.get_logs(id, "#.a") == ["attempt 1", "attempt 2", "attempt 3"]

    def test_after_its_last_retry_it_has_failed(self) -> None:
        jobs = Jobs(storage="memory://", backend="sync", registry=Registry())
        calls: list[int] = []

        def fails(res: Any) -> None:
            calls.append(1)
            raise OSError("never")

        jobs.register_workflow("w", [Task("a", fails, retry=Retry(max=2, backoff=0))])
        failures: list[str] = []
        jobs.on_error(lambda id, path, payload: failures.append(path))
        id = jobs.create_workflow_instance("w", execute=True)
        assert len(calls) == 3
        assert jobs.get_workflow(id)["status"] == "failed"
        assert failures == ["#.a"]

    def test_what_is_not_to_be_retried_fails_at_once(self) -> None:
        jobs = Jobs(storage="memory://", backend="sync", registry=Registry())
        calls: list[int] = []

        def fails(res: Any) -> None:
            calls.append(1)
            raise KeyError("rows")

        jobs.register_workflow("w", [Task("a", fails, retry=Retry(max=5, backoff=0, never_on=(KeyError,)))])
        jobs.create_workflow_instance("w", execute=True)
        assert len(calls) == 1
