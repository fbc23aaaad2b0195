"""Outcomes of tasks that nobody executes any more, recorded by whoever learnt of it.

The storage refuses them when they come late or twice, or when somebody else holds the task by now.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs_flow.errors import JobsFlowError, StorageUnavailable, kind_of
from jobs_flow.recovery import Recovery
from jobs_flow.storages.records import Outcome
from jobs_flow.workflows.states import TaskStatus

if TYPE_CHECKING:
    from jobs_flow.backends.runtime import Runtime

logger = logging.getLogger("jobs_flow.celery")


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process, or of its patience, in the middle of a task."""

    instance_id: str
    path: str
    run: int
    #: What the tokens of that process begin with, and ``*``; None: nobody held the task, it was queued.
    token: str | None
    code: str
    kind: str
    message: str


def see_to(runtime: Runtime, recovery: Recovery, death: Death) -> None:
    """Give the task back, try it again or record its end, as the case demands. Raises ``StorageUnavailable``."""
    place = (death.instance_id, death.path, death.run)
    try:
        if death.code == "REVOKED":
            error = {"code": death.code, "type": death.kind, "message": death.message}
            recovery.end(*place, death.token, Outcome(TaskStatus.CANCELLED, error=error))
        elif death.token is None:
            recovery.give_up(*place, death.code, death.kind, death.message)
        elif death.code == "WORKER_LOST":
            recovery.worker_lost(*place, death.token)
        else:
            code, kind, message = _own_limit(runtime, death)
            recovery.ended_by(*place, death.token, code, kind, message)
    except JobsFlowError as error:
        # A store of large values that is away: the others' deaths do not wait for it, and its lease is over soon.
        if isinstance(error, StorageUnavailable) and not runtime.bodies.are_away(error):
            raise
        logger.error("%s %s run %s: %s was not recorded: %s", *place, death.code, kind_of(error))


def _own_limit(runtime: Runtime, death: Death) -> tuple[str, str, str]:
    """A hard limit that we set because the task declares a ``timeout`` is that timeout."""
    plan = runtime.any_plan(runtime.header(death.instance_id))
    task = plan.nodes[death.path].task if death.path in plan else None
    if task is not None and task.timeout is not None and (task.time_limit is None or task.timeout < task.time_limit):
        return "TIMEOUT", "TimeoutError", f"it ran for longer than its timeout of {task.timeout:g} s"
    return death.code, death.kind, death.message
