"""Undoing what a run has done, task by task, the latest first; each step is recorded before the next begins."""

from __future__ import annotations

import logging
from functools import partial

from jobs_flow.backends.calling import call
from jobs_flow.backends.holder import new_token
from jobs_flow.backends.leases import keeping
from jobs_flow.backends.patience import patiently
from jobs_flow.backends.perform import ends_the_process, failed
from jobs_flow.backends.runtime import Runtime
from jobs_flow.backends.step import CLAIM_PATIENCE, RECORD_PATIENCE
from jobs_flow.errors import DefinitionChanged, JobsFlowError, StorageUnavailable, kind_of
from jobs_flow.job import Job
from jobs_flow.storages.records import UndoClaim
from jobs_flow.workflows import json, paths

logger = logging.getLogger("jobs_flow.engine")


def run_undo(runtime: Runtime, instance_id: str, run: int, *, worker: str) -> None:
    """Call the ``undo`` function of each finished task that has one, until none is left or one fails.

    Delivered twice, the second finds the first at work and returns. A crash leaves a lease that runs out; the
    function of the task at hand is then called again, so it should be idempotent. One that loses its worker more
    often than the policy allows has failed. Raises ``StorageUnavailable`` as a step does.
    """
    lease, claim_undo, end_undo = runtime.policy.lease_ms, runtime.storage.claim_undo, runtime.storage.end_undo
    with keeping(runtime, instance_id, paths.ROOT, run):
        while True:
            token = new_token()
            claim = patiently(
                partial(claim_undo, instance_id, run, token=token, worker=worker, lease=lease), CLAIM_PATIENCE
            )
            if claim.state != "granted":
                return
            if claim.losses > runtime.policy.max_losses:
                error: dict[str, object] | None = _poisoned(claim.losses)
            else:
                error = _undo(runtime, instance_id, run, token, claim)
            done = patiently(partial(end_undo, instance_id, run, claim.path, token=token, error=error), RECORD_PATIENCE)
            if done.finished is not None:
                runtime.listener.run_finished(instance_id, run, done.finished)
            if not done.more:
                return


def _poisoned(losses: int) -> dict[str, object]:
    message = f"its undo function lost its worker {losses} times, so it is not tried again"
    return {"code": "POISONED", "type": "Poisoned", "message": message}


def _undo(runtime: Runtime, instance_id: str, run: int, token: str, claim: UndoClaim) -> dict[str, object] | None:
    """Undo one task; the error to record when it could not be."""
    header = claim.header or runtime.header(instance_id)
    body = claim.body
    try:
        if body is not None:
            body = patiently(partial(runtime.bodies.load, instance_id, body), RECORD_PATIENCE)
    except JobsFlowError as error:
        if isinstance(error, StorageUnavailable) and not runtime.bodies.are_away(error):
            raise
        logger.warning("%s %s could not be undone: %s", instance_id, claim.path, kind_of(error))
        return {**(failed(error).error or {}), "code": "UNDO_FAILED"}
    try:
        plan = runtime.plan_of(header)
        undo = plan.nodes[claim.path].task.undo if claim.path in plan else None
        if undo is None:
            raise DefinitionChanged(workflow=header.workflow, instance_id=instance_id, path=claim.path)
        job = Job(
            storage=runtime.storage,
            workflow_id=instance_id,
            path=claim.path,
            run=run,
            token=token,
            attempt=1,
            context=dict(header.base_context),
            reports=False,
        )
        result = json.decode(body) if body is not None else None
        call(undo, result, job)
    except BaseException as error:
        if ends_the_process(error):
            raise
        logger.warning("%s %s could not be undone: %s", instance_id, claim.path, type(error).__name__)
        recorded = dict(failed(error).error or {})
        return {**recorded, "code": "UNDO_FAILED"}
    return None
