"""What a picture shows, before it has places: boxes, connections and joins, with wide blocks folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from jobs_flow.workflows import paths
from jobs_flow.workflows.drawing_text import clean, duration, number
from jobs_flow.workflows.states import ENDED, TaskStatus

Tree = Sequence[Mapping[str, Any]]
Views = Mapping[str, Mapping[str, Any]]

#: Boxes in one picture; where there would be more, blocks are folded the harder.
MAX_BOXES = 240
#: Subtasks shown of a block and root tasks shown, from the widest picture to the narrowest.
FOLDS = ((20, 120), (12, 80), (8, 50), (5, 30), (3, 20), (2, 10), (1, 4))

#: What is looked for first in a run; such tasks are shown where others are folded.
_URGENT = {TaskStatus.FAILED: 0, TaskStatus.CANCELLED: 1, TaskStatus.RUNNING: 2, TaskStatus.QUEUED: 3}
_CALM = len(_URGENT)
_STATUSES = frozenset(map(str, TaskStatus))
_TAKEN = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.OK, TaskStatus.FAILED, TaskStatus.SKIPPED})
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,39}\Z")


@dataclass(slots=True)
class Box:
    """A task, or what is folded of a block; ``below`` runs in parallel after it."""

    #: The task's path; of a fold, that of the block it belongs to.
    path: str
    #: The two lines, and all there is to say.
    name: str
    note: str
    whole: str
    #: A task's status; None without task views, and of a fold.
    status: TaskStatus | None = None
    #: 0 to 1, of a running task that says it.
    progress: float | None = None
    folds: bool = False
    #: Whether the run went here, and whether all of it and below it has ended.
    taken: bool = False
    ended: bool = False
    below: list[Box] = field(default_factory=list)
    #: Its place among all boxes.
    index: int = -1

    @property
    def joins(self) -> bool:
        """Whether there is a join after what is below."""
        return len(self.below) > 1


@dataclass(frozen=True, slots=True)
class Point:
    """Where a connection begins or ends: a box, or the join of its block."""

    index: int
    join: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection; ``taken`` once the run went there."""

    source: Point
    target: Point
    taken: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """The boxes of the root sequence, and all boxes in pre-order."""

    roots: list[Box]
    boxes: list[Box]

    def edges(self) -> list[Edge]:
        """From a task to its subtasks, from the ends of a block to its join, from there to what follows."""
        ends: dict[int, Point] = {}
        found: list[Edge] = []
        for box in reversed(self.boxes):
            if box.joins:
                ends[box.index] = Point(box.index, join=True)
                found += (Edge(ends[below.index], ends[box.index], below.ended) for below in reversed(box.below))
            else:
                ends[box.index] = ends[box.below[0].index] if box.below else Point(box.index)
            found += (Edge(Point(box.index), Point(below.index), below.taken) for below in reversed(box.below))
        found.reverse()
        for before, after in pairwise(self.roots):
            found.append(Edge(ends[before.index], Point(after.index), after.taken))
        return found


def shape(tree: Tree, views: Views | None, *, most: int = MAX_BOXES) -> Shape:
    """The shape of a description, and of the run that the views by path tell of; of ``most`` boxes, if that can be."""
    run = None if views is None else _Run(tree, views)
    found = Shape([], [])
    for width, length in FOLDS:
        found = _build(tree, run, width, length)
        if len(found.boxes) <= most:
            break
    return found


def _build(tree: Tree, run: _Run | None, width: int, length: int) -> Shape:
    found = Shape([], [])
    # Not recursive: blocks may be nested to any depth.
    stack: list[tuple[list[Box], Box | Mapping[str, Any]]] = [
        (found.roots, item) for item in _sequence(tree, run, length)
    ]
    stack.reverse()
    while stack:
        into, item = stack.pop()
        if isinstance(item, Box):
            box = item
        else:
            box = _task(item, run)
            shown, hidden = _choose(item["children"], run, width)
            if hidden:
                stack.append((box.below, _fold(item["path"], hidden, run)))
            stack.extend((box.below, child) for child in reversed(shown))
        box.index = len(found.boxes)
        into.append(box)
        found.boxes.append(box)
    return found


def _sequence(tree: Tree, run: _Run | None, length: int) -> Iterator[Box | Mapping[str, Any]]:
    """The root tasks. They follow each other, so what is folded of them stands in its place."""
    shown, _ = _choose(tree, run, length, ends=True)
    kept = {node["path"] for node in shown}
    hidden: list[Mapping[str, Any]] = []
    for node in tree:
        if node["path"] not in kept:
            hidden.append(node)
            continue
        if hidden:
            yield _fold(paths.ROOT, hidden, run)
            hidden = []
        yield node
    if hidden:
        yield _fold(paths.ROOT, hidden, run)


