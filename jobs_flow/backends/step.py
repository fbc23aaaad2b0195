"""One step of a run, whoever executes it: claim, condition, call, record, and what comes next.

The record is written before the step returns, together with the count-down of its blocks and the
queueing of what follows; so whoever publishes next, only publishes what the storage has decided.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from jobs_flow.backends.calling import call, call_task
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import JobsFlowError, NotJson, StorageUnavailable
from jobs_flow.ids import new_token
from jobs_flow.job import LINE_LIMIT, Failure, Job
from jobs_flow.storages.records import Claim, Instance, Outcome
from jobs_flow.workflows import context, json
from jobs_flow.workflows.plan import Node, Plan
from jobs_flow.workflows.states import TaskStatus

logger = logging.getLogger("jobs_flow.engine")

T = TypeVar("T")

#: Seconds for which a step goes on trying to reach its storage: to claim, and to record what a task has done.
CLAIM_PATIENCE = 10.0
RECORD_PATIENCE = 120.0
#: Characters kept of an error message and of a traceback.
MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 50_000


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
    node = plan.nodes[path]
    outcome = _failed(problem) if problem else _execute(runtime, header, plan, node, claim, token, run)
    flow = plan.flow(path, outcome.status)
    completed = _patiently(
        lambda: runtime.storage.complete(instance_id, path, run, token=token, outcome=outcome, flow=flow),
        RECORD_PATIENCE,
    )
    if not completed.recorded:
        logger.warning("%s %s run %s: the outcome came too late and was left out", instance_id, path, run)
        return Step("lost")
    logger.debug("%s %s run %s: %s, then %s", instance_id, path, run, outcome.status, list(completed.queued)[:8])
    runtime.report(instance_id, path, outcome, completed)
    failed = outcome.status == TaskStatus.FAILED and not outcome.tolerated
    return Step(
        "recorded",
        queued=tuple(completed.queued),
        finished=completed.finished,
        error=dict(outcome.error or {}) if failed else None,
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
        except JobsFlowError as error:
            # Claimed all the same, so that the failure is recorded once and by its holder.
            plan, problem = runtime.shape_of(header), error


def _execute(runtime: Runtime, header: Instance, plan: Plan, node: Node, claim: Claim, token: str, run: int) -> Outcome:
    """Condition, function and hooks of one task: the outcome to record."""
    task, path = node.task, node.path
    given = context.build(
        plan, path, claim.inputs, base_context=json.decode(json.encode(header.base_context)), explicit=claim.argument
    )
    job = Job(
        storage=runtime.storage,
        workflow_id=header.id,
        path=path,
        run=run,
        token=token,
        attempt=claim.attempt,
        context=given.context,
    )
    passed_on = given.source if given.source is not None else path
    ended = partial(Outcome, argument=given.argument_record, context=given.context_record)
    try:
        if task.condition is not None and not call(task.condition, given.argument, job):
            return ended(TaskStatus.SKIPPED, source=passed_on)
        if task.task is None:
            body = given.argument_record if given.source is None else None
            return ended(TaskStatus.OK, body=body, source=passed_on, logs=_completion(task, given.argument))
        started = time.perf_counter()
        result = call_task(task.task, given.argument, job)
        logger.debug("%s %s took %.1f ms", header.id, path, 1000 * (time.perf_counter() - started))
        body = json.encode(result, "the result")
    except BaseException as error:
        if _ends_the_process(error):
            raise
        tolerated = task.on_failure == "continue"
        return _failed(error, ended, source=passed_on if tolerated else None, tolerated=tolerated)
    missing = [name for name in task.context_vars if not (isinstance(result, dict) and name in result)]
    if missing:
        logger.warning("%s %s: its result has no %s for context_vars", header.id, path, ", ".join(missing))
    if task.debug is not None:
        try:
            call(task.debug, result, given.context)
        except Exception as error:
            logger.warning("%s %s: its debug function raised %s", header.id, path, type(error).__name__)
    return ended(TaskStatus.OK, body=body, source=path, logs=_completion(task, result))


def _completion(task: Any, result: Any) -> tuple[str, ...]:
    """The lines that ``on_complete`` adds to the log (feature S40)."""
    said = task.on_complete
    if callable(said):
        try:
            said = call(said, result, None)
        except Exception as error:
            logger.warning("the on_complete function of %s raised %s", task.name, type(error).__name__)
            return ()
    return tuple(line[:LINE_LIMIT] for line in str(said).splitlines()) if said is not None else ()


def _failed(
    error: BaseException,
    ended: Callable[..., Outcome] = Outcome,
    *,
    source: str | None = None,
    tolerated: bool = False,
) -> Outcome:
    """The outcome of an exception (feature S48)."""
    message = _printable((str(error) or type(error).__name__)[:MESSAGE_LIMIT])
    payload: Any = error.payload if isinstance(error, Failure) else message
    try:
        body = json.encode(payload, "the failure's payload")
    except NotJson as problem:
        body = json.encode(f"{message} ({problem})")
    code = error.code if isinstance(error, JobsFlowError) else "EXECUTION_FAILED"
    return ended(
        TaskStatus.FAILED,
        body=body,
        source=source,
        error={"code": code, "type": type(error).__name__, "message": message},
        traceback=_printable("".join(traceback.format_exception(error))[-TRACEBACK_LIMIT:]),
        tolerated=tolerated,
    )


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _ends_the_process(error: BaseException) -> bool:
    """Whether an exception is about this process, not about the task.

    ``sys.exit()`` in a task fails the task. Celery's own shutdown exceptions are subclasses of
    SystemExit, and Ctrl-C is for whoever pressed it.
    """
    return not isinstance(error, Exception | asyncio.CancelledError) and type(error) is not SystemExit


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
