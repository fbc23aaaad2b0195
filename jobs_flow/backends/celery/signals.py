"""What only Celery knows: the deaths that no code of the task lives to record.

Signals are hints, never the only writer of a final status; the record decides, so one that comes
twice or late changes nothing. Statuses before that (queued, running) are written by the storage in
the same transition as their cause, which is earlier and surer than any signal.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import signals

from jobs_flow.backends.celery import deaths, messages
from jobs_flow.workflows.states import TaskStatus

if TYPE_CHECKING:
    from jobs_flow.backends.celery.plugin import CeleryBackend

logger = logging.getLogger("jobs_flow.celery")

#: Exceptions that the main process reports for a child that cannot, with the code that is recorded.
DEATHS: dict[type[BaseException], str] = {
    WorkerLostError: "WORKER_LOST",
    TimeLimitExceeded: "TIME_LIMIT",
    Terminated: "TERMINATED",
}


def connect(backend: CeleryBackend) -> list[Any]:
    """Connect the receivers for the backend's application; what is returned keeps them alive."""

    def on_failure(sender: Any = None, exception: Any = None, args: Any = None, **_: Any) -> None:
        code = next((code for death, code in DEATHS.items() if isinstance(exception, death)), None)
        if code is not None and _is_ours(backend, sender):
            message = str(exception) or type(exception).__name__
            _record(backend, args, TaskStatus.FAILED, code, type(exception).__name__, message)

    def on_revoked(sender: Any = None, request: Any = None, **_: Any) -> None:
        if _is_ours(backend, sender):
            args = getattr(request, "args", None)
            _record(backend, args, TaskStatus.CANCELLED, "REVOKED", "Revoked", "the message was revoked")

    def on_rejected(sender: Any = None, message: Any = None, exc: Any = None, **_: Any) -> None:
        headers = getattr(message, "headers", None) or {}
        logger.warning("a worker rejected a %s message", headers.get("task", "foreign"))

    def on_unknown(sender: Any = None, name: str | None = None, **_: Any) -> None:
        if name in messages.STEPS:
            logger.error("this worker does not know %s: it runs without jobs-flow's plugin", name)

    def on_publish(sender: Any = None, headers: Any = None, **_: Any) -> None:
        if sender in messages.STEPS:
            logger.debug("publishing %s %s", sender, (headers or {}).get("argsrepr"))

    def on_received(sender: Any = None, request: Any = None, **_: Any) -> None:
        if request is not None and request.name in messages.STEPS:
            logger.debug("received %s %s", request.name, request.id)

    signals.task_failure.connect(on_failure, weak=False)
    signals.task_revoked.connect(on_revoked, weak=False)
    signals.task_rejected.connect(on_rejected, weak=False)
    signals.task_unknown.connect(on_unknown, weak=False)
    signals.before_task_publish.connect(on_publish, weak=False)
    signals.task_received.connect(on_received, weak=False)
    return [on_failure, on_revoked, on_rejected, on_unknown, on_publish, on_received]


def disconnect(receivers: list[Any]) -> None:
    """Undo ``connect``."""
    names = ("task_failure", "task_revoked", "task_rejected", "task_unknown", "before_task_publish", "task_received")
    for name, receiver in zip(names, receivers, strict=True):
        getattr(signals, name).disconnect(receiver)


def _is_ours(backend: CeleryBackend, sender: Any) -> bool:
    return getattr(sender, "name", None) in messages.STEPS and getattr(sender, "app", None) is backend.app


def _record(backend: CeleryBackend, args: Any, status: TaskStatus, code: str, kind: str, message: str) -> None:
    if isinstance(args, list | tuple) and len(args) == 3:
        instance_id, path, run = args
        deaths.record(backend, instance_id, path, run, status, code, message, kind=kind)
    else:
        logger.error("a death without its instance, path and run: nothing was recorded")
