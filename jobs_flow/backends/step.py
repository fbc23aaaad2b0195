"""One step of a run, whoever executes it: claim, perform, record, and what comes next.

The record is written before the step returns, together with the count-down of its blocks and the
queueing of what follows; so whoever publishes next, only publishes what the storage has decided.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from jobs_flow.backends.perform import failed, perform
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import StorageUnavailable
from jobs_flow.ids import new_token
from jobs_flow.storages.records import Claim, Completed, Instance, Outcome
from jobs_flow.workflows import context
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import TaskStatus

logger = logging.getLogger("jobs_flow.engine")

T = TypeVar("T")

#: Seconds for which a step goes on trying to reach its storage: to claim, and to record what a task has done.
CLAIM_PATIENCE = 10.0
RECORD_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one step."""

    #: ``recorded``, ``lost`` (the record was no longer ours to write), or why the claim was refused.
    state: str
    queued: tuple[str, ...] = ()
    finished: str | None = None
    #: The recorded error of a task that failed and is not tolerated.
    error: dict[str, Any] | None = None
    plan: Plan | None = None


def run_step(runtime: Runtime, instance_id: str, path: str, run: int, *, worker: str) -> Step:
    """Execute the task at ``path`` if it is queued in ``run``, and record its outcome.

    A refused claim calls nothing. Raises ``StorageUnavailable`` when the storage stays away for longer
    than the step's patience; user code's exceptions never come out, they are the outcome.
    """
    token = new_token()
    header, plan, claim, problem = _claim(runtime, instance_id, path, run, token, worker)
    if claim.state != "granted" or header is None or plan is None:
        logger.debug("%s %s run %s: refused, %s", instance_id, path, run, claim.state)
        return Step(claim.state)
    if problem is not None:
        outcome = failed(problem)
    else:
        outcome = perform(runtime.storage, header, plan, path, run, token, claim)
    outcome, completed = _record(runtime, instance_id, plan, path, run, token, outcome)
    if not completed.recorded:
        logger.warning("%s %s run %s: the outcome came too late and was left out", instance_id, path, run)
        return Step("lost")
    logger.debug("%s %s run %s: %s, then %s", instance_id, path, run, outcome.status, list(completed.queued)[:8])
    runtime.report(instance_id, path, outcome, completed)
    if outcome.status == TaskStatus.FAILED:
        # The message and the traceback may hold users' data: they are in the record.
        kind = (outcome.error or {}).get("type")
        logger.warning("%s %s run %s failed: %s; get_task() has its traceback", instance_id, path, run, kind)
    stopped = outcome.status == TaskStatus.FAILED and not outcome.tolerated
    return Step(
        "recorded",
        queued=tuple(completed.queued),
        finished=completed.finished,
        error=dict(outcome.error or {}) if stopped else None,
        plan=plan,
    )


def _claim(
    runtime: Runtime, instance_id: str, path: str, run: int, token: str, worker: str
) -> tuple[Instance | None, Plan | None, Claim, Exception | None]:
    """A claim made with the instance's present header, and what keeps this process from executing it."""
    header, plan = runtime.cached(instance_id) or (None, None)
    problem: Exception | None = None
    while True:
        usable = plan is not None and path in plan and problem is None
        claim = _patiently(
            lambda header=header, plan=plan, usable=usable: runtime.storage.claim(  # type: ignore[misc]
                instance_id,
                path,
                run,
                token=token,
                worker=worker,
                revision=header.revision if header else None,
                inputs=context.inputs(plan, path) if usable else (),
            ),
            CLAIM_PATIENCE,
        )
        if claim.state != "header" or claim.header is None:
            return header, plan, claim, problem
        header, problem = claim.header, None
        try:
            plan = runtime.plan_of(header)
        except StorageUnavailable:
            raise
        except Exception as error:
            # Claimed all the same, so that the failure is recorded once and by its holder.
            plan, problem = runtime.shape_of(header), error


def _record(
    runtime: Runtime, instance_id: str, plan: Plan, path: str, run: int, token: str, outcome: Outcome
) -> tuple[Outcome, Completed]:
    """Write the outcome, and give the one that stands in the record."""

    def write(outcome: Outcome) -> Completed:
        flow = plan.flow(path, outcome.status)
        complete = runtime.storage.complete
        return _patiently(
            lambda: complete(instance_id, path, run, token=token, outcome=outcome, flow=flow), RECORD_PATIENCE
        )

    try:
        return outcome, write(outcome)
    except StorageUnavailable:
        raise
    except Exception as error:
        # A soft time limit that struck just now, or an outcome the server refuses. A record that nobody
        # holds would stay for ever; the same token may complete twice, and then changes nothing.
        logger.warning("%s %s run %s: recording it raised %s", instance_id, path, run, type(error).__name__)
        problem = failed(error)
        completed = write(problem)
        record = runtime.storage.get_task(instance_id, path) or {}
        return (problem if record.get("status") == TaskStatus.FAILED else outcome), completed


def _patiently(operation: Callable[[], T], patience: float) -> T:
    """The result of a storage operation, tried again while the storage is away."""
    deadline, delay = time.monotonic() + patience, 0.05
    while True:
        try:
            return operation()
        except StorageUnavailable as error:
            if time.monotonic() + delay > deadline:
                raise
            logger.warning("the storage is away, trying again in %.2f s: %s", delay, error.code)
            time.sleep(delay)
            delay = min(delay * 2, 5.0)
