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


class Threads:
    """``await threads(function, …)`` gives the result of a call that blocks, with Django's connections seen to."""

    def __init__(self, kind: str) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=f"jobs-flow-{kind}")

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``function`` gives, or raises."""
        return await database_sync_to_async(function, thread_sensitive=False, executor=self._pool)(*args, **kwargs)


#: For what asks or tells storage and database, and waits for nobody else.
read = Threads("reader")
#: For what cancels, pauses or changes what there is.
steer = Threads("steerer")
#: For what may wait for a broker, or for the run that it starts.
start = Threads("starter")
