"""Wide blocks, folded: a window of their children, and of all of them how many have which status. Pure.

A block is what is below one path, ``#`` for the root tasks. One of more children than ``Fold.size`` is folded.
A task is in view when it and all tasks above it are in the windows of their blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from jobs_flow.workflows.paths import ROOT

Node = Mapping[str, Any]
Views = Mapping[str, dict[str, Any]]

#: Sets of windows of which an outline remembers what is in view.
REMEMBERED = 64
#: Windows of one watcher that are not where they began; the oldest go back there.
MOVED_WINDOWS = 100


@dataclass(frozen=True, slots=True)
class Fold:
    """Where the windows of one watcher are."""

    #: Children in a window; blocks of no more are not folded.
    size: int
    #: Index of the first child in the window by path of the block, where that is not 0; the latest last.
    starts: tuple[tuple[str, int], ...] = ()

    def moved(self, path: str, start: int) -> Fold:
        """With the window of the block at ``path`` at ``start``."""
        others = [item for item in self.starts if item[0] != path]
        return Fold(self.size, tuple((*others, (path, start))[-MOVED_WINDOWS:]) if start else tuple(others))


class Window(NamedTuple):
    """What of a block is shown."""

    start: int
    total: int
    nodes: Sequence[Node]
    #: Whether there are more children than a window has.
    folded: bool

    @property
    def fields(self) -> dict[str, int]:
        """What a description says of the block beside its children."""
        return {"total": self.total, "from": self.start} if self.folded else {}


class InView(NamedTuple):
    """What a watcher sees."""

    tasks: frozenset[str]
    #: Paths of the folded blocks among what is shown.
    blocks: frozenset[str]


class Outline:
    """A tree and what can be asked of it; made once, and shared by all who watch the instance."""

    def __init__(self, tree: Sequence[Node]) -> None:
        self.tree = tree
        self._seen: dict[Fold, InView] = {}

    @cached_property
    def _blocks(self) -> dict[str, Sequence[Node]]:
        """Children by path, of those that have any."""
        blocks: dict[str, Sequence[Node]] = {ROOT: self.tree}
        rest = list(self.tree)
        while rest:
            node = rest.pop()
            if node["children"]:
                blocks[node["path"]] = node["children"]
                rest.extend(node["children"])
        return blocks

    def children(self, path: str) -> Sequence[str] | None:
        """Paths of the tasks of a block; None without such a block."""
        nodes = self._blocks.get(path)
        return None if nodes is None else [node["path"] for node in nodes]

    def window(self, path: str, fold: Fold) -> Window | None:
        """What is shown of a block, which never ends before the window does; None without such a block."""
        nodes = self._blocks.get(path)
        if nodes is None:
            return None
        total = len(nodes)
        if total <= fold.size:
            return Window(0, total, nodes, False)
        start = max(0, min(dict(fold.starts).get(path, 0), total - fold.size))
        return Window(start, total, nodes[start : start + fold.size], True)

    def describe(self, path: str, fold: Fold) -> list[dict[str, Any]]:
        """The tasks in the window of a block, what is below them folded too."""
        window = self.window(path, fold)
        return [] if window is None else [self._describe(node, fold) for node in window.nodes]

    def _describe(self, node: Node, fold: Fold) -> dict[str, Any]:
        if not node["children"]:
            return dict(node)
        window = self.window(node["path"], fold)
        assert window is not None
        return {**node, "children": [self._describe(child, fold) for child in window.nodes], **window.fields}

    def in_view(self, fold: Fold) -> InView:
        """What is shown of the whole instance."""
        known = self._seen.get(fold)
        if known is None:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            known = self._seen[fold] = self.in_view_below(ROOT, fold)
        return known

    def in_view_below(self, path: str, fold: Fold) -> InView:
        """What is shown of a block, whether or not itself is shown."""
        tasks: set[str] = set()
        blocks: set[str] = set()
        rest = [path]
        while rest:
            block = rest.pop()
            window = self.window(block, fold)
            if window is None:
                continue
            if window.folded:
                blocks.add(block)
            for node in window.nodes:
                tasks.add(node["path"])
                if node["children"]:
                    rest.append(node["path"])
        return InView(frozenset(tasks), frozenset(blocks))


def count(statuses: Iterable[str]) -> dict[str, int]:
    """How many there are of each status."""
    return dict(Counter(statuses))


def block_counts(outline: Outline, tasks: Views, path: str) -> dict[str, int]:
    """How many children of a block have which status."""
    return count(tasks[child]["status"] for child in outline.children(path) or () if child in tasks)


def chosen(tasks: Views, paths: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Those of the tasks that are among ``paths``, in their order."""
    return {path: view for path, view in tasks.items() if path in paths}
