"""What the page of one instance shows, read from the row and the storage, as far as the reader may see it.

Everything that came from users (data, results, arguments, contexts, errors' texts, logs) is left out
here, not in the template, when the reader lacks "view_payload".
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows import paths
from jobs_flow.workflows.freshness import stale
from jobs_flow.workflows.states import InstanceStatus, TaskStatus
from jobs_flow_django import jobs
from jobs_flow_django.admin.commands import COMMANDS, Command
from jobs_flow_django.admin.formats import duration_text, percent, pretty_json, printable, time_tag, timedelta_text
from jobs_flow_django.admin.task_detail import TaskDetail, again_text
from jobs_flow_django.admin.timeline import Span, Timeline, waited
from jobs_flow_django.admin.tree import Fold, TaskNode, walk
from jobs_flow_django.index import from_milliseconds, mirrored
from jobs_flow_django.models import Status, WorkflowInstance
from jobs_flow_django.permissions import authorize

#: Deeper levels are indented no further.
DEEPEST = 8


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line of the task table."""

    path: str
    name: str
    description: str
    depth: int
    status: str
    selected: bool
    link: str
    spans: list[Span]
    times: str
    took: str
    note: str
    #: What is unusual about it, in a word or two each.
    marks: list[str] = field(default_factory=list)
    is_fold: bool = False


@dataclass(frozen=True, slots=True)
class FoldRow:
    """The line that stands for hidden siblings."""

    depth: int
    count: int
    statuses: list[tuple[str, int]]
    link: str
    is_fold: bool = True


