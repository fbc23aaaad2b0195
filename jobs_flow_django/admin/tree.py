"""The tasks of an instance as rows of a page; wide blocks are folded.

A block of thousands is shown by its first tasks and those that need attention, with a count of the
rest, so that a page stays readable and small whatever the width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs_flow.workflows import paths

#: Siblings shown before the rest is folded.
SHOWN = 50
#: Folded siblings that are shown all the same, because something is the matter with them.
ATTENTION_SHOWN = 50
#: Siblings shown of a block that was asked for; and rows on a page, whatever was asked for.
EXPANDED_SHOWN = 1000
ROWS = 2000

_ATTENTION = ("failed", "cancelled", "running")


@dataclass(frozen=True, slots=True)
class TaskNode:
    """A task in its place."""

    path: str
    name: str
    description: str
    depth: int
    view: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fold:
    """Siblings that are not shown."""

    parent: str
    depth: int
    count: int
    #: Status -> number, of the hidden siblings.
    statuses: Mapping[str, int]
    #: Whether asking for this block shows more of it.
    expandable: bool


def walk(
    tree: Sequence[Mapping[str, Any]],
    tasks: Mapping[str, Mapping[str, Any]],
    *,
    expanded: Collection[str] = (),
    selected: str | None = None,
) -> Iterator[TaskNode | Fold]:
    """The rows in pre-order. ``expanded``: paths whose children are all shown; ``selected`` is never hidden."""
    urgent = _with_ancestors(path for status in _ATTENTION for path, view in tasks.items() if view["status"] == status)
    if selected is not None:
        urgent = {**_with_ancestors([selected]), **urgent}
    # Not recursive: blocks may be nested to any depth.
    stack: list[Fold | Mapping[str, Any]] = []
    depths: dict[str, int] = {}

    def push(children: Sequence[Mapping[str, Any]], parent: str, depth: int) -> None:
        shown, fold = _fold(children, parent, depth, tasks, urgent, parent in expanded)
        if fold is not None:
            stack.append(fold)
        for child in reversed(shown):
            depths[child["path"]] = depth
            stack.append(child)

    push(tree, paths.ROOT, 0)
    seen = 0
    for _ in range(ROWS):
        if not stack:
            return
        item = stack.pop()
        if isinstance(item, Fold):
            seen += item.count
            yield item
            continue
        seen += 1
        path, depth = item["path"], depths.pop(item["path"])
        yield TaskNode(path, item["name"], item["description"] or "", depth, tasks.get(path) or {"status": "inactive"})
        if item["children"]:
            push(item["children"], path, depth + 1)
    if stack:
        yield Fold(paths.ROOT, 0, len(tasks) - seen, {}, expandable=False)


def _fold(
    children: Sequence[Mapping[str, Any]],
    parent: str,
    depth: int,
    tasks: Mapping[str, Mapping[str, Any]],
    urgent: Mapping[str, None],
    expanded: bool,
) -> tuple[Sequence[Mapping[str, Any]], Fold | None]:
    limit = EXPANDED_SHOWN if expanded else SHOWN
    if len(children) <= limit:
        return children, None
    rest = children[limit:]
    folded = {child["path"] for child in rest}
    # ``urgent`` is in order of urgency.
    kept = set([path for path in urgent if path in folded][:ATTENTION_SHOWN])
    hidden = [child for child in rest if child["path"] not in kept]
    shown = [*children[:limit], *(child for child in rest if child["path"] in kept)]
    if not hidden:
        return shown, None
    statuses = Counter(str(tasks[child["path"]]["status"]) for child in hidden if child["path"] in tasks)
    return shown, Fold(parent, depth, len(hidden), dict(statuses), expandable=not expanded)


def _with_ancestors(found: Iterable[str]) -> dict[str, None]:
    """The paths and those of all blocks around them, in the order found."""
    result: dict[str, None] = {}
    for path in found:
        for each in (path, *paths.ancestors(path)):
            result.setdefault(each)
    return result
