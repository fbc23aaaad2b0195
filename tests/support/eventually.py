"""Waiting for what another process or thread does: ask until it is so, never sleep and hope."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two questions: short against a task, long against a round trip.
INTERVAL = 0.02


def eventually(check: Callable[[], T | None], timeout: float = 10.0, interval: float = INTERVAL) -> T:
    """The first true answer of ``check``, which is asked again while it is false or an assertion in it fails.

    A check that is made of asserts ends with ``return True``: None is an answer that is not there yet.
    Any other exception goes through at once.

    :raises AssertionError: after ``timeout`` seconds, with the last answer or the last failed assertion.
    """
    deadline = time.monotonic() + timeout
    while True:
        # Taken before the question: whoever stood still in between asks once more.
        late = time.monotonic() >= deadline
        failure = None
        answer = None
        try:
            if answer := check():
                return answer
        except AssertionError as error:
            failure = error
        if late:
            raise _too_late(check, timeout, answer, failure) from failure
        time.sleep(interval)


async def aeventually(
    check: Callable[[], T | Awaitable[T | None] | None],
    timeout: float = 10.0,
    interval: float = INTERVAL,
) -> T:
    """:func:`eventually` for coroutines; ``check`` may be either kind of function."""
    deadline = time.monotonic() + timeout
    while True:
        # Taken before the question: whoever stood still in between asks once more.
        late = time.monotonic() >= deadline
        failure = None
        answer = None
        try:
            given = check()
            answer = await given if inspect.isawaitable(given) else given
            if answer:
                return answer
        except AssertionError as error:
            failure = error
        if late:
            raise _too_late(check, timeout, answer, failure) from failure
        await asyncio.sleep(interval)


def _too_late(
    check: Callable[..., object], timeout: float, answer: object, failure: AssertionError | None
) -> AssertionError:
    if failure is not None:
        return AssertionError(f"not within {timeout:g} s: {failure}")
    hint = "; a check made of asserts has to return True" if answer is None else ""
    name = getattr(check, "__qualname__", check)
    return AssertionError(f"not within {timeout:g} s: {name} last answered {answer!r}{hint}")
