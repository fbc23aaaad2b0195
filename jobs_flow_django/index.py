"""Keeps a row for each instance: what ``Jobs`` calls when one is created and when its state changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connections, transaction
from django.db.models import Q
from django.utils import timezone

from jobs_flow.errors import InvalidArgument
from jobs_flow.ids import new_instance_id
from jobs_flow.index import Entry, InstanceIndex, Rested
from jobs_flow.storages.records import Instance, Json, NewInstance
from jobs_flow.workflows.registry import Registry, default_registry
from jobs_flow_django import outbox
from jobs_flow_django.database import alias, persist
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.models.instance import key_digest
from jobs_flow_django.paging import page

#: Times that a key is tried for, when the instance that has it is destroyed again and again meanwhile.
KEY_ATTEMPTS = 3
#: ``Instance.revision`` of one that was never updated.
FIRST_REVISION = 1

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
    """Rows of ``WorkflowInstance`` and an outbox, written on the connection that the project's routers choose."""

    lists = True

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry or default_registry

    # -- rows --------------------------------------------------------------------------------

    def created(self, new: NewInstance, *, execute: bool = False) -> str | None:
        """Insert the row of ``new`` and its outbox entry; in the caller's transaction, when there is one."""
        owner = _owner.get()
        digest = None if new.key is None else key_digest(new.workflow, new.realm, new.key)
        row = WorkflowInstance(
            id=new.id,
            workflow=new.workflow,
            name=new.name,
            realm=new.realm,
            key=new.key,
            key_digest=digest,
            owner_id=None if owner is None else owner.pk,
            data=new.data,
            base_context=dict(new.base_context),
            fingerprint=new.fingerprint,
            ephemeral=new.ephemeral,
        )
        using = alias()

        def insert(again: bool) -> str | None:
            # A connection that was lost may have been lost after the row was committed.
            if again and WorkflowInstance.objects.using(using).filter(pk=new.id).exists():
                return None
            # Both or none: a row without an entry would stay without an instance if this process died now.
            with transaction.atomic(using=using):
                row.save(using=using, force_insert=True)
                outbox.add(using, new.id, new.id, "create", {"execute": execute})
            return None

        def insert_or_find(again: bool) -> str | None:
            for _ in range(KEY_ATTEMPTS - 1):
                try:
                    return insert(again)
                except IntegrityError:
                    if digest is None:
                        raise
                    holder = _holder_of(using, digest)
                    if holder is not None:
                        return holder
            return insert(again)

        return persist(using, insert_or_find)

    def discard(self, instance_id: str, *, taken: bool = False) -> None:
        """Delete a row whose instance the storage did not take, unless it has a key to be tried again with."""
        using = alias()
        rows = WorkflowInstance.objects.using(using).filter(pk=instance_id, seq=0)
        self._forget(using, instance_id, rows if taken else rows.filter(key=None))

    def changed(self, instance: Instance) -> None:
        """Mirror the state of ``instance`` into its row, unless the row has a newer one."""
        # Both go up with every change of the instance, so an older state is over neither. The time is
        # there for a storage that lost its last second: its sequence numbers start again from before.
        newer = Q(seq__lt=instance.seq) | Q(updated_at__lt=from_milliseconds(instance.updated_at))
        using = alias()
        rows = WorkflowInstance.objects.using(using).filter(newer, pk=instance.id)
        values = mirrored(instance)
        if instance.revision > FIRST_REVISION:
            values |= {"data": instance.data, "base_context": instance.base_context}
        persist(using, lambda again: rows.update(**values))

    def deleted(self, instance_id: str) -> None:
        """Delete the row, and all that is still asked of the instance."""
        using = alias()
        self._forget(using, instance_id, WorkflowInstance.objects.using(using).filter(pk=instance_id))

    def deleted_together(self, instance_ids: Sequence[str]) -> None:
        """Two statements for all of them; no transaction is longer than its batch."""
        using, ids = alias(), list(instance_ids)
        rows = WorkflowInstance.objects.using(using).filter(pk__in=ids)

        def delete(again: bool) -> None:
            with transaction.atomic(using=using):
                # In one order, so that two who do the same wait for each other and do not deadlock.
                rows._raw_delete(using)
                outbox.entries(using).filter(instance_id__in=ids)._raw_delete(using)

        persist(using, delete)

    def _forget(self, using: str, instance_id: str, rows: Any) -> None:
        def delete(again: bool) -> None:
            with transaction.atomic(using=using):
                if rows.delete()[0] or not WorkflowInstance.objects.using(using).filter(pk=instance_id).exists():
                    outbox.entries(using).filter(instance_id=instance_id).delete()

        persist(using, delete)

    def page(
        self, *, realm: str | None, status: str | None, workflow: str | None, after: str | None, limit: int
    ) -> list[str] | None:
        """By the index of what is asked for; see ``paging``."""
        using = alias()
        rows = WorkflowInstance.objects.using(using)
        if realm is not None:
            rows = rows.in_realm(realm)
        if status is not None:
            rows = rows.filter(status=status)
        if workflow is not None:
            rows = rows.of_workflow(workflow)
        return persist(using, lambda again: page(rows, limit=limit, mark=after))

    def finished(
        self, *, workflow: str | None, statuses: Collection[str], until: int, after: Rested | None, limit: int
    ) -> list[Rested]:
        """By the index of ends, of one workflow or of all."""
        using = alias()
        rows = WorkflowInstance.objects.using(using).with_status(*statuses)
        rows = rows.filter(finished_at__lte=from_milliseconds(until)).order_by("finished_at", "id")
        if workflow is not None:
            rows = rows.of_workflow(workflow)
        if after is not None:
            rows = rows.filter(finished_at__gte=after.mark).exclude(finished_at=after.mark, id__lte=after.id)
        found = rows.values_list("id", "workflow", "run", "finished_at")[:limit]
        return persist(using, lambda again: [Rested(*row) for row in found.all()])

    def ids(self, *, until: int, after: str | None, limit: int) -> list[str]:
        """By the primary key."""
        using, moment = alias(), from_milliseconds(until)
        rows = WorkflowInstance.objects.using(using).filter(created_at__lte=moment, id__gt=after or "")
        found = rows.order_by("id").values_list("id", flat=True)[:limit]
        return persist(using, lambda again: list(found.all()))

    # -- the caller's transaction ------------------------------------------------------------

    def on_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` once the caller's transaction is committed, at once when there is none."""
        if self.in_transaction():
            # Robust: by then the row is committed, and an error would keep other callbacks from running.
            transaction.on_commit(function, using=alias(), robust=True)
        else:
            function()

    def in_transaction(self) -> bool:
        """Whether the caller has a transaction open on the connection of the rows."""
        return bool(transaction.get_connection(alias()).in_atomic_block)

    # -- the outbox --------------------------------------------------------------------------

    def requested(self, instance_id: str, action: str, arguments: Mapping[str, Json]) -> str:
        """Write an entry in the caller's transaction; its token."""
        using, token = alias(), new_instance_id()
        persist(using, lambda again: outbox.add(using, token, instance_id, action, arguments))
        return token

    def is_asked_for(self, instance_id: str) -> bool:
        """Whether an entry is about the instance."""
        using = alias()
        return persist(using, lambda again: outbox.entries(using).filter(instance_id=instance_id).exists())

    def done(self, token: str) -> None:
        """Forget an entry."""
        if token:
            outbox.remove(alias(), token)

    def unfinished(self, older_than_seconds: float, limit: int) -> list[Entry]:
        """Entries that a process left behind."""
        return outbox.take(alias(), self._registry, older_than_seconds, limit)


def mirrored(instance: Instance) -> dict[str, Any]:
    """The fields of a row that follow the storage, with the values of ``instance``; not what may be large."""
    return {
        "workflow": instance.workflow,
        "name": instance.name,
        "fingerprint": instance.fingerprint,
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


def _holder_of(using: str, digest: str) -> str | None:
    """The id of the row that keeps another one from being written, or None when it is gone again."""
    connection = connections[using]
    rows = WorkflowInstance.objects.using(using).filter(key_digest=digest)
    if connection.vendor != "mysql" or not connection.in_atomic_block:
        row = rows.only("pk").first()
        return None if row is None else row.pk
    # The caller's transaction may see the table as it was before that row was committed (REPEATABLE READ);
    # a locking read sees it as it is. FOR UPDATE would not do: the refused insert has left a shared lock
    # on the row, and two who have one and want an exclusive one wait for each other.
    sql, parameters = rows.order_by().values_list("pk").query.get_compiler(using).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LOCK IN SHARE MODE", parameters)
        found = cursor.fetchone()
    return None if found is None else str(found[0])
