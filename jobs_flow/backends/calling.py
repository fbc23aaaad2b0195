"""Calling what users wrote: any of the accepted kinds of function, with as many arguments as it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any

from jobs_flow.job import Job
from jobs_flow.workflows.registry import wait_for

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@lru_cache(maxsize=1024)
def _takes(function: Callable[..., Any]) -> tuple[int, bool]:
    """How many positional arguments a function takes (2 for *args), and whether ``job`` goes by name."""
    # A Celery task is called through its run(): __call__ of the task takes anything.
    target = getattr(function, "run", function) if hasattr(function, "apply_async") else function
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return 1, False
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2, False
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    by_name = any(p.name == "job" and p.kind is p.KEYWORD_ONLY for p in parameters)
    if len(positional) == 1 and positional[0].name == "job":
        return 0, True
    if len(positional) > 2:
        # fn(res, x=default) with more defaults: only fill the second when it is required or named job.
        required = [p for p in positional if p.default is p.empty]
        return min(max(len(required), 1), 2), by_name
    if len(positional) == 2 and positional[1].default is not inspect.Parameter.empty and positional[1].name != "job":
        return 1, by_name
    return len(positional), by_name


def call(function: Callable[..., Any], first: Any, second: Any) -> Any:
    """``function`` called with as much of ``(first, second)`` as it takes; awaited when it gives an awaitable."""
    try:
        count, by_name = _takes(function)
    except TypeError:  # unhashable callables
        count, by_name = _takes.__wrapped__(function)
    arguments = (first, second)[:count]
    result = function(*arguments, job=second) if by_name else function(*arguments)
    return wait_for(result) if inspect.isawaitable(result) else result


def call_task(function: Callable[..., Any], argument: Any, job: Job, *, retries: int = 0) -> Any:
    """The result of a task function; a generator's yields are its progress (feature S34).

    ``retries``: how often it was tried again in this run, for an existing Celery task to count on. Raises
    ``RetryAsked`` when such a task retries itself.
    """
    if hasattr(function, "apply_async") and hasattr(function, "push_request"):
        from jobs_flow.backends.celery.existing import call_existing

        result = call_existing(function, (argument, job)[: _takes(function)[0]], job=job, retries=retries)
    else:
        result = call(function, argument, job)
    return _drain(result, job) if inspect.isgenerator(result) else result


def _drain(steps: Generator[Any, Any, Any], job: Job) -> Any:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        if isinstance(step, tuple):
            job.progress(*step)
        else:
            job.progress(step)
