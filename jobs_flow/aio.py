"""Asynchronous twins of synchronous methods: ``aget_workflow = twin(get_workflow)``."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class RunsInThread(Protocol):
    """Has a way to run blocking functions off the event loop."""

    async def _in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...


S = TypeVar("S", bound=RunsInThread)


def twin(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """The asynchronous twin of ``method``: the same, run in a thread. Overridden methods are honoured."""

    @functools.wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = await self._in_thread(getattr(self, method.__name__), *args, **kwargs)
        return result

    run.__name__ = f"a{method.__name__}"
    run.__doc__ = f"Asynchronous twin of ``{method.__name__}``."
    return run


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run ``function`` in a thread of the event loop's pool."""
    return await asyncio.to_thread(function, *args, **kwargs)
