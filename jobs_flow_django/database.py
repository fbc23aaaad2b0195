"""The connection of the rows, and writes to it that survive a deadlock or a lost connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connections, router

from jobs_flow_django.models import WorkflowInstance

T = TypeVar("T")

#: A write outside a transaction that meets a deadlock or a lost connection is tried this many times.
ATTEMPTS = 5
#: Seconds before the second attempt; doubled for each later one, and up to half as much again by chance.
FIRST_PAUSE = 0.05

#: Codes of MySQL and MariaDB that another attempt may not meet: a lock waited for too long, a deadlock, a row that
#: changed since the snapshot.
CONTENDED = frozenset({1205, 1213, 1020})
#: Those after which the connection is of no use: refused or lost, on the way to the server or by its hand.
LOST = frozenset({1040, 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2002, 2003, 2006, 2012, 2013, 2027, 2055, 4031})
#: What SQLite says of a database that somebody else writes to.
BUSY = ("locked", "busy")


def alias() -> str:
    """The database that the project's routers choose for instances; the outbox has to be in the same one."""
    return router.db_for_write(WorkflowInstance)


def persist(using: str, write: Callable[[bool], T]) -> T:
    """The result of ``write``, called again after a deadlock, or on a new connection after a lost one.

    Its argument says whether it is called again: what it did may have been committed before the connection was
    lost. Errors that another attempt would meet again are raised at once. Never tried again inside a transaction:
    what was done in it before is lost too, so only whoever opened it can repeat it.
    """
    connection = connections[using]
    # Asked now: a connection that was lost in the middle of a transaction no longer knows of it.
    only_once = in_transaction(connection)
    pause = FIRST_PAUSE
    for attempt in range(ATTEMPTS - 1):
        try:
            return write(attempt > 0)
        except (OperationalError, InterfaceError) as error:
            if only_once or not is_passing(error, connection.vendor):
                raise
            if _code(error) in LOST or isinstance(error, InterfaceError):
                # Not asked whether it is usable: a driver may connect again by itself, without our session's settings.
                connection.close()
        # Two that were in each other's way must not come back at the same moment.
        time.sleep(pause * random.uniform(1.0, 1.5))  # noqa: S311 - nobody is to be surprised
        pause *= 2
    return write(True)


def in_transaction(connection: Any) -> bool:
    """Whether the caller has a transaction open, by ``atomic`` or with autocommit turned off."""
    if connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]:
        return True
    return connection.connection is not None and not connection.autocommit


def is_passing(error: DatabaseError | InterfaceError, vendor: str) -> bool:
    """Whether the same write may succeed a moment later."""
    code = _code(error)
    if code is not None:
        # PyMySQL's code for a connection that it has closed itself.
        return code in CONTENDED or code in LOST or (code == 0 and isinstance(error, InterfaceError))
    if vendor == "sqlite":
        return any(word in str(error) for word in BUSY)
    # Other databases have no numbers here; one attempt too many does no harm.
    return True


def _code(error: Exception) -> int | None:
    code = error.args[0] if error.args else None
    return code if isinstance(code, int) else None
