"""Questions about instances, each answered by an index."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs_flow.workflows.states import FINISHED, InstanceStatus

if TYPE_CHECKING:
    from jobs_flow_django.models.instance import WorkflowInstance  # noqa: F401 - named in strings below

#: What can be the beginning of an id.
_ID_PREFIX = re.compile(r"[0-9a-fA-F-]{1,36}\Z")
_FINISHED = [status.value for status in InstanceStatus if status in FINISHED]
_UNFINISHED = [status.value for status in InstanceStatus if status not in FINISHED]


def first_id_at(moment: datetime) -> str:
    """What every id made before ``moment`` sorts below, and every later one above."""
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    milliseconds = min(max(int(aware.timestamp() * 1000), 0), (1 << 48) - 1)
    text = f"{milliseconds:012x}"
    return f"{text[:8]}-{text[8:]}"


class WorkflowInstanceQuerySet(models.QuerySet["WorkflowInstance"]):
    """Instances, newest first."""

    def with_status(self, *statuses: str) -> Self:
        """Those in one of ``statuses``."""
        return self.filter(status__in=statuses)

    def finished(self) -> Self:
        """Those whose run is over: done, failed or cancelled."""
        return self.with_status(*_FINISHED)

    def unfinished(self) -> Self:
        """Those that never ran, ran in part, or are at work."""
        return self.with_status(*_UNFINISHED)

    def of_workflow(self, workflow: str) -> Self:
        """Those of the workflow registered as ``workflow``."""
        return self.filter(workflow=workflow)

    def in_realm(self, realm: str) -> Self:
        """Those of ``realm``."""
        return self.filter(realm=realm)

    def created_between(self, since: datetime | None = None, until: datetime | None = None) -> Self:
        """Those created from ``since`` on and before ``until``, to the millisecond; None is no bound.

        Told by their ids, which begin with the time: so it is answered in the order of ids without a sort.
        """
        rows = self
        if since is not None:
            rows = rows.filter(id__gte=first_id_at(since))
        if until is not None:
            rows = rows.filter(id__lt=first_id_at(until))
        return rows

    def owned_by(self, user: Any) -> Self:
        """Those of ``user``; none for an anonymous user."""
        return self.none() if user is None or user.pk is None else self.filter(owner_id=user.pk)

    def matching(self, text: str) -> Self:
        """Those whose id or name begins with ``text``."""
        text = text.strip()
        if not text:
            return self
        found = Q(name__istartswith=text)
        if _ID_PREFIX.match(text):
            found |= Q(id__istartswith=text)
        return self.filter(found)

    def with_id(self, text: str) -> Self | None:
        """Those whose id begins with ``text``; None when no id can."""
        return self.filter(id__istartswith=text) if _ID_PREFIX.match(text) else None

    def without_payload(self) -> Self:
        """The same, leaving what may be large in the database until it is asked for."""
        return self.defer("data", "base_context")


class WorkflowInstanceManager(models.Manager["WorkflowInstance"].from_queryset(WorkflowInstanceQuerySet)):  # type: ignore[misc]
    """``WorkflowInstance.objects``."""