def _choose(
    siblings: Tree, run: _Run | None, room: int, *, ends: bool = False
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The siblings that are shown and those that are not, each in order; with ``ends`` both ends rather than one."""
    if len(siblings) <= room + 1:
        return list(siblings), []

    def rank(position: int) -> tuple[int, int]:
        far = min(position, len(siblings) - 1 - position) if ends else position
        return run.urgency[siblings[position]["path"]] if run else _CALM, far

    chosen = set(sorted(range(len(siblings)), key=rank)[:room])
    shown = [node for position, node in enumerate(siblings) if position in chosen]
    return shown, [node for position, node in enumerate(siblings) if position not in chosen]


class _Run:
    """What the task views say of the tasks of a description."""

    def __init__(self, tree: Tree, views: Views) -> None:
        self._views = views
        #: By path, how urgent the most urgent of a task and all below it is; and whether all of them have ended.
        self.urgency: dict[str, int] = {}
        self.ended: dict[str, bool] = {}
        order: list[Mapping[str, Any]] = []
        stack = list(tree)
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(node["children"])
        for node in reversed(order):
            path, below = node["path"], [child["path"] for child in node["children"]]
            status = self.status(path)
            self.urgency[path] = min([_URGENT.get(status, _CALM), *(self.urgency[child] for child in below)])
            self.ended[path] = status in ENDED and all(self.ended[child] for child in below)

    def view(self, path: str) -> Mapping[str, Any]:
        """The view of a task; empty where none was given."""
        return self._views.get(path, {})

    def status(self, path: str) -> TaskStatus:
        """The status of a task, as far as it is one."""
        found = str(self.view(path).get("status"))
        return TaskStatus(found) if found in _STATUSES else TaskStatus.INACTIVE

    def taken(self, path: str) -> bool:
        """Whether the run went to a task."""
        status = self.status(path)
        # Cancelled before it could run, or while it ran.
        return status in _TAKEN or (status == TaskStatus.CANCELLED and self.view(path).get("executionTime") is not None)


def _task(node: Mapping[str, Any], run: _Run | None) -> Box:
    path, name, description = node["path"], clean(node["name"]), clean(node.get("description") or "")
    whole = [clean(path), description]
    if run is None:
        return Box(path, name, description, "\n".join(filter(None, whole)))
    status, view = run.status(path), run.view(path)
    said = _said(status, view)
    whole.insert(1, said)
    note = description if status == TaskStatus.INACTIVE and description else said
    return Box(
        path,
        name,
        note,
        "\n".join(filter(None, whole)),
        status,
        progress=_progress(view) if status == TaskStatus.RUNNING else None,
        taken=run.taken(path),
        ended=run.ended[path],
    )


def _said(status: TaskStatus, view: Mapping[str, Any]) -> str:
    """A status with what belongs to it: ``failed · TIMEOUT · 3 s``. No message of an error: that may hold data."""
    parts = [str(status)]
    if status == TaskStatus.RUNNING and (progress := _progress(view)) is not None:
        # Not 100 % before it is.
        parts.append(f"{int(progress * 100)}\xa0%")
    code = (view.get("error") or {}).get("code")
    if status == TaskStatus.FAILED and isinstance(code, str) and _CODE.match(code) and code != "EXECUTION_FAILED":
        parts.append(code)
    took = view.get("duration")
    if status in (TaskStatus.OK, TaskStatus.FAILED, TaskStatus.CANCELLED) and isinstance(took, int | float):
        parts.append(duration(took))
    retries = view.get("retries")
    if isinstance(retries, int) and retries > 0:
        parts.append(f"{number(retries + 1)} tries")
    return " · ".join(parts)


def _progress(view: Mapping[str, Any]) -> float | None:
    found = view.get("progress")
    return min(max(float(found), 0.0), 1.0) if isinstance(found, int | float) and found == found else None


def _fold(parent: str, hidden: Tree, run: _Run | None) -> Box:
    name = f"+\xa0{number(len(hidden))} more"
    first, last = clean(hidden[0]["name"]), clean(hidden[-1]["name"])
    span = first if len(hidden) == 1 else f"{first} … {last}"
    if run is None:
        return Box(parent, name, span, f"{name}\n{clean(parent)}: {span}", folds=True)
    counts = Counter(str(run.status(node["path"])) for node in hidden)
    said = ", ".join(f"{number(counts[status])} {status}" for status in map(str, TaskStatus) if counts[status])
    return Box(
        parent,
        name,
        said,
        f"{name}: {said}\n{clean(parent)}: {span}",
        folds=True,
        taken=any(run.taken(node["path"]) for node in hidden),
        ended=all(run.ended[node["path"]] for node in hidden),
    )
