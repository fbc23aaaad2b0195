"""What one task does: condition, function and hooks, turned into the outcome to record.

Total: whatever users' code raises or returns is an outcome. Only what is about the process itself
comes out (``ends_the_process``).
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from jobs_flow.backends.asked import RetryAsked
from jobs_flow.backends.calling import call, call_task
from jobs_flow.errors import JobsFlowError
from jobs_flow.job import LINE_LIMIT, Cancelled, Failure, Job
from jobs_flow.storages.base import Storage
from jobs_flow.storages.bodies import BodyLimits, check_size
from jobs_flow.storages.records import Claim, Instance, Outcome
from jobs_flow.workflows import context, json
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.retry import Retry
from jobs_flow.workflows.states import TaskStatus

logger = logging.getLogger("jobs_flow.engine")

#: Characters kept of an error message and of a traceback, lines kept of what ``on_complete`` says.
MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 50_000
COMPLETION_LINES = 1_000


class Performed(NamedTuple):
    """What a task did."""

    outcome: Outcome
    #: Seconds after which it is to be tried again; None: the outcome stands.
    retry_in: float | None = None


def perform(
    storage: Storage,
    header: Instance,
    plan: Plan,
    path: str,
    run: int,
    token: str,
    claim: Claim,
    *,
    limit: int = BodyLimits().limit,
) -> Performed:
    """Execute a claimed task; its outcome, and whether the task wants another try after it.

    The claim's texts are JSON, no references. ``limit``: bytes of JSON that a value may have.
    """
    task = plan.nodes[path].task
    tolerated = task.on_failure == "continue"
    ended: Callable[..., Outcome] = Outcome
    passed_on: str | None = None
    job: Job | None = None
    try:
        # The task may change its context; the header serves later tasks.
        base_context = json.decode(json.encode(header.base_context))
        given = context.build(
            plan, path, claim.inputs, base_context=base_context, explicit=claim.argument, updaters=claim.updaters
        )
        # Known before the function is called, and not when what it has done is to be recorded.
        check_size("the argument", given.argument_record, limit)
        check_size("the context", given.context_record, limit)
        ended = partial(Outcome, argument=given.argument_record, context=given.context_record)
        passed_on = given.source if given.source is not None else path
        job = Job(
            storage=storage,
            workflow_id=header.id,
            path=path,
            run=run,
            token=token,
            attempt=claim.attempt,
            context=given.context,
        )
        if task.condition is not None and not call(task.condition, given.argument, job):
            return Performed(ended(TaskStatus.SKIPPED, source=passed_on))
        if task.task is None:
            body = given.argument_record if given.source is None else None
            return Performed(ended(TaskStatus.OK, body=body, source=passed_on, logs=_completion(task, given.argument)))
        result = call_task(task.task, given.argument, job, retries=claim.retries)
        if job.stopped:
            return Performed(cancelled(ended))
        body = json.encode(result, "the result")
        check_size("the result", body, limit)
        _debug(header.id, path, task, result, given.context)
        recorded = json.encode(job.recorded_updaters) if job.recorded_updaters else None
        logs = _completion(task, result)
        return Performed(ended(TaskStatus.OK, body=body, source=path, logs=logs, updaters=recorded))
    except Cancelled:
        return Performed(cancelled(ended))
    except RetryAsked as asked:
        return Performed(
            failed(
                asked.cause or asked, ended, source=passed_on if tolerated else None, tolerated=tolerated, limit=limit
            ),
            asked.delay,
        )
    except BaseException as error:
        if ends_the_process(error):
            raise
        if job is not None and job.stopped:
            # Whatever it raised on the way out, it was told to stop.
            return Performed(cancelled(ended))
        outcome = failed(error, ended, source=passed_on if tolerated else None, tolerated=tolerated, limit=limit)
        return Performed(outcome, _next_try(task, error, claim.retries))


def _next_try(task: Task, error: BaseException, retries: int) -> float | None:
    """Seconds until the task is tried again; None when it is not."""
    if task.retry is None or not task.retry.applies(error, retries):
        return None
    return delay_before(task.retry, retries + 1)


def delay_before(retry: Retry, number: int) -> float:
    """Seconds before the retry of that number (1 is the first)."""
    # Spreads retries of many tasks that failed together; nobody gains by guessing it.
    return retry.delay(number, random.random())  # noqa: S311


def cancelled(ended: Callable[..., Outcome] = Outcome) -> Outcome:
    """The outcome of a task that was told to stop."""
    error = {"code": "CANCELLED", "type": "Cancelled", "message": "the task was asked to stop"}
    return ended(TaskStatus.CANCELLED, error=error)


def failed(
    error: BaseException,
    ended: Callable[..., Outcome] = Outcome,
    *,
    source: str | None = None,
    tolerated: bool = False,
    limit: int = BodyLimits().limit,
) -> Outcome:
    """The outcome of an exception (feature S48)."""
    message = _text(error)
    try:
        body = json.encode(error.payload if isinstance(error, Failure) else message, "the failure's payload")
        check_size("the failure's payload", body, limit)
    except Exception as problem:
        body = json.encode(f"{message} ({_text(problem)})")
    try:
        trace = "".join(traceback.format_exception(error))[-TRACEBACK_LIMIT:]
    except Exception:
        trace = f"{type(error).__name__}, whose traceback cannot be written"
    return ended(
        TaskStatus.FAILED,
        body=body,
        source=source,
        error={
            "code": error.code if isinstance(error, JobsFlowError) else "EXECUTION_FAILED",
            "type": type(error).__name__,
            "message": message,
        },
        traceback=json.printable(trace),
        tolerated=tolerated,
    )


def ends_the_process(error: BaseException) -> bool:
    """Whether an exception is about this process, not about the task.

    ``sys.exit()`` in a task fails the task, and so does a time-out that is no ``Exception``, such as
    gevent's. Ctrl-C is for whoever pressed it, and Celery's shutdown for Celery; so is the ``SystemExit`` that a
    signal raises in a child that is being ended: the main process knows why, and sees to the task.
    """
    if isinstance(error, Exception | asyncio.CancelledError):
        return False
    if isinstance(error, SystemExit) and _is_being_terminated():
        return True
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    kind = type(error)
    return kind.__module__.startswith("celery.") or any(base.__name__ == "GreenletExit" for base in kind.__mro__)


def _is_being_terminated() -> bool:
    """Whether this is a child of a worker's pool that was sent a signal to end."""
    fired = getattr(sys.modules.get("billiard.common"), "_should_have_exited", None)
    return bool(fired and fired[0])


