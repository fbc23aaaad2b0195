"""What only Celery knows: messages that were revoked, rejected, or are not known here.

Signals are hints, never the only writer of a final status; the record decides, so one that comes
twice or late changes nothing. Statuses before that (queued, running) are written by the storage in
the same transition as their cause, which is earlier and surer than any signal. The deaths of processes are
learnt from their requests (``request.py``), which know whose they were.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import signals

from jobs_flow.backends.celery import messages
from jobs_flow.backends.celery.deaths import Death

if TYPE_CHECKING:
    from jobs_flow.backends.celery.plugin import CeleryBackend

logger = logging.getLogger("jobs_flow.celery")


def connect(backend: CeleryBackend) -> list[Any]:
    """Connect the receivers for the backend's application; what is returned keeps them alive."""

    def on_revoked(sender: Any = None, request: Any = None, **_: Any) -> None:
        args = getattr(request, "args", None)
        if _is_ours(backend, sender) and isinstance(args, list | tuple) and len(args) == 3:
            # Without a token: a task that somebody executes is not ended by the end of a second message.
            instance_id, path, run = args
            backend.report(Death(instance_id, path, run, None, "REVOKED", "Revoked", "its message was revoked"))

    def on_rejected(sender: Any = None, message: Any = None, exc: Any = None, **_: Any) -> None:
        headers = getattr(message, "headers", None) or {}
        logger.warning("a worker rejected a %s message", headers.get("task", "foreign"))

    def on_unknown(sender: Any = None, name: str | None = None, **_: Any) -> None:
        if name in messages.NAMES:
            logger.error("this worker does not know %s: it runs without jobs-flow's plugin", name)

    def on_publish(sender: Any = None, headers: Any = None, **_: Any) -> None:
        if sender in messages.STEPS:
            logger.debug("publishing %s %s", sender, (headers or {}).get("argsrepr"))

    def on_received(sender: Any = None, request: Any = None, **_: Any) -> None:
        if request is not None and request.task.name in messages.STEPS:
            logger.debug("received %s %s", request.task.name, request.id)

    signals.task_revoked.connect(on_revoked, weak=False)
    signals.task_rejected.connect(on_rejected, weak=False)
    signals.task_unknown.connect(on_unknown, weak=False)
    signals.before_task_publish.connect(on_publish, weak=False)
    signals.task_received.connect(on_received, weak=False)
    return [on_revoked, on_rejected, on_unknown, on_publish, on_received]


def disconnect(receivers: list[Any]) -> None:
    """Undo ``connect``."""
    names = ("task_revoked", "task_rejected", "task_unknown", "before_task_publish", "task_received")
    for name, receiver in zip(names, receivers, strict=True):
        getattr(signals, name).disconnect(receiver)


def _is_ours(backend: CeleryBackend, sender: Any) -> bool:
    return getattr(sender, "name", None) in messages.STEPS and getattr(sender, "app", None) is backend.app
