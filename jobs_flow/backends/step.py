"""One step of a run, whoever executes it: claim, perform, record, and what comes next.

The record is written before the step returns, together with the count-down of its blocks and the
queueing of what follows; so whoever publishes next, only publishes what the storage has decided.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from jobs_flow.backends.holder import new_token
from jobs_flow.backends.leases import keeping
from jobs_flow.backends.patience import patiently
from jobs_flow.backends.perform import Performed, cancelled, failed, perform
from jobs_flow.backends.runtime import Runtime
from jobs_flow.backends.values import as_given, complete, loaded_claim
from jobs_flow.errors import JobsFlowError, StorageUnavailable
from jobs_flow.storages.records import Claim, Completed, Instance, Outcome
from jobs_flow.syncpoints import reach
from jobs_flow.workflows import context
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import TaskStatus

logger = logging.getLogger("jobs_flow.engine")

#: Seconds for which a step goes on trying to reach its storage: to claim, and to record what a task has done.
CLAIM_PATIENCE = 10.0
RECORD_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one step."""

    #: ``recorded``; ``retried`` (an attempt failed, the task is queued again); ``lost`` (the record was no longer
    #: ours to write); or why the claim was refused.
    state: str
    #: Paths whose messages are the caller's to publish.
    queued: tuple[str, ...] = ()
    finished: str | None = None
    #: The recorded error of a task that failed and is not tolerated.
    error: dict[str, Any] | None = None
    plan: Plan | None = None
    #: Seconds until a retried task may be claimed.
    retry_in: float | None = None


def run_step(runtime: Runtime, instance_id: str, path: str, run: int, *, worker: str) -> Step:
    """Execute the task at ``path`` if it is queued in ``run``, and record its outcome.

    A refused claim calls nothing. Raises ``StorageUnavailable`` when the storage stays away for longer
    than the step's patience; user code's exceptions never come out, they are the outcome.
    """
    token = new_token()
    reach("step.claim", instance_id, path)
    header, plan, claim, problem = _claim(runtime, instance_id, path, run, token, worker)
    if claim.state == "cancelled" and plan is not None:
        return end_queued(runtime, instance_id, plan, path, run, cancelled())
    if claim.state != "granted" or header is None or plan is None:
        logger.debug("%s %s run %s: refused, %s", instance_id, path, run, claim.state)
        return Step(claim.state)
    reach("step.claimed", instance_id, path)
    with keeping(runtime, instance_id, path, run):
        if problem is not None:
            done = Performed(failed(problem))
        else:
            done = _perform(runtime, header, plan, path, run, token, claim)
        reach("step.performed", instance_id, path)
        if done.retry_in is not None:
            step = _retry(runtime, instance_id, plan, path, run, token, done)
            if step is not None:
                return step
            # Asked to stop meanwhile, or no longer held: the one is recorded, the other refused below.
            done = Performed(cancelled())
        outcome, completed = _record(runtime, instance_id, plan, path, run, token, done.outcome)
    reach("step.recorded", instance_id, path)
    if not completed.recorded:
        logger.warning("%s %s run %s: the outcome came too late and was left out", instance_id, path, run)
        return Step("lost")
    logger.debug("%s %s run %s: %s, then %s", instance_id, path, run, outcome.status, list(completed.queued)[:8])
    runtime.report(instance_id, path, run, outcome, completed)
    reach("step.reported", instance_id, path)
    if outcome.status == TaskStatus.FAILED:
        # The message and the traceback may hold users' data: they are in the record.
        kind = (outcome.error or {}).get("type")
        logger.warning("%s %s run %s failed: %s; get_task() has its traceback", instance_id, path, run, kind)
    return _step(outcome, completed, plan)


def _perform(
    runtime: Runtime, header: Instance, plan: Plan, path: str, run: int, token: str, claim: Claim
) -> Performed:
    """``perform`` with the values that the claim's texts stand for."""
    try:
        # As long as for a result: the task is ours, so another delivery of its message does nothing about it.
        loaded = patiently(lambda: loaded_claim(runtime, header.id, claim), RECORD_PATIENCE)
    except JobsFlowError as error:
        if isinstance(error, StorageUnavailable) and not runtime.bodies.are_away(error):
            raise
        return Performed(failed(error, tolerated=plan.nodes[path].task.on_failure == "continue"))
    limit = runtime.policy.bodies.limit
    done = perform(runtime.storage, header, plan, path, run, token, loaded, limit=limit)
    return done._replace(outcome=as_given(done.outcome, claim, loaded))


