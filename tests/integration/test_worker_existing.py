"""Existing Celery tasks that retry themselves: as Celery would, and recorded as retries of their step."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from jobs_flow import Jobs
from jobs_flow.backends.asked import RetryAsked
from jobs_flow.backends.celery.existing import call_existing
from jobs_flow.errors import ExecutionFailed
from jobs_flow.ids import message_id
from tests.support.processes import Worker

Start = Callable[..., Worker]


class Reports:
    """As much of a job as an existing task sees."""

    workflow_id, path, run = "i", "#.a", 3

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def progress(self, *said: Any) -> None:
        self.said.append(said)


@pytest.fixture
def job() -> Any:
    return Reports()


@pytest.fixture
def quiet(import_engine: Callable[..., ModuleType]) -> ModuleType:
    """The project without servers: whatever it would publish fails."""
    return import_engine(broker="redis://127.0.0.1:1/0", storage="memory://", results="redis://127.0.0.1:1/0")


class TestCalling:
    def test_the_request_is_that_of_the_step(self, quiet: ModuleType, job: Any) -> None:
        assert call_existing(quiet.tries, ("w",), job=job, retries=2) == [2, message_id("i", "#.a", 3)]
        assert quiet.tries.request.id is None

    def test_retry_asks_and_publishes_nothing(self, quiet: ModuleType, job: Any) -> None:
        with pytest.raises(RetryAsked) as asked:
            call_existing(quiet.tries, ("w",), job=job, retries=1)
        assert asked.value.delay == pytest.approx(0.1)
        assert isinstance(asked.value.cause, quiet.Flaky)

    def test_autoretry_asks(self, quiet: ModuleType, job: Any) -> None:
        with pytest.raises(RetryAsked) as asked:
            call_existing(quiet.retried_for, ("w",), job=job, retries=0)
        assert isinstance(asked.value.cause, quiet.Flaky)

    @pytest.mark.parametrize("name", ["gives_up", "retried_for"])
    def test_over_the_limit_it_is_the_tasks_own_exception(self, quiet: ModuleType, job: Any, name: str) -> None:
        with pytest.raises(quiet.Flaky):
            call_existing(getattr(quiet, name), ("w",), job=job, retries=1)

    def test_a_limit_given_with_one_retry_does_not_stay(self, quiet: ModuleType, job: Any) -> None:
        @quiet.app.task(bind=True, shared=False, name="once")  # type: ignore[untyped-decorator]
        def once(self: Any) -> None:
            raise self.retry(max_retries=9, countdown=7)

        with pytest.raises(RetryAsked) as asked:
            call_existing(once, (), job=job, retries=8)
        assert asked.value.delay == 7
        assert not hasattr(once, "override_max_retries")

    @pytest.mark.parametrize(("zone", "naive"), [("UTC", True), ("Asia/Tokyo", True), ("UTC", False)])
    def test_a_retry_at_a_time(self, quiet: ModuleType, job: Any, zone: str, naive: bool) -> None:
        quiet.app.conf.timezone = zone

        @quiet.app.task(bind=True, shared=False, name="later")  # type: ignore[untyped-decorator]
        def later(self: Any) -> None:
            from datetime import datetime, timedelta

            now = datetime.now(quiet.app.timezone)
            raise self.retry(eta=(now.replace(tzinfo=None) if naive else now) + timedelta(seconds=60))

        with pytest.raises(RetryAsked) as asked:
            call_existing(later, (), job=job, retries=0)
        # Less by what has passed meanwhile; with the zone mistaken it would be hours, or none.
        assert 0 < asked.value.delay <= 60

    def test_states_are_progress(self, quiet: ModuleType, job: Any) -> None:
        call_existing(quiet.tries, ("w",), job=job, retries=2)
        assert job.said == [(1.0, "TRYING")]

    def test_a_class_with_a_call_of_its_own_is_called(self, quiet: ModuleType, job: Any) -> None:
        class InContext(quiet.app.Task):  # type: ignore[misc, name-defined]
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return ["inside", self.run(*args, **kwargs)]

        @quiet.app.task(base=InContext, shared=False, name="in_context")  # type: ignore[untyped-decorator]
        def in_context(word: str) -> str:
            return word

        assert call_existing(in_context, ("w",), job=job, retries=0) == ["inside", "w"]


class TestInARun:
    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_retries_are_recorded(self, engine: ModuleType, start_engine: Start, pool: str) -> None:
        start_engine(pool=pool)
        id = engine.jobs.create_workflow_instance("existing", "tries", execute=True)
        assert engine.jobs.wait(id, 30) == [2, message_id(id, "#.b", 1)]
        record = engine.jobs.get_task(id, "#.b")
        assert (record["retries"], record["attempt"]) == (2, 3)
        kept = engine.jobs.get_attempts(id, "#.b")
        assert [(one["status"], one["error"]["type"]) for one in kept] == [("failed", "Flaky")] * 2

    @pytest.mark.parametrize("how", ["gives_up", "retried_for"])
    def test_max_retries_are_honoured(self, engine: ModuleType, start_engine: Start, how: str) -> None:
        start_engine()
        id = engine.jobs.create_workflow_instance("existing", how, execute=True)
        with pytest.raises(ExecutionFailed, match=r"#\.b"):
            engine.jobs.wait(id, 30)
        record = engine.jobs.get_task(id, "#.b")
        assert (record["retries"], record["error"]["type"]) == (1, "Flaky")

    def test_the_sync_backend_does_the_same(self, engine: ModuleType) -> None:
        here = Jobs(storage="memory://", backend="sync")
        id = here.create_workflow_instance("existing", "tries", execute=True)
        assert here.wait(id, 30) == [2, message_id(id, "#.b", 1)]
        assert here.get_task(id, "#.b")["retries"] == 2
