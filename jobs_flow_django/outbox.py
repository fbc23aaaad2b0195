"""The outbox: requests written with the caller's transaction, so that a commit is a promise.

A rolled-back transaction takes its entries with it: it starts nothing. A committed one leaves them until
what they ask for was done, by the process that committed or, when that died, by recovery. Either may do it,
and both at once: performing an entry twice is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.utils import timezone

from jobs_flow.errors import JobsFlowError, kind_of
from jobs_flow.index import Entry
from jobs_flow.storages.records import Json, NewInstance
from jobs_flow.workflows.registry import Registry
from jobs_flow_django.database import persist
from jobs_flow_django.models import OutboxEntry, WorkflowInstance

logger = logging.getLogger("jobs_flow.outbox")

#: The longest an entry is put off, as a multiple of the age that recovery asks for.
LONGEST = 64


def add(using: str, token: str, instance_id: str, action: str, arguments: Mapping[str, Json]) -> None:
    """Write an entry; one that is there already stays as it is."""
    OutboxEntry.objects.using(using).bulk_create(
        [OutboxEntry(token=token, instance_id=instance_id, action=action, arguments=dict(arguments))],
        ignore_conflicts=True,
    )


def remove(using: str, token: str) -> None:
    """Forget an entry that was done. Never raises outside a transaction: it would only be done once more."""
    try:
        persist(using, lambda again: entries(using).filter(pk=token).delete())
    except DatabaseError as error:
        if connections[using].in_atomic_block:
            raise
        logger.warning("outbox entry %s was done and could not be removed: %s", token, type(error).__name__)


def entries(using: str) -> QuerySet[OutboxEntry]:
    """The entries of a database."""
    return OutboxEntry.objects.using(using)


def take(using: str, registry: Registry, older_than_seconds: float, limit: int) -> list[Entry]:
    """See ``InstanceIndex.unfinished``. Of several who ask at once, one is given an entry."""
    now = timezone.now()
    age = timedelta(seconds=older_than_seconds)
    due = persist(
        using, lambda again: list(entries(using).filter(due_at__lte=now - age).order_by("due_at", "token")[:limit])
    )
    found = []
    for row in due:
        # Due again when as much more time has passed as it takes to be asked for the first time.
        later = now + age * (min(2**row.tries, LONGEST) - 1)
        taken = _put_off(using, row, later)
        entry = _entry(using, registry, row) if taken else None
        if entry is not None:
            found.append(entry)
    return found


def _put_off(using: str, row: OutboxEntry, moment: datetime) -> bool:
    """Whether it was for this caller to put it off: nobody else has since it was read."""
    mine = entries(using).filter(pk=row.pk, tries=row.tries)
    return bool(persist(using, lambda again: mine.update(tries=row.tries + 1, due_at=moment)))


def _entry(using: str, registry: Registry, row: OutboxEntry) -> Entry | None:
    if row.action != "create":
        return Entry(row.token, row.instance_id, row.action, row.arguments)
    instance = WorkflowInstance.objects.using(using).filter(pk=row.instance_id).first()
    if instance is None:
        remove(using, row.token)
        return None
    try:
        new = announced(instance, registry)
    except JobsFlowError as error:
        # Other workers may know the workflow, or a later version of the code will.
        logger.error("%s was committed and cannot be made: %s", row.instance_id, kind_of(error))
        return None
    return Entry(row.token, row.instance_id, row.action, row.arguments, new)


def announced(row: WorkflowInstance, registry: Registry) -> NewInstance:
    """What a row was written for, with the tree that the present code gives.

    Raises ``UnknownWorkflow`` and ``DefinitionError``.
    """
    plan = registry.plan(row.workflow, row.data)
    return NewInstance(
        id=row.pk,
        workflow=row.workflow,
        data=row.data,
        base_context=row.base_context,
        fingerprint=plan.fingerprint,
        tree=plan.describe(),
        paths=tuple(plan.nodes),
        realm=row.realm,
        name=row.name,
        ephemeral=row.ephemeral,
        key=row.key,
    )
