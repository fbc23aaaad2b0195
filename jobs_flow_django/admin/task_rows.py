"""The lines of the task table: where a task stands, when it ran, what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows.estimates import Usual, of_task
from jobs_flow.workflows.states import InstanceStatus, TaskStatus
from jobs_flow_django.admin.formats import duration_text, left_text, percent, printable
from jobs_flow_django.admin.task_detail import again_text
from jobs_flow_django.admin.timeline import Span, Timeline, earlier_attempts, times_text
from jobs_flow_django.admin.tree import Fold, TaskNode, walk

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
    #: Epoch milliseconds since when it has been running; None when it does not.
    since: int | None = None
    #: How long it will go on, in words.
    left: str = ""
    #: The same in milliseconds, where it can be counted down.
    left_ms: int | None = None
    #: What is unusual about it, in a word or two each, and more of it.
    marks: list[tuple[str, str]] = field(default_factory=list)
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
class TaskTable:
    """The lines of one instance, as ``payload`` lets the reader see them.

    ``link``: gives the address of a task, or of the page with one block more shown in full. ``now``: epoch
    milliseconds of the storage's clock.
    """

    snapshot: Snapshot
    payload: bool
    now: int
    link: Callable[..., str]
    selected: str | None = None
    expanded: Collection[str] = ()
    stale: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, Usual] = field(default_factory=dict)

    @cached_property
    def _nodes(self) -> list[TaskNode | Fold]:
        return list(walk(self.snapshot.tree, self.snapshot.tasks, expanded=self.expanded, selected=self.selected))

    @cached_property
    def _attempts(self) -> dict[str, list[dict[str, Any]]]:
        return earlier_attempts(self.snapshot, [node.path for node in self._nodes if isinstance(node, TaskNode)])

    @cached_property
    def timeline(self) -> Timeline | None:
        """The axis of the latest run."""
        header = self.snapshot.instance
        now = self.now if header.status == InstanceStatus.WORKING else None
        return Timeline.of(header.run, self.snapshot.tasks.values(), now, self._attempts)

    @cached_property
    def rows(self) -> list[TaskRow | FoldRow]:
        """All of them."""
        return [self._fold(node) if isinstance(node, Fold) else self._task(node) for node in self._nodes]

    def _task(self, node: TaskNode) -> TaskRow:
        view = node.view
        earlier = self._attempts.get(node.path, [])
        since = view.get("executionTime") if view["status"] == TaskStatus.RUNNING else None
        elapsed = "" if since is None else duration_text(max(0, self.now - since) // 1000 * 1000)
        left = None if since is None else of_task(view, self.usual.get(node.path), self.now)
        return TaskRow(
            path=node.path,
            name=printable(node.name),
            description=printable(node.description),
            depth=min(node.depth, DEEPEST),
            status=str(view["status"]),
            selected=node.path == self.selected,
            link=self.link(task=node.path) + "#jf-task",
            spans=self.timeline.spans(view, earlier) if self.timeline else [],
            times=times_text(view, earlier),
            took=duration_text(view.get("duration")) or elapsed,
            note=self._note(view),
            since=since,
            left=left_text(left),
            left_ms=None if left is None or left.overrun else left.milliseconds,
            marks=self._marks(node.path, view),
        )

    def _note(self, view: Mapping[str, Any]) -> str:
        """One line on what a task says of itself."""
        error = view.get("error")
        if error:
            message = error.get("message") if self.payload else ""
            return printable(message or error.get("code") or "")
        if view["status"] == TaskStatus.QUEUED:
            return again_text(view)
        if view["status"] != TaskStatus.RUNNING:
            return ""
        share = "" if view.get("progress") is None else f"{percent(view['progress'])} %"
        text = printable(view.get("progressText") or "") if self.payload else ""
        return " · ".join(filter(None, (share, text)))

    def _marks(self, path: str, view: Mapping[str, Any]) -> list[tuple[str, str]]:
        retries, losses = view.get("retries") or 0, view.get("losses") or 0
        undo = {"queued": _("to be undone"), "running": _("undoing"), "ok": _("undone"), "failed": _("not undone")}
        # Only a result can be out of date: what has none will be executed again anyhow.
        later = self.stale.get(path) if view["status"] in (TaskStatus.OK, TaskStatus.SKIPPED) else None
        marks = [
            (ngettext("%d retry", "%d retries", retries) % retries if retries else "", ""),
            (ngettext("%d lost worker", "%d lost workers", losses) % losses if losses else "", ""),
            (undo.get(view.get("undo") or "", ""), ""),
            (_("stale"), _("%s was executed after it: run this task again") % printable(later)) if later else ("", ""),
        ]
        return [mark for mark in marks if mark[0]]

    def _fold(self, fold: Fold) -> FoldRow:
        link = self.link(task=self.selected, expand={*self.expanded, fold.parent}) if fold.expandable else ""
        return FoldRow(min(fold.depth, DEEPEST), fold.count, ordered(fold.statuses), link)


def ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The statuses that occur, in the order a task passes them."""
    return [(status.value, count) for status in TaskStatus if (count := counts.get(status.value, 0))]
