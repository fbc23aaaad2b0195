"""Whose instances the page shows and changes: each user's own, in realms of their own."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.models.queries import WorkflowInstanceQuerySet
from jobs_flow_django.permissions import authorize

#: Longest name of a realm that a user may choose.
REALM_LENGTH = 60


def realm_of(user: Any, name: str) -> str:
    """The realm that a user calls ``name``. No two users have one in common, whatever they call theirs."""
    return f"{_prefix(user)}{name}"


def realm_name(instance: WorkflowInstance) -> str:
    """What its user calls the realm of an instance."""
    return str(instance.realm).split("-", 2)[-1]


def own(user: Any) -> WorkflowInstanceQuerySet:
    """The user's instances that were made on this page, newest first."""
    rows: WorkflowInstanceQuerySet = WorkflowInstance.objects.owned_by(user)
    return rows.filter(realm__startswith=_prefix(user))


def find(request: HttpRequest, instance_id: str, action: str) -> WorkflowInstance:
    """An instance with which the user may do that, made on this page; for anything else there is no such page."""
    instance = WorkflowInstance.objects.filter(pk=instance_id).first()
    # The same answer for what is not there and what is not theirs: ids of others cannot be guessed at.
    if instance is None or not may(request.user, action, instance):
        raise Http404("There is no such instance.")
    return instance


def may(user: Any, action: str, instance: WorkflowInstance) -> bool:
    """What ``authorize`` says of instances in the user's own realms; their owner may destroy them too."""
    if not instance.realm.startswith(_prefix(user)):
        return False
    return authorize(user, action, instance) or (action == "destroy" and instance.owner_id == user.pk)


def may_destroy_realm(user: Any, realm: str) -> bool:
    """Whether everything in a realm is the user's to destroy."""
    everything = WorkflowInstance.objects.in_realm(realm)
    return realm.startswith(_prefix(user)) and not everything.exclude(owner_id=user.pk).exists()


def freshened(instances: list[WorkflowInstance]) -> list[WorkflowInstance]:
    """The rows with what the storage says by now; without those that it no longer has. They follow it by a moment."""
    try:
        headers = jobs.storage.get_instances([instance.id for instance in instances])
    except JobsFlowError:
        return instances
    kept = []
    for instance, header in zip(instances, headers, strict=True):
        if header is not None:
            instance.status = header.status
            kept.append(instance)
    return kept


def _prefix(user: Any) -> str:
    return f"playground-{user.pk}-"