def end_queued(runtime: Runtime, instance_id: str, plan: Plan, path: str, run: int, outcome: Outcome) -> Step:
    """Record the outcome of a queued task that nobody will execute."""
    flow = runtime.flow(plan, path, outcome.status)
    completed = complete(
        runtime, instance_id, path, run, token=None, outcome=outcome, flow=flow, patience=RECORD_PATIENCE
    )
    if not completed.recorded:
        return Step("lost")
    runtime.report(instance_id, path, run, outcome, completed)
    return _step(outcome, completed, plan)


def _step(outcome: Outcome, completed: Completed, plan: Plan) -> Step:
    stopped = outcome.status == TaskStatus.FAILED and not outcome.tolerated
    return Step(
        "recorded",
        queued=tuple(completed.queued),
        finished=completed.finished,
        error=dict(outcome.error or {}) if stopped else None,
        plan=plan,
    )


def _retry(
    runtime: Runtime, instance_id: str, plan: Plan, path: str, run: int, token: str, done: Performed
) -> Step | None:
    """Give up the attempt; None when it cannot be given up."""
    delay = done.retry_in or 0.0
    retry = runtime.storage.retry
    try:
        completed = patiently(
            lambda: retry(instance_id, path, run, token=token, outcome=done.outcome, delay=int(delay * 1000)),
            RECORD_PATIENCE,
        )
    except StorageUnavailable:
        raise
    except Exception as error:
        # What made it fail cannot be recorded; that it failed can.
        logger.warning("%s %s run %s: recording a retry raised %s", instance_id, path, run, type(error).__name__)
        outcome = failed(error)
        completed = patiently(
            lambda: retry(instance_id, path, run, token=token, outcome=outcome, delay=int(delay * 1000)),
            RECORD_PATIENCE,
        )
    if not completed.recorded:
        return None
    kind = (done.outcome.error or {}).get("type")
    logger.info("%s %s run %s failed: %s; it is tried again in %.1f s", instance_id, path, run, kind, delay)
    return Step("retried", queued=tuple(completed.queued), plan=plan, retry_in=delay)


def _claim(
    runtime: Runtime, instance_id: str, path: str, run: int, token: str, worker: str
) -> tuple[Instance | None, Plan | None, Claim, Exception | None]:
    """A claim made with the instance's present header, and what keeps this process from executing it."""
    header, plan = runtime.cached(instance_id) or (None, None)
    problem: Exception | None = None
    while True:
        usable = plan is not None and path in plan and problem is None
        claim = patiently(
            lambda header=header, plan=plan, usable=usable: runtime.storage.claim(  # type: ignore[misc]
                instance_id,
                path,
                run,
                token=token,
                worker=worker,
                revision=header.revision if header else None,
                inputs=context.inputs(plan, path) if usable else (),
                lease=runtime.policy.lease_ms,
                timeout=_milliseconds(plan.nodes[path].task.timeout) if usable else None,
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
        flow = runtime.flow(plan, path, outcome.status)
        return complete(
            runtime, instance_id, path, run, token=token, outcome=outcome, flow=flow, patience=RECORD_PATIENCE
        )

    try:
        return outcome, write(outcome)
    except Exception as error:
        if isinstance(error, StorageUnavailable) and not runtime.bodies.are_away(error):
            raise
        # A soft time limit that struck just now, an outcome the server refuses, or a store of large values that stays
        # away: left to its lease the task would be executed again. A record that nobody
        # holds would stay for ever; the same token may complete twice, and then changes nothing.
        logger.warning("%s %s run %s: recording it raised %s", instance_id, path, run, type(error).__name__)
        problem = failed(error, tolerated=plan.nodes[path].task.on_failure == "continue")
        completed = write(problem)
        record = runtime.storage.get_task(instance_id, path) or {}
        return (problem if record.get("status") == TaskStatus.FAILED else outcome), completed


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
