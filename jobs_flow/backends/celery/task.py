"""The Celery tasks that carry steps.

They acknowledge late, since the claim makes a second delivery harmless. Steps ignore their results,
which the records hold; the tasks of a composed canvas keep theirs, which chords and users wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.celery import messages
from jobs_flow.backends.patience import patiently
from jobs_flow.backends.step import CLAIM_PATIENCE, Step, run_step
from jobs_flow.backends.undo import run_undo
from jobs_flow.errors import (
    BrokerUnavailable,
    CannotPublish,
    CannotStart,
    ExecutionFailed,
    InstanceNotFound,
    JobsFlowError,
    StorageUnavailable,
    kind_of,
)
from jobs_flow.recovery import Recovery
from jobs_flow.storages.records import Instance
from jobs_flow.syncpoints import reach
from jobs_flow.workflows import paths, selection
from jobs_flow.workflows.states import ENDED, InstanceStatus, TaskStatus

if TYPE_CHECKING:
    from jobs_flow.backends.celery.plugin import CeleryBackend

    _Task = Task[..., Any]
else:
    _Task = Task


logger = logging.getLogger("jobs_flow.celery")

T = TypeVar("T")

#: Seconds between two looks of a message in a composed canvas at a task that has not ended yet.
LOOK_AGAIN = 1.0
LONGEST_LOOK = 30.0


class FlowTask(_Task):
    """Base of our tasks: what must hold whatever the application's defaults are."""

    abstract = True
    Request = "jobs_flow.backends.celery.request:FlowRequest"
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
            if step.state in ("recorded", "retried"):
                _go_on(self, backend, instance_id, run, step)
            elif step.state != "ended":
                # Refused, or no longer ours: whoever has the task goes on with the rest.
                raise Ignore()
            # ``ended``: another delivery recorded it and may have died before it published the rest.
            if step.error is not None:
                raise _failure(instance_id, path, step.error)

    class Undo(FlowTask):
        name = messages.UNDO

        def run(self, instance_id: str, path: str, run: int) -> None:
            try:
                run_undo(backend.runtime, instance_id, run, worker=str(self.request.hostname))
            except InstanceNotFound:
                # Destroyed meanwhile.
                raise Ignore() from None

    class CanvasBegin(FlowTask):
        name = messages.CANVAS_BEGIN
        ignore_result = False

        def run(self, instance_id: str, path: str, run: int) -> None:
            _or_later(lambda: _begin(backend, instance_id, run))

    class CanvasStep(FlowTask):
        name = messages.CANVAS_STEP
        ignore_result = False
        max_retries = None

        def run(self, instance_id: str, path: str, run: int) -> None:
            step = _run(self, backend, instance_id, path, run)
            error = step.error if step.state == "recorded" else _wait_for(self, backend, instance_id, path, run)
            if error is not None and _is_sequential(path):
                raise _failure(instance_id, path, error)
            # Inside a chord every member returns, whatever became of it: Celery counts members, the join decides.

    class CanvasJoin(FlowTask):
        name = messages.CANVAS_JOIN
        ignore_result = False

        def run(self, instance_id: str, path: str, run: int) -> None:
            if _is_sequential(path):
                _or_later(lambda: _check_run(backend, instance_id, run))

    class CanvasEnd(FlowTask):
        name = messages.CANVAS_END
        ignore_result = False
        # Celery logs what its tasks return, which is the user's here.
        resultrepr_maxsize = 0

        def run(self, instance_id: str, path: str, run: int) -> Any:
            return _or_later(lambda: backend.runtime.last_result(_check_run(backend, instance_id, run)))

    for cls in (RunStep, Undo, CanvasBegin, CanvasStep, CanvasJoin, CanvasEnd):
        cls.__module__ = __name__
        app.register_task(cls())


def unregister(app: Celery) -> None:
    """Take the tasks off ``app``, so that another backend may put its own there."""
    for name in messages.NAMES:
        app.tasks.pop(name, None)


def _or_later(operation: Callable[[], T]) -> T:
    """The result of ``operation``; while the storage stays away its message goes back to the queue."""
    try:
        return patiently(operation, CLAIM_PATIENCE)
    except StorageUnavailable as error:
        raise Reject(error, requeue=True) from error


