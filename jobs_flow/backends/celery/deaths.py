"""Outcomes of tasks that nobody executes any more, recorded by whoever learnt of it.

The storage refuses them when the task has an outcome already, so that late or repeated news change
nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jobs_flow.backends.base import Dispatch
from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Outcome
from jobs_flow.workflows.states import TaskStatus

if TYPE_CHECKING:
    from jobs_flow.backends.celery.plugin import CeleryBackend

logger = logging.getLogger("jobs_flow.celery")


def record(
    backend: CeleryBackend,
    instance_id: str,
    path: str,
    run: int,
    status: TaskStatus,
    code: str,
    message: str,
    *,
    kind: str = "",
) -> None:
    """Record that a task ended as ``status`` for the reason ``code``, and publish what follows. Raises nothing."""
    runtime = backend.runtime
    try:
        header = runtime.header(instance_id)
        try:
            plan = runtime.plan_of(header)
        except Exception:
            plan = runtime.shape_of(header)
        tolerated = status == TaskStatus.FAILED and plan.nodes[path].task.on_failure == "continue"
        error = {"code": code, "type": kind or code, "message": message}
        outcome = Outcome(status, error=error, tolerated=tolerated)
        completed = runtime.storage.complete(
            instance_id, path, run, token=None, outcome=outcome, flow=plan.flow(path, status)
        )
    except JobsFlowError as problem:
        logger.error("%s %s run %s: %s was not recorded: %s", instance_id, path, run, code, problem.code)
        return
    if not completed.recorded:
        return
    logger.warning("%s %s run %s: %s", instance_id, path, run, code)
    runtime.report(instance_id, path, outcome, completed)
    if completed.queued:
        try:
            backend.dispatch(Dispatch(instance_id, run, plan, completed.queued))
        except JobsFlowError as problem:
            logger.error("%s %s: what follows it was not published: %s", instance_id, path, problem.code)