@dataclass
class RunPage:
    """One instance, for the template."""

    row: WorkflowInstance
    can_execute: bool
    can_view_payload: bool
    #: Names of the commands that the reader may give for this instance.
    allowed: Collection[str] = ()
    snapshot: Snapshot | None = None
    #: Why there is no snapshot.
    problem: str = ""
    detail: TaskDetail | None = None
    selected: str | None = None
    expanded: Collection[str] = field(default_factory=frozenset)

    @classmethod
    def read(cls, row: WorkflowInstance, user: Any, query: QueryDict) -> RunPage:
        """The page of ``row`` as ``user`` may see it; never raises for what the storage does or lacks."""
        allowed = [name for name, command in COMMANDS.items() if authorize(user, command.action, row)]
        page = cls(row, authorize(user, "execute", row), authorize(user, "view_payload", row), allowed)
        try:
            page.snapshot = jobs.storage.snapshot(row.pk)
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
    def live(self) -> bool:
        """Whether there is something to watch, and a way to."""
        return self.snapshot is not None and self.row.status == Status.WORKING and apps.is_installed("channels")

    @property
    def may_start(self) -> bool:
        """Whether buttons that start something make sense now."""
        return self.can_execute and self.snapshot is not None and self.row.status != Status.WORKING

    @property
    def commands(self) -> list[Command]:
        """What can be done with it now and by this reader; without records, it can only be destroyed."""
        if self.snapshot is None:
            return [COMMANDS["destroy"]] if "destroy" in self.allowed else []
        header = self.snapshot.instance
        return [command for name, command in COMMANDS.items() if name in self.allowed and command.applies(header)]

    @property
    def task_commands(self) -> list[tuple[Command, str]]:
        """The same for the selected task, each with what it is called there."""
        if self.detail is None or not self.detail.status:
            return []
        labels = {"resume": _("Resume from here"), "cancel": _("Cancel from here"), "reset": _("Reset from here")}
        going = self.detail.status in (TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.INACTIVE)
        done = self.detail.status != TaskStatus.INACTIVE
        fits = {"resume": self.may_start and done, "cancel": going, "reset": done}
        given = {command.name for command in self.commands} | ({"resume"} if "resume" in self.allowed else set())
        return [(COMMANDS[name], label) for name, label in labels.items() if name in given and fits[name]]

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
            (_("Run"), str(row.run) if row.run else ""),
            *times,
            (_("Realm"), format_html("<bdi>{}</bdi>", row.realm) if row.realm else ""),
            (_("Owner"), format_html("<bdi>{}</bdi>", printable(row.owner)) if row.owner else ""),
            (_("Ephemeral"), _("yes: removed when its run is over") if row.ephemeral else ""),
            (_("Key"), format_html("<bdi>{}</bdi>", printable(row.key)) if row.key else ""),
            (_("Id"), format_html("<code>{}</code>", row.pk)),
        ]
        return [(label, value) for label, value in shown if value]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Statuses that tasks have, and how many."""
        return [] if self.snapshot is None else _ordered(self.snapshot.instance.counts)

    @property
    def error(self) -> Mapping[str, Any] | None:
        """What went wrong: ``code``, ``path`` and its ``link``, and the ``message`` to those who may read it."""
        error = self.row.error
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
    def data(self) -> str:
        """What the instance was created with, as JSON text."""
        return pretty_json(self.row.data) if self.can_view_payload and self.row.data is not None else ""

    @property
    def context(self) -> str:
        """The base context, as JSON text."""
        return pretty_json(self.row.base_context) if self.can_view_payload and self.row.base_context else ""

    # -- tasks -------------------------------------------------------------------------------

    @cached_property
    def timeline(self) -> Timeline | None:
        """The axis of the latest run."""
        if self.snapshot is None:
            return None
        working = self.row.status == Status.WORKING
        now = time.time_ns() // 1_000_000 if working else None
        return Timeline.of(self.snapshot.instance.run, self.snapshot.tasks.values(), now)

    @cached_property
    def rows(self) -> list[TaskRow | FoldRow]:
        """The lines of the task table."""
        if self.snapshot is None:
            return []
        nodes = walk(self.snapshot.tree, self.snapshot.tasks, expanded=self.expanded, selected=self.selected)
        return [self._fold(node) if isinstance(node, Fold) else self._task(node) for node in nodes]

    def _task(self, node: TaskNode) -> TaskRow:
        view = node.view
        began = from_milliseconds(view.get("executionTime"))
        wait = waited(view)
        times = ", ".join(
            text
            for text in (
                _("waited %s") % duration_text(wait) if wait is not None else "",
                _("ran %s") % duration_text(view["duration"]) if view.get("duration") is not None else "",
            )
            if text
        )
        running = view["status"] == TaskStatus.RUNNING and began is not None
        return TaskRow(
            path=node.path,
            name=printable(node.name),
            description=printable(node.description),
            depth=min(node.depth, DEEPEST),
            status=str(view["status"]),
            selected=node.path == self.selected,
            link=self._link(task=node.path) + "#jf-task",
            spans=self.timeline.spans(view) if self.timeline else [],
            times=times,
            took=duration_text(view.get("duration")) or (_running_for(view) if running else ""),
            note=self._note(view),
            marks=self._marks(node.path, view),
        )

    def _note(self, view: Mapping[str, Any]) -> str:
        """One line on what a task says of itself."""
        error = view.get("error")
        if error:
            message = error.get("message") if self.can_view_payload else ""
            return printable(message or error.get("code") or "")
        if view["status"] == TaskStatus.QUEUED:
            return again_text(view)
        if view["status"] != TaskStatus.RUNNING:
            return ""
        share = "" if view.get("progress") is None else f"{percent(view['progress'])} %"
        text = printable(view.get("progressText") or "") if self.can_view_payload else ""
        return " · ".join(filter(None, (share, text)))

    def _marks(self, path: str, view: Mapping[str, Any]) -> list[str]:
        retries, losses = view.get("retries") or 0, view.get("losses") or 0
        undo = {"queued": _("to be undone"), "running": _("undoing"), "ok": _("undone"), "failed": _("not undone")}
        marks = [
            ngettext("%d retry", "%d retries", retries) % retries if retries else "",
            ngettext("%d lost worker", "%d lost workers", losses) % losses if losses else "",
            undo.get(view.get("undo") or "", ""),
            _("stale") if path in self.stale else "",
        ]
        return [mark for mark in marks if mark]

    def _fold(self, fold: Fold) -> FoldRow:
        link = self._link(task=self.selected, expand={*self.expanded, fold.parent}) if fold.expandable else ""
        return FoldRow(min(fold.depth, DEEPEST), fold.count, _ordered(fold.statuses), link)

    def _link(self, *, task: str | None, expand: Collection[str] | None = None) -> str:
        query = QueryDict(mutable=True)
        if task:
            query["task"] = task
        query.setlist("expand", sorted(self.expanded if expand is None else expand))
        return f"?{query.urlencode()}"


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The statuses that occur, in the order a task passes them."""
    return [(status.value, count) for status in TaskStatus if (count := counts.get(status.value, 0))]


def _running_for(view: Mapping[str, Any]) -> str:
    elapsed = timedelta(milliseconds=max(0, time.time_ns() // 1_000_000 - view["executionTime"]))
    return timedelta_text(elapsed)
