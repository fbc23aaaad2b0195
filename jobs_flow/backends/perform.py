"""What one task does: condition, function and hooks, turned into the outcome to record.

Total: whatever users' code raises or returns is an outcome. Only what is about the process itself
comes out (``ends_the_process``).
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from jobs_flow.backends.calling import call, call_task
from jobs_flow.errors import JobsFlowError, TooLarge
from jobs_flow.job import LINE_LIMIT, Failure, Job
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Claim, Instance, Outcome
from jobs_flow.workflows import context, json
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import TaskStatus

logger = logging.getLogger("jobs_flow.engine")

#: Characters kept of an error message and of a traceback, lines kept of what ``on_complete`` says.
MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 50_000
COMPLETION_LINES = 1_000
#: Characters of JSON that a result may have.
RESULT_LIMIT = 64 * 1024 * 1024


def perform(storage: Storage, header: Instance, plan: Plan, path: str, run: int, token: str, claim: Claim) -> Outcome:
    """Execute a claimed task; its outcome."""
    task = plan.nodes[path].task
    tolerated = task.on_failure == "continue"
    ended: Callable[..., Outcome] = Outcome
    passed_on: str | None = None
    try:
        # The task may change its context; the header serves later tasks.
        base_context = json.decode(json.encode(header.base_context))
        given = context.build(plan, path, claim.inputs, base_context=base_context, explicit=claim.argument)
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
            return ended(TaskStatus.SKIPPED, source=passed_on)
        if task.task is None:
            body = given.argument_record if given.source is None else None
            return ended(TaskStatus.OK, body=body, source=passed_on, logs=_completion(task, given.argument))
        result = call_task(task.task, given.argument, job)
        body = json.encode(result, "the result")
        if len(body) > RESULT_LIMIT:
            raise TooLarge(where="the result", size=len(body.encode()), limit=RESULT_LIMIT)
        _debug(header.id, path, task, result, given.context)
        return ended(TaskStatus.OK, body=body, source=path, logs=_completion(task, result))
    except BaseException as error:
        if ends_the_process(error):
            raise
        return failed(error, ended, source=passed_on if tolerated else None, tolerated=tolerated)


def failed(
    error: BaseException,
    ended: Callable[..., Outcome] = Outcome,
    *,
    source: str | None = None,
    tolerated: bool = False,
) -> Outcome:
    """The outcome of an exception (feature S48)."""
    message = _text(error)
    try:
        body = json.encode(error.payload if isinstance(error, Failure) else message, "the failure's payload")
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
    gevent's. Ctrl-C is for whoever pressed it, and Celery's shutdown for Celery.
    """
    if isinstance(error, Exception | asyncio.CancelledError):
        return False
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    kind = type(error)
    return kind.__module__.startswith("celery.") or any(base.__name__ == "GreenletExit" for base in kind.__mro__)


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
