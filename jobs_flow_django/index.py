"""Keeps a row for each instance: what ``Jobs`` calls when one is created and when its state changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.db.models import Q
from django.utils import timezone

from jobs_flow.errors import InvalidArgument
from jobs_flow.index import InstanceIndex
from jobs_flow.storages.records import Instance, NewInstance
from jobs_flow_django.models import WorkflowInstance

T = TypeVar("T")

#: A write outside a transaction that meets a deadlock or a lost connection is tried this many times.
ATTEMPTS = 4
#: Seconds before the second attempt; doubled for each later one.
FIRST_PAUSE = 0.05

_owner: ContextVar[Any] = ContextVar("jobs_flow_owner", default=None)


@contextmanager
def owned_by(user: Any) -> Iterator[None]:
    """Instances created inside the block belong to ``user``; an anonymous user and None own nothing.

    Raises ``InvalidArgument`` for what is no user.
    """
    if user is not None and not hasattr(user, "pk"):
        raise InvalidArgument(argument="owner", reason=f"it is a user, not {type(user).__name__}")
    token = _owner.set(user)
    try:
        yield
    finally:
        _owner.reset(token)


class DjangoIndex(InstanceIndex):
    """Rows of ``WorkflowInstance``, written on the connection that the project's routers choose."""

    def created(self, new: NewInstance) -> None:
        """Insert the row of ``new``; in the caller's transaction, when there is one."""
        owner = _owner.get()
        row = WorkflowInstance(
            id=new.id,
            workflow=new.workflow,
            name=new.name,
            realm=new.realm,
            owner_id=None if owner is None else owner.pk,
            data=new.data,
            base_context=dict(new.base_context),
            fingerprint=new.fingerprint,
            ephemeral=new.ephemeral,
        )
        using = _alias()

        def insert(again: bool) -> None:
            # A connection that was lost may have been lost after the row was committed.
            if not (again and WorkflowInstance.objects.using(using).filter(pk=new.id).exists()):
                row.save(using=using, force_insert=True)

        _persist(using, insert)

    def discard(self, instance_id: str) -> None:
        """Delete a row whose instance the storage did not take."""
        using = _alias()
        rows = WorkflowInstance.objects.using(using).filter(pk=instance_id, seq=0)
        _persist(using, lambda again: rows.delete())

    def changed(self, instance: Instance) -> None:
        """Mirror the state of ``instance`` into its row, unless the row has a newer one."""
        # Both go up with every change of the instance, so an older state is over neither. The time is
        # there for a storage that lost its last second: its sequence numbers start again from before.
        newer = Q(seq__lt=instance.seq) | Q(updated_at__lt=from_milliseconds(instance.updated_at))
        using = _alias()
        rows = WorkflowInstance.objects.using(using).filter(newer, pk=instance.id)
        _persist(using, lambda again: rows.update(**mirrored(instance)))

    def on_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` once the caller's transaction is committed, at once when there is none."""
        if self.in_transaction():
            # Robust: by then the row is committed, and an error would keep other callbacks from running.
            transaction.on_commit(function, using=_alias(), robust=True)
        else:
            function()

    def in_transaction(self) -> bool:
        """Whether the caller has a transaction open on the connection of the rows."""
        return bool(transaction.get_connection(_alias()).in_atomic_block)


def mirrored(instance: Instance) -> dict[str, Any]:
    """The fields of a row that follow the storage, with the values of ``instance``."""
    return {
        "status": instance.status,
        "progress": instance.progress,
        "run": instance.run,
        "error": instance.error,
        "seq": instance.seq,
        "updated_at": from_milliseconds(instance.updated_at),
        "started_at": from_milliseconds(instance.started_at),
        "finished_at": from_milliseconds(instance.finished_at),
    }


def from_milliseconds(value: int | None) -> datetime | None:
    """The datetime of an epoch time of the storage, aware or not as the project's settings say."""
    if value is None:
        return None
    moment = datetime.fromtimestamp(value / 1000, UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def _alias() -> str:
    return router.db_for_write(WorkflowInstance)


def _persist(using: str, write: Callable[[bool], T]) -> T:
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
