"""The Celery tasks that carry steps.

They acknowledge late, since the claim makes a second delivery harmless. Steps ignore their results,
which the records hold; the tasks of a composed canvas keep theirs, which chords and users wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.celery import deaths, messages
from jobs_flow.backends.step import Step, run_step
from jobs_flow.errors import (
    BrokerUnavailable,
    CannotPublish,
    CannotStart,
    ExecutionFailed,
    JobsFlowError,
    StorageUnavailable,
)
from jobs_flow.storages.records import Instance
from jobs_flow.workflows import selection
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

if TYPE_CHECKING:
    from jobs_flow.backends.celery.plugin import CeleryBackend

    _Task = Task[..., Any]
else:
    _Task = Task


class FlowTask(_Task):
    """Base of our tasks: what must hold whatever the application's defaults are."""

    abstract = True
    acks_late = True
    # A child that dies takes its message with it: recovery decides about another try, not the broker.
    reject_on_worker_lost = False
    ignore_result = True
    serializer = "json"
    # Expected, so logged as one line without a traceback, which would show the user's data.
    throws = (JobsFlowError,)
    typing = False


def register(app: Celery, backend: CeleryBackend) -> None:
    """Put the tasks on ``app``."""

    class RunStep(FlowTask):
        name = messages.STEP

        def run(self, instance_id: str, path: str, run: int) -> None:
            step = _run(self, backend, instance_id, path, run)
            if step.state != "recorded":
                # ``ended``: another delivery recorded it and may have died before it published the rest.
                if step.state != "ended":
                    raise Ignore()
                return
            _go_on(self, backend, instance_id, run, step)
            if step.error is not None:
                raise _failure(instance_id, path, step)

    class CanvasBegin(FlowTask):
        name = messages.CANVAS_BEGIN
        ignore_result = False

        def run(self, instance_id: str, path: str, run: int) -> None:
            runtime = backend.runtime
            header = runtime.header(instance_id)
            selected = selection.select_all(runtime.plan_of(header))
            try:
                runtime.storage.start_run(instance_id, selected, expect_run=run)
            except CannotStart:
                # Delivered twice: the first delivery started this very run.
                if runtime.header(instance_id).run != run:
                    raise
                return
            runtime.listener.run_started(instance_id)
            if not selected.heads:
                runtime.listener.run_finished(instance_id, InstanceStatus.DONE)

    class CanvasStep(FlowTask):
        name = messages.CANVAS_STEP
        ignore_result = False

        def run(self, instance_id: str, path: str, run: int) -> None:
            step = _run(self, backend, instance_id, path, run)
            if _is_sequential(path):
                if step.state not in ("recorded", "ended"):
                    raise Ignore()
                if step.error is not None:
                    raise _failure(instance_id, path, step)
            # Inside a chord every member returns, whatever became of it: Celery counts members, the join decides.

    class CanvasJoin(FlowTask):
        name = messages.CANVAS_JOIN
        ignore_result = False

        def run(self, instance_id: str, path: str, run: int) -> None:
            if _is_sequential(path):
                _check_run(backend, instance_id, run)

    class CanvasEnd(FlowTask):
        name = messages.CANVAS_END
        ignore_result = False

        def run(self, instance_id: str, path: str, run: int) -> Any:
            return backend.runtime.last_result(_check_run(backend, instance_id, run))

    for cls in (RunStep, CanvasBegin, CanvasStep, CanvasJoin, CanvasEnd):
        cls.__module__ = __name__
        app.register_task(cls())


def unregister(app: Celery) -> None:
    """Take the tasks off ``app``, so that another backend may put its own there."""
    for name in messages.NAMES:
        app.tasks.pop(name, None)


def _run(task: FlowTask, backend: CeleryBackend, instance_id: str, path: str, run: int) -> Step:
    try:
        return run_step(backend.runtime, instance_id, path, run, worker=str(task.request.hostname))
    except StorageUnavailable as error:
        # Nothing is known about this task without its record: put the message back for later.
        raise Reject(error, requeue=True) from error


def _go_on(task: FlowTask, backend: CeleryBackend, instance_id: str, run: int, step: Step) -> None:
    """Leave what follows to Celery when the rest of the chain says the same as the storage; else publish it."""
    rest = cast("list[Any]", task.request.chain or [])
    expected = messages.embedded_paths(rest[-1]) if rest else []
    if step.error is None and step.queued and set(expected) == set(step.queued):
        return
    task.request.chain = None
    if step.queued and step.plan is not None:
        work = Dispatch(instance_id, run, step.plan, step.queued)
        try:
            backend.dispatch_patiently(work)
        except (BrokerUnavailable, CannotPublish) as error:
            # Nobody else knows that they are queued: they must not stay so for ever.
            for path in step.queued:
                deaths.record(backend, instance_id, path, run, TaskStatus.FAILED, error.code, error.message)


def _is_sequential(path: str) -> bool:
    """Whether ``path`` is a root task, so that nothing of its run goes on beside it."""
    return path.count(".") == 1


def _failure(instance_id: str, path: str, step: Step) -> ExecutionFailed:
    error = step.error or {}
    # Celery logs what its tasks raise: the type is for everyone, the message stays in the record.
    return ExecutionFailed(instance_id=instance_id, path=path, reason=error.get("type", "it failed"))


def _check_run(backend: CeleryBackend, instance_id: str, run: int) -> Instance:
    """The header, unless the run has failed. Raises ``ExecutionFailed``, or ``Ignore`` for another run's message."""
    header = backend.runtime.header(instance_id)
    if header.run != run:
        raise Ignore()
    if header.status in (InstanceStatus.FAILED, InstanceStatus.CANCELLED):
        error = header.error or {}
        reason = error.get("type") or header.status
        raise ExecutionFailed(instance_id=instance_id, path=error.get("path", "#"), reason=reason)
    return header
