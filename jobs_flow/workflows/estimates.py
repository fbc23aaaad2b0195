"""How long what is left of a run will take, judged by how long its tasks took before. Pure.

Root tasks follow each other; after a task its subtasks run side by side, and the block is over when the last of them
is. What is left is the longest way through the blocks. A task that runs is judged by the earlier executions that took
longer than it has run already, so an estimate is never negative, and says when nothing of the kind was seen before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from jobs_flow.workflows import paths
from jobs_flow.workflows.states import TaskStatus

View = Mapping[str, Any]

_STOPPED = (TaskStatus.FAILED, TaskStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Usual:
    """How long one task waited for a worker, and ran, in earlier runs: milliseconds, rising. 0 where it was skipped."""

    waits: tuple[int, ...]
    durations: tuple[int, ...]

    @property
    def wait(self) -> int:
        """The median wait."""
        return round(median(self.waits)) if self.waits else 0

    @property
    def duration(self) -> int:
        """The median duration."""
        return round(median(self.durations))


class Remaining(NamedTuple):
    """What is left, in milliseconds; ``overrun``: it already takes longer than it ever did, so it is a lower bound."""

    milliseconds: int
    overrun: bool = False


@dataclass(frozen=True, slots=True)
class Estimates:
    """What is known of the latest runs of a workflow that ended well."""

    #: How many runs that is.
    runs: int = 0
    #: Median duration of a whole run, in milliseconds; None without any.
    duration: int | None = None
    tasks: Mapping[str, Usual] = field(default_factory=dict)


NOTHING_LEFT = Remaining(0)


def gather(runs: Iterable[Mapping[str, View]], durations: Sequence[int] = ()) -> Estimates:
    """Estimates from the task views by path of some runs, and the durations of whole runs."""
    waits: dict[str, list[int]] = {}
    ran: dict[str, list[int]] = {}
    count = 0
    for tasks in runs:
        count += 1
        for path, view in tasks.items():
            if view["status"] == TaskStatus.SKIPPED:
                waits.setdefault(path, []).append(0)
                ran.setdefault(path, []).append(0)
            elif view["status"] == TaskStatus.OK and view.get("duration") is not None:
                began, queued = view.get("executionTime"), view.get("queuedAt")
                wait = 0 if began is None or queued is None else max(0, began - queued)
                waits.setdefault(path, []).append(wait)
                ran.setdefault(path, []).append(view["duration"])
    usual = {path: Usual(tuple(sorted(waits[path])), tuple(sorted(ran[path]))) for path in ran}
    return Estimates(count, round(median(durations)) if durations else None, usual)


def remaining(
    tree: Sequence[Mapping[str, Any]],
    tasks: Mapping[str, View],
    usual: Mapping[str, Usual],
    *,
    run: int,
    now: int,
    tolerant: Collection[str] = (),
) -> Remaining | None:
    """How long run ``run`` will go on; None when a task is still to come that never ended well before.

    ``tree``: as ``Plan.describe`` gives it; ``tasks``: the present views by path, of which those of other runs do not
    count; ``now``: epoch milliseconds of the storage's clock; ``tolerant``: tasks whose failure lets the flow go on.
    """
    left: int = 0
    overrun = False
    for root in tree:
        block = _pre_order(root)
        found = _of_block(block, tasks, usual, run, now)
        if found is None:
            return None
        left, overrun = left + found.milliseconds, overrun or found.overrun
        if any(_stops(node["path"], tasks, run, tolerant) for node in block):
            break
    return Remaining(left, overrun)


def of_task(view: View, usual: Usual | None, now: int) -> Remaining | None:
    """How long one task that has not ended will take still; None when it never ended well before."""
    if usual is None:
        return None
    began, queued, again = view.get("executionTime"), view.get("queuedAt"), view.get("retryAt")
    if view["status"] == TaskStatus.RUNNING and began is not None:
        return _beyond(usual.durations, now - began)
    if view["status"] != TaskStatus.QUEUED or queued is None:
        return Remaining(usual.wait + usual.duration)
    if again is not None and again > now:
        return Remaining(again - now + usual.wait + usual.duration)
    wait = _beyond(usual.waits, now - max(queued, again or 0))
    return Remaining(wait.milliseconds + usual.duration, wait.overrun)


def _of_block(
    block: Sequence[Mapping[str, Any]], tasks: Mapping[str, View], usual: Mapping[str, Usual], run: int, now: int
) -> Remaining | None:
    """What is left of a root task and all below it."""
    found: dict[str, Remaining | None] = {}
    # From the last to the first, so that what is below a task is known before it.
    for node in reversed(block):
        path = node["path"]
        view = tasks.get(path) or {"status": TaskStatus.INACTIVE}
        own = _own(view, usual.get(path), run, now)
        if view.get("run") == run and view["status"] in (*_STOPPED, TaskStatus.SKIPPED):
            found[path] = NOTHING_LEFT
            continue
        below = [found.pop(child["path"]) for child in node["children"]]
        known = [each for each in below if each is not None]
        if own is None or len(known) != len(below):
            found[path] = None
            continue
        longest = max(known, default=NOTHING_LEFT)
        found[path] = Remaining(own.milliseconds + longest.milliseconds, own.overrun or longest.overrun)
    return found[block[0]["path"]]


def _own(view: View, usual: Usual | None, run: int, now: int) -> Remaining | None:
    """What is left of one task, without those below it."""
    going = view["status"] in (TaskStatus.INACTIVE, TaskStatus.QUEUED, TaskStatus.RUNNING)
    return of_task(view, usual, now) if going and view.get("run") == run else NOTHING_LEFT


def _beyond(earlier: Sequence[int], elapsed: int) -> Remaining:
    """The median of what was left of the earlier ones at this point."""
    longer = [each - elapsed for each in earlier if each >= elapsed]
    return Remaining(round(median(longer))) if longer else Remaining(0, overrun=True)


def _stops(path: str, tasks: Mapping[str, View], run: int, tolerant: Collection[str]) -> bool:
    """Whether the outcome of a task keeps what comes after its block from starting."""
    view = tasks.get(path)
    if view is None or view.get("run") != run or view["status"] not in _STOPPED:
        return False
    return not any(each in tolerant for each in (path, *paths.ancestors(path)))


def _pre_order(root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found, stack = [], [root]
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(reversed(node["children"]))
    return found