def _debug(instance_id: str, path: str, task: Task, result: Any, given: dict[str, Any]) -> None:
    """What is of use to developers only: whatever goes wrong with it is logged and forgotten (feature S39)."""
    missing = [name for name in task.context_vars if not (isinstance(result, dict) and name in result)]
    if missing:
        logger.warning("%s %s: its result has no %s for context_vars", instance_id, path, ", ".join(missing))
    if task.debug is not None:
        _harmless(f"{instance_id} {path}: its debug function", partial(call, task.debug, result, given))


def _completion(task: Task, result: Any) -> tuple[str, ...]:
    """The lines that ``on_complete`` adds to the log (feature S40)."""

    def say() -> list[str]:
        hook = task.on_complete
        said = call(hook, result, None) if callable(hook) else hook
        return [] if said is None else json.printable(str(said)).splitlines()[:COMPLETION_LINES]

    lines = _harmless(f"the on_complete of {task.name}", say) or []
    return tuple(line[:LINE_LIMIT] for line in lines)


def _harmless(what: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except BaseException as error:
        if ends_the_process(error):
            raise
        logger.warning("%s raised %s", what, type(error).__name__)
        return None


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    if isinstance(error, KeyError):
        # The text of a KeyError is the key alone.
        text = f"KeyError: {text}"
    return json.printable((text or type(error).__name__)[:MESSAGE_LIMIT])
