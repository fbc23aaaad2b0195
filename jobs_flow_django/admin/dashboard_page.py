"""The dashboard as its template shows it, as far as the reader may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs_flow_django.admin import dashboard
from jobs_flow_django.admin.base import InstanceAdmin
from jobs_flow_django.admin.dashboard import Dashboard
from jobs_flow_django.admin.formats import duration_text, printable, time_tag
from jobs_flow_django.index import from_milliseconds
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize

REASONS = {
    "timer": gettext_lazy("Its time has come (a lease, a retry, a time-out), and no worker sees to it."),
    "waiting": gettext_lazy("Its tasks are queued, and no worker takes them."),
    "halted": gettext_lazy("It is at work, but nothing of it is queued or runs."),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour in the chart: positions in percent of the width and of the height."""

    x: str
    label: str
    done: int
    failed: int
    cancelled: int
    #: (class, y, height) from the bottom up.
    parts: list[tuple[str, str, str]]
    #: Whether its label has room below the chart.
    labelled: bool


@dataclass
class DashboardPage:
    """See above."""

    board: Dashboard
    realm: str
    user: Any
    admin: InstanceAdmin

    @classmethod
    def read(cls, user: Any, realm: str, admin: InstanceAdmin) -> DashboardPage:
        """The page for a user who may see instances in general."""
        return cls(dashboard.read(realm), realm, user, admin)

    def _list(self, **query: str) -> str:
        chosen = {**query, **({"realm": self.realm} if self.realm else {})}
        return f"{self.admin.address('changelist')}?{urlencode(chosen)}"

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The numbers at the top: what each is of, the number, what there is to say, a link, how it looks."""
        board = self.board
        more = "+" if board.more_ended else ""
        success = "–" if board.success is None else _("%s %%") % formats.number_format(100 * board.success, 1)
        working = f"{board.working}{'+' if board.more_working else ''}"
        failed = f"{board.failures}{more}"
        at_work, of_failed = self._list(status__exact="working"), self._list(status__exact="failed")
        return [
            _figure(_("At work"), working, _("%d with a task that runs") % board.running, at_work, "working"),
            _figure(_("Waiting for a worker"), board.waiting, _("%d paused") % board.paused, at_work, "queued"),
            _figure(_("Stuck"), len(board.stuck), "", "#jf-stuck", "failed" if board.stuck else "ok"),
            _figure(_("Failed"), failed, "", of_failed, "failed" if board.failures else "ok"),
            _figure(_("Done"), f"{board.done}{more}", "", self._list(status__exact="done"), "ok"),
            _figure(_("Success"), success, _("of those that were done or failed"), "", "ok"),
        ]

    @cached_property
    def bars(self) -> list[Bar]:
        """The chart of runs by hours."""
        hours = self.board.hours
        highest = max((hour.total for hour in hours), default=0) or 1
        width = 100 / max(1, len(hours))
        bars = []
        for number, hour in enumerate(hours):
            parts, top = [], 100.0
            for kind, count in (("ok", hour.done), ("cancelled", hour.cancelled), ("failed", hour.failed)):
                if count:
                    height = max(1.5, 96 * count / highest)
                    top -= height
                    parts.append((kind, f"{top:.2f}%", f"{height:.2f}%"))
            local = timezone.localtime(hour.start) if timezone.is_aware(hour.start) else hour.start
            label = formats.date_format(local, "H:i")
            counts = (hour.done, hour.failed, hour.cancelled)
            bars.append(Bar(f"{number * width:.2f}%", label, *counts, parts, local.hour % 6 == 0))
        return bars

    @property
    def highest(self) -> int:
        """The most runs of an hour."""
        return max((hour.total for hour in self.board.hours), default=0)

    @property
    def bar_width(self) -> str:
        """Of each, with a gap."""
        return f"{85 / max(1, len(self.board.hours)):.2f}%"

    @property
    def durations(self) -> list[dict[str, Any]]:
        """Runs by workflow."""
        return [
            {
                "workflow": printable(each.workflow),
                "link": self._list(workflow=each.workflow),
                "ended": each.ended,
                "failed": each.failed,
                "p50": duration_text(each.p50) or "–",
                "p95": duration_text(each.p95) or "–",
            }
            for each in self.board.durations
        ]

    @cached_property
    def _rows(self) -> Mapping[str, WorkflowInstance]:
        """The instances that lists name, of those that the reader may see."""
        board = self.board
        stuck = [each.instance_id for each in board.stuck[: dashboard.SHOWN]]
        ids = {*stuck, *board.failed, *(task.instance_id for task in board.slow)}
        rows = WorkflowInstance.objects.without_payload().select_related("owner").filter(pk__in=ids)
        return {row.pk: row for row in rows if authorize(self.user, "view", row)}

    @property
    def stuck(self) -> list[dict[str, Any]]:
        """Instances that nothing moves, the quietest first."""
        return [
            {**named, "reason": REASONS[each.reason], "quiet": duration_text(each.quiet // 1000 * 1000)}
            for each in self.board.stuck[: dashboard.SHOWN]
            if (named := self._named(each.instance_id))
        ]

    @property
    def more_stuck(self) -> int:
        """How many are not listed."""
        return max(0, len(self.board.stuck) - dashboard.SHOWN)

    @property
    def quiet(self) -> str:
        """How long a silence makes an instance suspicious."""
        return duration_text(self.board.quiet) if self.board.quiet else ""

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The latest failures."""
        found = []
        for each in self.board.failed:
            if named := self._named(each):
                row = self._rows[each]
                error = row.error or {}
                named["code"] = printable(error.get("code") or "")
                named["path"] = printable(error.get("path") or "")
                named["when"] = time_tag(row.finished_at, brief=True)
                found.append(named)
        return found

    @property
    def slow(self) -> list[dict[str, Any]]:
        """The tasks that took longest in the runs that were looked at."""
        return [
            {
                "workflow": printable(task.workflow),
                "path": printable(task.path),
                "link": f"{self.admin.page_of(row, task.path)}#jf-task",
                "median": duration_text(task.median),
                "longest": duration_text(task.longest),
                "runs": task.runs,
            }
            for task in self.board.slow
            if (row := self._rows.get(task.instance_id))
        ]

    @property
    def lanes(self) -> list[dict[str, Any]]:
        """Queues in which tasks wait."""
        now = self.board.now
        return [
            {
                "name": printable(lane.name),
                "length": lane.length,
                "oldest": duration_text(max(0, now - lane.oldest) // 1000 * 1000) if lane.oldest is not None else "",
            }
            for lane in self.board.lanes
        ]

    @property
    def workers(self) -> list[dict[str, Any]]:
        """Workers that were seen lately."""
        return [
            {
                "name": printable(each.name),
                "seen": time_tag(from_milliseconds(each.last), brief=True),
                "running": each.running,
            }
            for each in self.board.workers
        ]

    def _named(self, instance_id: str) -> dict[str, Any] | None:
        row = self._rows.get(instance_id)
        if row is None:
            return None
        return {"name": printable(row), "id": row.pk, "link": self.admin.page_of(row), "workflow": row.workflow}


def _figure(label: str, value: object, note: str, link: str, kind: str) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "link": link, "kind": kind}
