"""Django signals for what happens to instances: the hooks of ``jobs``, as signals.

Sent wherever the event is recorded, which for a run on workers is a worker process; receivers belong
in modules that workers import too (``ready()``, ``workflows.py``). The sender is ``WorkflowInstance``;
the arguments are ``id`` and those of the hook. A receiver that raises is logged and harms nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

if TYPE_CHECKING:
    from jobs_flow.jobs import Jobs

#: A run began. ``id``, ``run``.
workflow_started = Signal()
#: A full run ended well: every task is ok or skipped, or its failure is tolerated. ``id``.
workflow_completed = Signal()
#: A task failed. ``id``, ``path``, ``payload``.
workflow_failed = Signal()
#: The instance and its records are gone. ``id``.
workflow_deleted = Signal()


def relay_hooks(jobs: Jobs) -> None:
    """Send the signals from the hooks of ``jobs``."""
    jobs.on_start.connect(_sender_of(workflow_started))
    jobs.on_complete.connect(_sender_of(workflow_completed))
    jobs.on_error.connect(_sender_of(workflow_failed))
    jobs.on_delete.connect(_sender_of(workflow_deleted))


def _sender_of(signal: Signal) -> Callable[..., None]:
    def send(id: str, **info: Any) -> None:
        from jobs_flow_django.models import WorkflowInstance

        signal.send_robust(sender=WorkflowInstance, id=id, **info)

    return send
