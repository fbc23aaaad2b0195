"""When tasks waited and ran, as positions on a common axis: percentages for SVG attributes.

Attributes and not styles, because a strict content security policy allows no inline style.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs_flow_django.admin.formats import duration_text

#: Steps between ticks, in milliseconds.
_STEPS = [
    *(base * 10**power for power in range(4) for base in (1, 2, 5)),
    *(seconds * 1000 for seconds in (10, 15, 30, 60, 120, 300, 600, 900, 1800)),
    *(hours * 3_600_000 for hours in (1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 1200, 2400, 8760)),
]
#: Ticks on an axis, the one at zero not counted; no more than this.
_TICKS = 4
#: Narrower bars would not be seen.
_NARROWEST = 0.4


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    x: str
    label: str


@dataclass(frozen=True, slots=True)
class Span:
    """One bar: ``kind`` is "queued" or the task's status."""

    kind: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The axis of one run, in epoch milliseconds."""

    run: int
    start: int
    end: int

    @classmethod
    def of(cls, run: int, tasks: Iterable[Mapping[str, Any]], now: int | None) -> Timeline | None:
        """The axis that shows all ``tasks`` of ``run``; None when none of them was queued yet.

        ``now``: the present while the run is at work, else None.
        """
        times: list[int] = []
        for task in tasks:
            if task.get("run") == run:
                times += [t for key in ("queuedAt", "executionTime", "finishedAt") if (t := task.get(key)) is not None]
        if not times:
            return None
        return cls(run, min(times), max([*times, min(times) + 1, now or 0]))

    @property
    def ticks(self) -> list[Tick]:
        """Marks at round distances from the start."""
        length = self.end - self.start
        step = next((step for step in _STEPS if length / step <= _TICKS), _STEPS[-1])
        # A label at the very end would have no room.
        marks = range(0, int(length * 0.85) + 1, step)
        return [Tick(self._x(self.start + at), _round_text(at)) for at in marks]

    def spans(self, task: Mapping[str, Any]) -> list[Span]:
        """The bars of one task: how long it was queued, how long it ran. Empty for another run's task."""
        if task.get("run") != self.run:
            return []
        queued, began, ended = task.get("queuedAt"), task.get("executionTime"), task.get("finishedAt")
        bars: list[Span] = []
        if queued is not None:
            until = began or ended or self.end
            if until > queued:
                bars.append(self._span("queued", queued, until))
        if began is not None:
            bars.append(self._span(str(task["status"]), began, ended or self.end))
        return bars

    def _span(self, kind: str, begin: int, end: int) -> Span:
        width = max(_NARROWEST, 100 * (end - begin) / (self.end - self.start))
        left = min(100 * (begin - self.start) / (self.end - self.start), 100 - width)
        return Span(kind, f"{left:.2f}%", f"{width:.2f}%")

    def _x(self, moment: int) -> str:
        return f"{100 * (moment - self.start) / (self.end - self.start):.2f}%"


def _round_text(milliseconds: int) -> str:
    """As ``duration_text``, without parts that are zero."""
    if not milliseconds:
        return "0"
    return duration_text(milliseconds).removesuffix(" 00 s").removesuffix(" 00 min").removesuffix(" 0 h")


def waited(task: Mapping[str, Any]) -> int | None:
    """Milliseconds that a task was queued before it ran."""
    queued, began = task.get("queuedAt"), task.get("executionTime")
    return None if queued is None or began is None else max(0, began - queued)
