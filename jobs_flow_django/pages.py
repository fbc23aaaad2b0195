"""What template tags put into a page beside an element: who may do what, and the state as of now as plain HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from jobs_flow.errors import JobsFlowError
from jobs_flow.workflows.states import ENDED, TaskStatus
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.models.instance import Status
from jobs_flow_django.permissions import authorize

#: Commands of <jobs-flow-run> -> what ``authorize`` is asked for each of them.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "run": ("execute",),
    "resume": ("resume",),
    "pause": ("cancel", "resume"),  # the same button takes it back
    "cancel": ("cancel",),
    "reset": ("execute",),
    "destroy": ("destroy",),
    "task": ("execute",),
    "update": ("update",),
}
#: Tasks that a page lists without its script.
LISTED = 200

_LABELS: Mapping[str, Any] = {
    TaskStatus.INACTIVE: gettext_lazy("Waiting"),
    TaskStatus.QUEUED: gettext_lazy("Queued"),
    TaskStatus.RUNNING: gettext_lazy("Running"),
    TaskStatus.OK: gettext_lazy("Done"),
    TaskStatus.SKIPPED: gettext_lazy("Skipped"),
    TaskStatus.FAILED: gettext_lazy("Failed"),
    TaskStatus.CANCELLED: gettext_lazy("Cancelled"),
}


@dataclass(frozen=True, slots=True)
class Now:
    """An instance as of now, in words; what its reader may not see is empty."""

    name: str
    status: str
    ended: int
    total: int
    error: str
    #: Nested lists.
    tasks: SafeString
    #: Tasks that are not listed, because there are too many.
    left_out: int


def find(instance: WorkflowInstance | str) -> WorkflowInstance | None:
    """The instance, or that with the id."""
    if isinstance(instance, WorkflowInstance):
        return instance
    found: WorkflowInstance | None = WorkflowInstance.objects.without_payload().filter(pk=instance).first()
    return found


def commands_of(user: Any, instance: WorkflowInstance | None) -> str:
    """The commands that ``user`` may give, as the element's attribute has them; "none" where there is none."""
    if user is None or instance is None:
        return "none"
    asked = {action for actions in COMMANDS.values() for action in actions}
    allowed = {action for action in asked if authorize(user, action, instance)}
    return " ".join(name for name, actions in COMMANDS.items() if allowed.issuperset(actions)) or "none"


def now_of(user: Any, instance: WorkflowInstance | None) -> Now | None:
    """The state of ``instance``; None for who may not see it, or where the storage does not give it."""
    if user is None or instance is None or not authorize(user, "view", instance):
        return None
    try:
        snapshot = jobs.snapshot(instance.pk)
    except JobsFlowError:
        return None
    header, tasks = snapshot.instance, snapshot.tasks
    error = header.error or {}
    payload = bool(error) and authorize(user, "view_payload", instance)
    lines = _Lines(tasks)
    listed = lines.of(snapshot.tree)
    return Now(
        name=header.name or header.workflow,
        status=str(Status(header.status).label),
        ended=sum(view["status"] in ENDED for view in tasks.values()),
        total=len(tasks),
        error=str((error.get("message") if payload else None) or error.get("type") or error.get("code") or ""),
        tasks=listed,
        left_out=max(0, len(tasks) - LISTED),
    )


class _Lines:
    """Tasks as nested lists, up to ``LISTED`` of them in pre-order."""

    def __init__(self, tasks: Mapping[str, Mapping[str, Any]]) -> None:
        self._tasks = tasks
        self._left = LISTED

    def of(self, nodes: Sequence[Mapping[str, Any]]) -> SafeString:
        items = []
        for node in nodes:
            if self._left <= 0:
                break
            self._left -= 1
            view = self._tasks.get(node["path"]) or {}
            status = view.get("status", TaskStatus.INACTIVE)
            items.append((node["name"], _LABELS.get(status, status), self.of(node["children"])))
        if not items:
            return SafeString("")
        listed = format_html_join("", '<li><bdi dir="auto">{}</bdi>: {}{}</li>', items)
        return format_html("<ul>{}</ul>", listed)
