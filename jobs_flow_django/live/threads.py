"""Threads for what blocks: neither what reads nor what stops a run waits for what starts one.

A start waits for its broker, for half a minute where that is away, and under the ``sync`` backend for its whole run.
Were it to share its threads with the rest, a handful of them would hold up every request of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
R = TypeVar("R")

#: Threads of each kind in a process. Each may keep a connection to the database, as any thread of Django's does.
THREADS = 8

_readers = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs-flow-reader")
_starters = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs-flow-starter")
_steerers = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs-flow-steerer")


async def read(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a call that asks storage or database."""
    return await database_sync_to_async(function, thread_sensitive=False, executor=_readers)(*args, **kwargs)


async def steer(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a call that cancels, pauses or changes what there is."""
    return await database_sync_to_async(function, thread_sensitive=False, executor=_steerers)(*args, **kwargs)


async def start(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a call that may wait for a broker, or for what it starts."""
    return await database_sync_to_async(function, thread_sensitive=False, executor=_starters)(*args, **kwargs)
