"""The connection of the rows, and writes to it that survive a deadlock or a lost connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections, router

from jobs_flow_django.models import WorkflowInstance

T = TypeVar("T")

#: A write outside a transaction that meets a deadlock or a lost connection is tried this many times.
ATTEMPTS = 4
#: Seconds before the second attempt; doubled for each later one.
FIRST_PAUSE = 0.05


def alias() -> str:
    """The database that the project's routers choose for instances; the outbox has to be in the same one."""
    return router.db_for_write(WorkflowInstance)


def persist(using: str, write: Callable[[bool], T]) -> T:
    """The result of ``write``, called again after a deadlock, or on a new connection after a lost one.

    Its argument says whether it is called again. Never inside a transaction: what was done in it
    before is lost too, so only whoever opened it can repeat it.
    """
    connection = connections[using]
    pause = FIRST_PAUSE
    for attempt in range(ATTEMPTS - 1):
        try:
            return write(attempt > 0)
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise
            connection.close_if_unusable_or_obsolete()
        time.sleep(pause)
        pause *= 2
    return write(True)
