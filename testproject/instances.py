"""What the pages share: an instance that the user may see, and the area of a page that shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from jobs_flow.errors import JobsFlowError
from jobs_flow.workflows.states import FINISHED, InstanceStatus
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize

#: Sent by the page's own script: it wants the area alone, not a whole page.
FRAGMENT_HEADER = "X-Fragment"


@dataclass(frozen=True)
class Run:
    """An instance as a page shows it."""

    instance: WorkflowInstance
    #: ``working``, ``done`` …; ``refused`` for one that could not be started.
    status: str
    #: ``{"message", "path"?, …}`` of a failed or refused one.
    error: dict[str, Any] | None = None
    #: What the last task of a finished one gave.
    result: Any = None
    #: Task views by path, of a finished one.
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def result_text(self) -> str:
        """The result as JSON for people."""
        return json.dumps(self.result, indent=2, ensure_ascii=False)


def is_fragment(request: HttpRequest) -> bool:
    """Whether only the area of the page was asked for."""
    return FRAGMENT_HEADER in request.headers


def find(request: HttpRequest, instance_id: str, *workflows: str) -> WorkflowInstance:
    """The instance of one of the workflows, for a user who may see its results; else there is no such page."""
    instance: WorkflowInstance | None = WorkflowInstance.objects.filter(pk=instance_id, workflow__in=workflows).first()
    # The same answer for what is not there and what is not theirs: ids of others cannot be guessed at.
    if instance is None or not authorize(request.user, "view_payload", instance):
        raise Http404("There is no such instance.")
    return instance


def load(instance: WorkflowInstance) -> Run:
    """The instance with what the storage knows of it; the row alone may be a moment behind."""
    try:
        found = jobs.snapshot(instance.id)
        header = found.instance
        if header.status == InstanceStatus.INACTIVE and header.error:
            return Run(instance, "refused", header.error)
        if header.status not in FINISHED:
            return Run(instance, header.status)
        result = jobs.get_result(instance.id) if header.status == InstanceStatus.DONE else None
    except JobsFlowError as error:
        # Removed from the storage, or the storage is away: the page says which.
        return Run(instance, "refused", {"code": error.code, "message": error.message})
    return Run(instance, header.status, header.error, result, found.tasks)


def latest(user: Any, *workflows: str, limit: int = 8) -> list[WorkflowInstance]:
    """The user's instances, newest first.

    A row follows its instance by a moment: a page that has just seen the end must not list it as working.
    """
    found = list(WorkflowInstance.objects.owned_by(user).filter(workflow__in=workflows).without_payload()[:limit])
    going = [instance for instance in found if not instance.is_finished]
    try:
        headers = jobs.storage.get_instances([instance.id for instance in going])
    except JobsFlowError:
        return found
    for instance, header in zip(going, headers, strict=True):
        if header is not None:
            instance.status = header.status
    return found


def start(request: HttpRequest, workflow: str, data: Any, *, name: str) -> str:
    """A new instance of the user's, started; its id."""
    return jobs.create_workflow_instance(workflow, data, name=name, realm="demo", owner=request.user, execute=True)


def answer_start(
    request: HttpRequest,
    begin: Callable[[], str],
    *,
    address: Callable[[str], str],
    area: Callable[[str], HttpResponse],
) -> HttpResponse:
    """Start an instance and show it: the area alone, or the page of the instance.

    What could not be made says why, in the same place.
    """
    try:
        instance_id = begin()
    except JobsFlowError as error:
        template = "_refused.html" if is_fragment(request) else "refused.html"
        wire = {"code": error.code, "message": error.message}
        return render(request, template, {"error": wire}, status=503)
    if not is_fragment(request):
        return redirect(address(instance_id))
    response = area(instance_id)
    response.headers["X-Address"] = address(instance_id)
    return response
