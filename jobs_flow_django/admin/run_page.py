"""What the page of one instance shows, read from the row and the storage, as far as the reader may see it.

Everything that came from users (data, results, arguments, contexts, errors' texts, logs) is left out
here, not in the template, when the reader lacks "view_payload".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.http import QueryDict
from django.urls import get_script_prefix
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows import paths
from jobs_flow.workflows.estimates import Estimates, Remaining
from jobs_flow.workflows.freshness import stale
from jobs_flow.workflows.states import InstanceStatus, TaskStatus
from jobs_flow_django import jobs
from jobs_flow_django.admin.commands import COMMANDS, Command
from jobs_flow_django.admin.formats import left_text, percent, pretty_json, printable, time_tag, timedelta_text
from jobs_flow_django.admin.pictures import graph
from jobs_flow_django.admin.task_detail import TaskDetail
from jobs_flow_django.admin.task_rows import TaskTable, ordered
from jobs_flow_django.conf import get_settings
from jobs_flow_django.index import mirrored
from jobs_flow_django.models import Status, WorkflowInstance
from jobs_flow_django.permissions import authorize

#: The ways to look at the tasks.
VIEWS = ("tree", "graph")


@dataclass
class RunPage:
    """One instance, for the template."""

    row: WorkflowInstance
    can_view_payload: bool
    #: Names of the commands that the reader may give for this instance.
    allowed: Collection[str] = ()
    snapshot: Snapshot | None = None
    #: Why there is no snapshot.
    problem: str = ""
    detail: TaskDetail | None = None
    selected: str | None = None
    expanded: Collection[str] = field(default_factory=frozenset)
    view: str = VIEWS[0]
    #: The address of the page, without parameters.
    base: str = ""
    #: Epoch milliseconds, on the storage's clock where it was asked.
    now: int = 0

    @classmethod
    def read(cls, row: WorkflowInstance, user: Any, query: QueryDict, base: str = "") -> RunPage:
        """The page of ``row`` as ``user`` may see it; never raises for what the storage does or lacks."""
        may = {action: authorize(user, action, row) for action in {a for c in COMMANDS.values() for a in c.actions()}}
        allowed = [name for name, command in COMMANDS.items() if all(may[action] for action in command.actions())]
        page = cls(row, authorize(user, "view_payload", row), allowed, base=base)
        try:
            page.snapshot = jobs.storage.snapshot(row.pk)
            page.now = jobs.storage.now()
        except JobsFlowError as error:
            page.problem = printable(error.message)
            return page
        if page.snapshot is None:
            page.problem = _("The storage %(storage)s has no records of this instance.") % {
                "storage": jobs.storage.label
            }
            return page
        for name, value in mirrored(page.snapshot.instance).items():
            setattr(row, name, value)
        page.expanded = frozenset(query.getlist("expand"))
        if (view := query.get("view", "")) in VIEWS:
            page.view = view
        if path := query.get("task"):
            page._select(path)
        return page

    def _select(self, path: str) -> None:
        assert self.snapshot is not None
        if path in self.snapshot.tasks:
            self.selected = path
            stale = self.stale.get(path)
            self.detail = TaskDetail.read(self.snapshot, path, payload=self.can_view_payload, stale=stale)
        else:
            self.detail = TaskDetail(path, problem=_("This instance has no such task."))

    # -- header ------------------------------------------------------------------------------

    @property
    def percent(self) -> int:
        """Share of ended tasks."""
        return percent(self.row.progress)

    @property
    def socket(self) -> str:
        """Where to hear of what changes; "" where there is nothing to listen to, or no way."""
        if self.snapshot is None or not apps.is_installed("channels"):
            return ""
        return get_script_prefix() + get_settings().WEBSOCKET_PATH

    @property
    def seq(self) -> int:
        """Up to which event of the instance the page tells."""
        return 0 if self.snapshot is None else self.snapshot.seq

    @property
    def working(self) -> bool:
        """Whether a run is going on."""
        return self.snapshot is not None and self.row.status == Status.WORKING

    @property
    def labels(self) -> dict[str, str]:
        """What the statuses of an instance are called."""
        return {value: str(label) for value, label in Status.choices}

    @property
    def commands(self) -> list[Command]:
        """What can be done with it now and by this reader; without records, it can only be destroyed."""
        if self.snapshot is None:
            return [COMMANDS["destroy"]] if "destroy" in self.allowed else []
        header = self.snapshot.instance
        return [
            command
            for name, command in COMMANDS.items()
            if name in self.allowed and not command.of_task and command.applies(header)
        ]

    @property
    def task_commands(self) -> list[Command]:
        """The same for the selected task."""
        if self.detail is None or not self.detail.status:
            return []
        going = self.detail.status in (TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.INACTIVE)
        done = self.detail.status != TaskStatus.INACTIVE
        given = {command.name for command in self.commands}
        fits = {
            "run": "run" in given,
            # Also of a run that ended well: from a task on it can be run again.
            "resume": done and not self.working,
            "cancel": "cancel" in given and going,
            "reset": "reset" in given and done,
            "updaters": self.detail.status == TaskStatus.OK,
        }
        return [COMMANDS[name] for name, fit in fits.items() if fit and name in self.allowed]

    @cached_property
    def estimates(self) -> Estimates:
        """How long the workflow's tasks took before; nothing while no run is going on."""
        if self.snapshot is None or not self.working:
            return Estimates()
        try:
            return jobs.get_estimates(self.row.workflow)
        except JobsFlowError:
            return Estimates()

    @cached_property
    def remaining(self) -> Remaining | None:
        """How long the run will go on, if that can be told."""
        if self.snapshot is None or not self.working:
            return None
        try:
            return jobs.remaining_of(self.snapshot, self.now)
        except JobsFlowError:
            return None

    @property
    def left(self) -> str:
        """The same in words."""
        return left_text(self.remaining)

    @property
    def states(self) -> list[tuple[str, str]]:
        """Badges beside the status: a class, and what it says."""
        if self.snapshot is None:
            return []
        header = self.snapshot.instance
        working = header.status == InstanceStatus.WORKING
        undo = {
            "wanted": ("warning", _("will be undone")),
            "running": ("warning", _("undoing")),
            "done": ("inactive", _("undone")),
            "failed": ("failed", _("could not be undone")),
        }
        shown = [
            ("queued", _("paused")) if header.paused else None,
            ("warning", _("cancelling")) if working and paths.ROOT in header.cancelled else None,
            ("warning", _("cancelling in part"))
            if working and header.cancelled and paths.ROOT not in header.cancelled
            else None,
            undo.get(header.undo or ""),
        ]
        return [badge for badge in shown if badge is not None]

    @cached_property
    def stale(self) -> Mapping[str, str]:
        """Tasks whose results rest on one that was executed later, which it names."""
        if self.snapshot is None:
            return {}
        times = {path: view.get("executionTime") for path, view in self.snapshot.tasks.items()}
        try:
            return stale(jobs.runtime.any_plan(self.snapshot.instance), times)
        except JobsFlowError:
            return {}

    @property
    def facts(self) -> list[tuple[str, SafeString | str]]:
        """Labels and values of the header."""
        row = self.row
        times = [
            (_("Created"), time_tag(row.created_at)),
            (_("Started"), time_tag(row.started_at)),
            (_("Finished"), time_tag(row.finished_at)),
            (_("Took"), timedelta_text(row.duration)),
        ]
        shown: list[tuple[str, SafeString | str]] = [
            (_("Workflow"), format_html("<bdi>{}</bdi>", row.workflow)),
            (_("Run"), self._run_text),
            *times,
            (_("Realm"), format_html("<bdi>{}</bdi>", row.realm) if row.realm else ""),
            (_("Owner"), format_html("<bdi>{}</bdi>", printable(row.owner)) if row.owner else ""),
            (_("Ephemeral"), _("yes: removed when its run is over") if row.ephemeral else ""),
            (_("Key"), format_html("<bdi>{}</bdi>", printable(row.key)) if row.key else ""),
            (_("Id"), format_html("<code>{}</code>", row.pk)),
        ]
        return [(label, value) for label, value in shown if value]

    @property
    def _run_text(self) -> str:
        # A start that could not be published counts, and yet nothing of it was executed.
        if self.row.run and self.row.status == Status.INACTIVE and self.row.error:
            return _("%d, not started") % self.row.run
        return str(self.row.run) if self.row.run else ""

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Statuses that tasks have, and how many."""
        return [] if self.snapshot is None else ordered(self.snapshot.instance.counts)

    @property
    def error(self) -> Mapping[str, Any] | None:
        """What went wrong: ``code``, ``path`` and its ``link``, and the ``message`` to those who may read it."""
        error = self.row.error or (self._left_over if self.row.status == Status.FAILED else None)
        if not error:
            return None
        path = printable(error.get("path") or "")
        return {
            "code": printable(error.get("code") or ""),
            "path": path,
            "link": self._link(task=path) if path else "",
            "message": printable(error.get("message") or "") if self.can_view_payload else "",
        }

    @property
    def _left_over(self) -> Mapping[str, Any] | None:
        """The failure of an earlier run, for which the instance is failed still after one of other tasks went well."""
        for path, view in self.snapshot.tasks.items() if self.snapshot else ():
            if view["status"] == TaskStatus.FAILED:
                return {**(view.get("error") or {}), "path": path}
        return None

    @property
    def data(self) -> str:
        """What the instance was created with, as JSON text."""
        return pretty_json(self.row.data) if self.can_view_payload and self.row.data is not None else ""

    @property
    def context(self) -> str:
        """The base context, as JSON text."""
        return pretty_json(self.row.base_context) if self.can_view_payload and self.row.base_context else ""

    # -- tasks -------------------------------------------------------------------------------

    @cached_property
    def table(self) -> TaskTable | None:
        """The lines of the task table."""
        if self.snapshot is None:
            return None
        return TaskTable(
            self.snapshot,
            self.can_view_payload,
            self.now,
            self._link,
            selected=self.selected,
            expanded=self.expanded,
            stale=self.stale,
            usual=self.estimates.tasks,
        )

    @cached_property
    def graph(self) -> SafeString | str:
        """The tasks as a picture, coloured by their statuses; "" when it is not asked for."""
        if self.snapshot is None or self.view != "graph":
            return ""
        return graph(self.snapshot, printable(self.row), lambda path: self.base + self._link(task=path) + "#jf-task")

    @property
    def views(self) -> list[tuple[str, str, bool]]:
        """The ways to look at the tasks: label, link, and whether it is the present one."""
        labels = {"tree": _("Tree"), "graph": _("Graph")}
        return [(label, self._link(task=self.selected, view=name), name == self.view) for name, label in labels.items()]

    def _link(self, *, task: str | None, expand: Collection[str] | None = None, view: str | None = None) -> str:
        query = QueryDict(mutable=True)
        if task:
            query["task"] = task
        if (view or self.view) != VIEWS[0]:
            query["view"] = view or self.view
        query.setlist("expand", sorted(self.expanded if expand is None else expand))
        return f"?{query.urlencode()}"
