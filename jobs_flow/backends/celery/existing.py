"""Calls existing Celery tasks as a worker would, with their own retries recorded as ours.

A task finds the request it expects (its id, its retries so far), so ``self.retry()``, ``autoretry_for`` and
``max_retries`` decide as always; but nothing is published: what they ask for is ``RetryAsked``.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import _state, current_task
from celery.app.trace import task_has_custom
from celery.exceptions import Retry

from jobs_flow.backends.asked import RetryAsked
from jobs_flow.ids import message_id

if TYPE_CHECKING:
    from jobs_flow.job import Job

logger = logging.getLogger("jobs_flow.celery")

#: The member of a request that holds the job of ours it was made for.
_JOB = "jobs_flow_job"


def call_existing(task: Any, args: Sequence[Any], *, job: Job, retries: int) -> Any:
    """What a Celery task returns when it is called with ``args``; an awaitable as it is.

    Raises what it raises, and ``RetryAsked`` when it retries itself. Over ``max_retries`` Celery raises the
    task's own exception, or ``MaxRetriesExceededError``. ``update_state`` becomes the job's progress where its
    ``meta`` says how far the task is, and is left out where it does not.
    """
    ident = message_id(job.workflow_id, job.path, job.run)
    request = {
        "id": ident,
        "root_id": ident,
        "args": list(args),
        "kwargs": {},
        "retries": retries,
        "hostname": getattr(getattr(current_task, "request", None), "hostname", None) or socket.gethostname(),
        # Eager: ``retry`` raises and publishes nothing. Not called directly: it retries at all.
        "is_eager": True,
        "called_directly": False,
        "delivery_info": {"is_eager": True, "exchange": None, "routing_key": None, "priority": None},
        _JOB: job,
    }
    _redirect_states(task)
    # What ``current_task`` reads.
    stack: Any = vars(_state)["_task_stack"]
    stack.push(task)
    task.push_request(**request)
    try:
        # As Celery chooses: a class of the user's may do something around ``run``.
        return (task if task_has_custom(task, "__call__") else task.run)(*args)
    except Retry as asked:
        again = vars(asked).get("sig")
        if again is not None and (list(again.args or ()) != list(args) or again.kwargs):
            logger.warning("%s %s: a retry with other arguments gets those of its step", job.workflow_id, job.path)
        raise RetryAsked(_delay(task, asked.when), asked.exc or asked.__cause__ or asked.__context__) from asked
    finally:
        # ``retry(max_retries=…)`` leaves its limit on the task, where the next call would find it.
        vars(task).pop("override_max_retries", None)
        task.pop_request()
        stack.pop()


def _delay(task: Any, when: Any) -> float:
    """Seconds until ``when``: a number of them, or a time."""
    if isinstance(when, datetime):
        aware = when if when.tzinfo else when.replace(tzinfo=task.app.timezone)
        return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
    return max(float(when or 0), 0.0)


def _redirect_states(task: Any) -> None:
    """Have ``update_state`` know, once and for all threads, whether a step of ours calls the task."""
    if isinstance(vars(task).get("update_state"), partial):
        return
    vars(task)["update_state"] = partial(_update_state, task, task.update_state)


def _update_state(task: Any, original: Any, *args: Any, **kwargs: Any) -> None:
    job = getattr(task.request, _JOB, None)
    if job is None:
        original(*args, **kwargs)
        return
    names = ("task_id", "state", "meta")
    given = dict(zip(names, args, strict=False)) | kwargs
    share, state = _share(given.get("meta")), given.get("state")
    if share is not None:
        job.progress(share, str(state) if state else None)
    elif state:
        job.progress(str(state))


def _share(meta: Any) -> float | None:
    """How far ``{"current": 3, "total": 10}`` says that the task is, as most tasks that report put it."""
    if not isinstance(meta, Mapping):
        return None
    try:
        share = float(meta["current"]) / float(meta["total"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return share if 0 <= share <= 1 else None