def _begin(backend: CeleryBackend, instance_id: str, run: int) -> None:
    """Start the run of a composed canvas, unless an earlier delivery of the message has."""
    runtime = backend.runtime
    header = runtime.header(instance_id)
    plan = runtime.plan_of(header)
    selected = runtime.lined_up(plan, selection.select_all(plan))
    try:
        runtime.start_run(instance_id, selected, expect_run=run)
    except CannotStart:
        if runtime.header(instance_id).run != run:
            raise
        return
    runtime.listener.run_started(instance_id)
    if not selected.heads:
        runtime.listener.run_finished(instance_id, run, InstanceStatus.DONE)


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
        reach("step.publish", instance_id, *step.queued)
        try:
            backend.dispatch_patiently(work)
        except BrokerUnavailable as error:
            # They are recorded as queued and stand in their lanes, where recovery finds them.
            logger.error("%s: %d tasks stay queued: %s", instance_id, len(step.queued), kind_of(error))
        except CannotPublish as error:
            # Trying again would not change it.
            recovery = Recovery(backend.runtime, backend)
            for path in step.queued:
                recovery.give_up(instance_id, path, run, error.code, type(error).__name__, error.message)
        reach("step.published", instance_id, *step.queued)


def _wait_for(task: FlowTask, backend: CeleryBackend, instance_id: str, path: str, run: int) -> dict[str, Any] | None:
    """The error of a task of a composed canvas that this message did not execute, None when it let the flow go on.

    Celery takes the end of a message for the end of its task: so while the task has none, the message comes
    back later. Raises ``Retry``, ``Ignore`` for another run's message, or ``ExecutionFailed``.
    """
    runtime = backend.runtime
    try:
        record = runtime.storage.get_task(instance_id, path)
        header = runtime.storage.get_instance(instance_id)
    except StorageUnavailable as error:
        raise Reject(error, requeue=True) from error
    if header is None:
        # Ignored, whoever waits for the canvas would wait for ever.
        raise _destroyed(instance_id, path)
    if record is None or header.run != run or record["run"] != run:
        raise Ignore()
    status = record["status"]
    if status in ENDED:
        stops = status in (TaskStatus.FAILED, TaskStatus.CANCELLED) and not _is_tolerated(backend, header, path)
        return dict(record["error"] or {"type": str(status)}) if stops else None
    if header.status != InstanceStatus.WORKING:
        # The run is over and this task was not reached: as when it had failed.
        return dict(header.error or {"type": str(header.status)})
    if status == TaskStatus.INACTIVE and _is_cut_off(backend, instance_id, path):
        return None
    delay = min(LOOK_AGAIN * 2 ** min(task.request.retries, 5), LONGEST_LOOK)
    if record["retryAt"] is not None:
        delay = LOOK_AGAIN
    raise task.retry(countdown=delay)


def _is_cut_off(backend: CeleryBackend, instance_id: str, path: str) -> bool:
    """Whether a task around it failed or was cancelled, so that this one will not start."""
    stopped = (TaskStatus.FAILED, TaskStatus.CANCELLED)
    get_task = backend.runtime.storage.get_task
    return any((get_task(instance_id, above) or {}).get("status") in stopped for above in paths.ancestors(path))


def _is_tolerated(backend: CeleryBackend, header: Instance, path: str) -> bool:
    plan = backend.runtime.any_plan(header)
    return path in plan and plan.nodes[path].task.on_failure == "continue"


def _is_sequential(path: str) -> bool:
    """Whether ``path`` is a root task, so that nothing of its run goes on beside it."""
    return path.count(".") == 1


def _failure(instance_id: str, path: str, error: Mapping[str, Any]) -> ExecutionFailed:
    # Celery logs what its tasks raise: the type is for everyone, the message stays in the record.
    return ExecutionFailed(instance_id=instance_id, path=path, reason=error.get("type", "it failed"))


def _destroyed(instance_id: str, path: str) -> ExecutionFailed:
    # Not ``InstanceNotFound``, which result backends cannot give back.
    return ExecutionFailed(instance_id=instance_id, path=path, reason="the instance was destroyed")


def _check_run(backend: CeleryBackend, instance_id: str, run: int) -> Instance:
    """The header, unless the run has failed. Raises ``ExecutionFailed``, or ``Ignore`` for another run's message."""
    header = backend.runtime.storage.get_instance(instance_id)
    if header is None:
        raise _destroyed(instance_id, "#")
    if header.run != run:
        raise Ignore()
    if header.status in (InstanceStatus.FAILED, InstanceStatus.CANCELLED):
        error = header.error or {}
        reason = error.get("type") or header.status
        raise ExecutionFailed(instance_id=instance_id, path=error.get("path", "#"), reason=reason)
    return header
