"""The handle of a running task."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_flow import Cancelled, Job, Jobs, Registry, Task
from jobs_flow.backends.holder import process_prefix
from jobs_flow.errors import StorageUnavailable
from jobs_flow.job import PROGRESS_RATE
from jobs_flow.storages.records import Outcome
from jobs_flow.workflows.flow import Flow


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(storage="memory://", backend="sync", registry=Registry())


def run(jobs: Jobs, function: Any) -> str:
    jobs.register_workflow("w", [Task("a", function)])
    return jobs.create_workflow_instance("w", execute=True)


class TestProgress:
    def test_a_loop_over_a_million_rows_does_not_write_a_million_times(self, jobs: Jobs) -> None:
        def counts(res: Any, job: Job) -> None:
            for row in range(100_000):
                job.progress(row / 100_000)

        id = run(jobs, counts)
        written = [e for e in jobs.storage.events(id, 0) or [] if "progress" in e.data.get("tasks", {}).get("#.a", {})]
        # A burst, what a slow machine's seconds add to it, and the outcome.
        assert len(written) < 10 * PROGRESS_RATE

    def test_the_last_step_is_always_written(self, jobs: Jobs) -> None:
        def counts(res: Any, job: Job) -> None:
            for row in range(1001):
                job.progress(row / 1000, f"row {row}")
            raise ValueError

        view = jobs.get_tasks_statuses(run(jobs, counts))["#.a"]
        assert (view["progress"], view["progressText"]) == (1.0, "row 1000")

    def test_a_step_without_a_share(self, jobs: Jobs) -> None:
        def steps(res: Any, job: Job) -> None:
            job.progress(0.5)
            job.progress("half way")
            raise ValueError

        view = jobs.get_tasks_statuses(run(jobs, steps))["#.a"]
        assert (view["progress"], view["progressText"]) == (0.5, "half way")


class TestReports:
    def test_one_that_is_lost_does_not_fail_the_task(self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> bool:
            raise StorageUnavailable(storage="x", reason="gone")

        monkeypatch.setattr(jobs.storage, "append_logs", away)
        assert jobs.wait(run(jobs, lambda res, job: job.log("x") or 1)) == 1

    def test_of_a_task_that_somebody_else_ended_are_left_out_and_stop_it(self, jobs: Jobs) -> None:
        reasons: list[str] = []

        def late(res: Any, job: Job) -> None:
            outcome = Outcome("failed", error={"code": "TIME_LIMIT", "message": "too long"})
            jobs.storage.complete(job.workflow_id, "#.a", 1, token=process_prefix() + "*", outcome=outcome, flow=Flow())
            try:
                job.log("late")
            except Cancelled as stopped:
                reasons.append(stopped.reason)
                raise
            job.progress(0.5)

        id = run(jobs, late)
        record = jobs.get_task(id, "#.a")
        assert (record["status"], record["error"]["code"]) == ("failed", "TIME_LIMIT")
        assert reasons == ["it is no longer this process's task"]
        assert (jobs.get_logs(id, "#.a"), record["progress"]) == ([], None)
