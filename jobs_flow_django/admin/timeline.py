"""When the attempts at tasks waited and ran, as positions on a common axis: percentages for SVG attributes.

Attributes and not styles, because a strict content security policy allows no inline style.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Snapshot
from jobs_flow_django import jobs
from jobs_flow_django.admin.formats import duration_text

#: Steps between ticks, in milliseconds: none is more than two and a half times the one before.
_STEPS = [
    *(base * 10**power for power in range(4) for base in (1, 2, 5)),
    *(seconds * 1000 for seconds in (10, 15, 30, 60, 120, 300, 600, 900, 1800)),
    *(hours * 3_600_000 for hours in (1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 1200, 2400, 4800, 12000)),
]
#: Ticks on an axis, the one at zero not counted: no more than this, and no fewer than two where it has a length.
_TICKS = 6
_FEW = 4
#: Narrower bars would not be seen.
_NARROWEST = 0.4
#: Part of the axis that is kept free after the present.
_AHEAD = 0.03
#: Tasks of which earlier attempts are read for one page: each is a question to the storage.
ATTEMPTED = 25

Task = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    x: str
    label: str
    #: Not labelled where there is little room.
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """One bar: ``kind`` is "queued", or the status of the task or of an earlier attempt at it."""

    kind: str
    x: str
    width: str


@dataclass(frozen=True)
class Timeline:
    """The axis of one run, in epoch milliseconds."""

    run: int
    start: int
    end: int
    #: The present while the run is at work.
    now: int | None = None

    @classmethod
    def of(
        cls, run: int, tasks: Iterable[Task], now: int | None, attempts: Mapping[str, Sequence[Task]] | None = None
    ) -> Timeline | None:
        """The axis that shows all ``tasks`` of ``run`` and earlier attempts at them; None when nothing was queued yet.

        ``now``: the present while the run is at work, else None.
        """
        times: list[int] = []
        for task in [*tasks, *(each for earlier in (attempts or {}).values() for each in earlier)]:
            if task.get("run") == run:
                times += [t for key in ("queuedAt", "executionTime", "finishedAt") if (t := task.get(key)) is not None]
        if not times:
            return None
        start, end = min(times), max([*times, min(times) + 1, now or 0])
        if now is None:
            return cls(run, start, end)
        # A clock that is behind the latest event is not the present.
        return cls(run, start, end + math.ceil((end - start) * _AHEAD), end)

    @cached_property
    def ticks(self) -> list[Tick]:
        """Marks at round distances from the start."""
        length = self.end - self.start
        step = next((step for step in _STEPS if length / step <= _TICKS), _STEPS[-1])
        # A label at the very end would have no room.
        marks = range(0, int(length * 0.92) + 1, step)
        return [Tick(self._x(self.start + at), _round_text(at), bool(n % 2)) for n, at in enumerate(marks)]

    @property
    def roomy(self) -> bool:
        """Whether there are so few ticks that all labels have room unless there is very little."""
        return len(self.ticks) <= _FEW

    @property
    def now_x(self) -> str:
        """Where the present is; "" when the run is over."""
        return "" if self.now is None else self._x(min(self.now, self.end))

    def spans(self, task: Task, earlier: Sequence[Task] = ()) -> list[Span]:
        """The bars of one task: how long each attempt was queued, how long it ran. Empty for another run's task."""
        bars: list[Span] = []
        for each in (*earlier, task):
            if each.get("run") != self.run:
                continue
            queued, began, ended = each.get("queuedAt"), each.get("executionTime"), each.get("finishedAt")
            present = self.end if self.now is None else self.now
            if queued is not None:
                until = began or ended or present
                if until > queued:
                    bars.append(self._span("queued", queued, until))
            if began is not None:
                bars.append(self._span(str(each["status"]), began, ended or max(present, began)))
        return bars

    def _span(self, kind: str, begin: int, end: int) -> Span:
        width = max(_NARROWEST, 100 * (end - begin) / (self.end - self.start))
        left = min(100 * (begin - self.start) / (self.end - self.start), 100 - width)
        return Span(kind, f"{left:.2f}%", f"{width:.2f}%")

    def _x(self, moment: int) -> str:
        return f"{100 * (moment - self.start) / (self.end - self.start):.2f}%"


def earlier_attempts(snapshot: Snapshot, shown: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Of the tasks at ``shown`` that were tried before in the present run: those attempts, of ATTEMPTED tasks at most.

    Empty when the storage is away.
    """
    run = snapshot.instance.run
    tried = [path for path in shown if (view := snapshot.tasks.get(path)) and _was_tried_before(view, run)]
    found: dict[str, list[dict[str, Any]]] = {}
    for path in tried[:ATTEMPTED]:
        try:
            attempts = jobs.storage.get_attempts(snapshot.instance.id, path)
        except JobsFlowError:
            break
        found[path] = [attempt for attempt in attempts if attempt.get("run") == run]
    return found


def _was_tried_before(view: Task, run: int) -> bool:
    again = (view.get("attempt") or 0) > 1 or view.get("retries") or view.get("losses")
    return view.get("run") == run and bool(again)


def times_text(task: Task, earlier: Sequence[Task]) -> str:
    """What the bars say, in words."""
    if not earlier:
        return ", ".join(_parts(task))
    said = []
    for number, each in enumerate((*earlier, task), 1):
        parts = [*_parts(each), str(each["status"]) if each is not task else ""]
        said.append(_("attempt %(number)d: %(what)s") % {"number": number, "what": ", ".join(filter(None, parts))})
    return "; ".join(said)


def _parts(task: Task) -> list[str]:
    wait, ran = waited(task), task.get("duration")
    return [
        *([_("waited %s") % duration_text(wait)] if wait is not None else []),
        *([_("ran %s") % duration_text(ran)] if ran is not None else []),
    ]


def _round_text(milliseconds: int) -> str:
    """As ``duration_text``, without parts that are zero."""
    if not milliseconds:
        return "0"
    return duration_text(milliseconds).removesuffix(" 00 s").removesuffix(" 00 min").removesuffix(" 0 h")


def waited(task: Task) -> int | None:
    """Milliseconds that a task was queued before it ran."""
    queued, began = task.get("queuedAt"), task.get("executionTime")
    return None if queued is None or began is None else max(0, began - queued)
