"""A workflow turned into an immutable plan: order, parallel blocks, joins, fingerprint.

The plan answers every question about shape by path, so that neither canvas, storage nor step walks
the declaration again. Root tasks follow each other; the subtasks of a task run in parallel after it,
and together with it they are its block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.workflows import paths
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.flow import Flow
from jobs_flow.workflows.states import TaskStatus


@dataclass(frozen=True, slots=True)
class Node:
    """One task in its place."""

    path: str
    task: Task
    #: Path of the task whose block this one belongs to, None for a root task.
    parent: str | None
    children: tuple[str, ...]
    #: Position among the roots of the outermost block around it.
    position: int
    #: Path of the root task before that block, and after it.
    preceding: str | None
    following: str | None


@dataclass(frozen=True)
class Plan:
    """An immutable plan of one workflow for one value of data."""

    workflow: str
    #: In pre-order.
    nodes: Mapping[str, Node]
    roots: tuple[str, ...]
    #: Changes when, and only when, the tree of paths changes (feature S2).
    fingerprint: str = field(init=False)
    #: The root tasks that put something into the context, with their positions among the roots.
    carriers: tuple[tuple[int, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.nodes))
        carriers = ((n, root) for n, root in enumerate(self.roots) if self.nodes[root].task.fills_context)
        object.__setattr__(self, "carriers", tuple(carriers))

    @classmethod
    def of(cls, workflow: Workflow) -> Plan:
        """The plan of a checked workflow."""
        roots = tuple(paths.join(paths.ROOT, task.name) for task in workflow.tasks)
        after = dict(zip(roots, (*roots[1:], None), strict=True)) if roots else {}
        before = {following: root for root, following in after.items() if following}
        nodes: dict[str, Node] = {}
        root, position = "", -1
        for path, task in workflow.walk():
            parent = paths.parent(path)
            if parent == paths.ROOT:
                parent, root, position = None, path, position + 1
            nodes[path] = Node(
                path=path,
                task=task,
                parent=parent,
                children=tuple(paths.join(path, child.name) for child in task.subtasks),
                position=position,
                preceding=before.get(root),
                following=after[root],
            )
        return cls(workflow.name, nodes, roots)

    def __contains__(self, path: str) -> bool:
        return path in self.nodes

    def ancestors(self, path: str) -> Iterator[str]:
        """The blocks that hold ``path``, innermost first."""
        above = self.nodes[path].parent
        while above is not None:
            yield above
            above = self.nodes[above].parent

    def descendants(self, path: str) -> Iterator[str]:
        """The paths below ``path``, in pre-order."""
        stack = list(reversed(self.nodes[path].children))
        while stack:
            below = stack.pop()
            yield below
            stack.extend(reversed(self.nodes[below].children))

    def flow(self, path: str, status: str | None = None) -> Flow:
        """What comes after ``path``; of the two parts that may be wide, what an outcome of ``status`` needs.

        Ok queues the children, anything else may skip the whole subtree. None: both.
        """
        node = self.nodes[path]
        return Flow(
            children=node.children if status in (None, TaskStatus.OK) else (),
            subtree=tuple(self.descendants(path)) if status != TaskStatus.OK else (),
            joins=tuple((above, self.nodes[above].task.on_failure == "continue") for above in self.ancestors(path)),
            following=node.following,
        )

    def earlier(self, path: str) -> Iterator[str]:
        """The paths that must have passed before ``path`` may start: earlier root blocks, and its own ancestors."""
        node = self.nodes[path]
        root = next(reversed([path, *self.ancestors(path)]))
        for other in self.roots:
            if other == root:
                break
            yield other
            yield from self.descendants(other)
        if node.parent is not None:
            yield from reversed(list(self.ancestors(path)))

    def undoable(self) -> tuple[str, ...]:
        """The paths whose tasks can be undone, in pre-order."""
        return tuple(path for path, node in self.nodes.items() if node.task.undo is not None)

    def breaks(self, tree: Sequence[Mapping[str, Any]]) -> str | None:
        """The first path at which this code would break an instance of that description; None when it fits."""
        difference = first_difference(self, tree)
        return None if difference == paths.ROOT else difference

    def describe(self) -> list[dict[str, Any]]:
        """Nested ``{"name", "description", "path", "children"}`` in the order of declaration (feature S16)."""
        described: dict[str, dict[str, Any]] = {}
        for path, node in self.nodes.items():
            described[path] = {
                "name": node.task.name,
                "description": node.task.description,
                "path": path,
                "children": [],
            }
            if node.parent is not None:
                described[node.parent]["children"].append(described[path])
        return [described[root] for root in self.roots]


def fingerprint(tree_paths: Iterable[str]) -> str:
    """A short hash of a tree's paths in pre-order."""
    return hashlib.sha256("\n".join(tree_paths).encode()).hexdigest()[:16]


def tree_paths(tree: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The paths of a description, in pre-order."""
    stack = list(reversed(tree))
    while stack:
        node = stack.pop()
        yield node["path"]
        stack.extend(reversed(node["children"]))


def first_difference(plan: Plan, tree: Sequence[Mapping[str, Any]]) -> str:
    """The first path, in pre-order, that the plan and a stored description do not share; ``#`` when they agree."""
    stored = list(tree_paths(tree))
    for ours, theirs in zip(plan.nodes, stored, strict=False):
        if ours != theirs:
            return ours if ours not in stored else theirs
    longer = list(plan.nodes) if len(plan.nodes) > len(stored) else stored
    shorter = min(len(plan.nodes), len(stored))
    return longer[shorter] if len(longer) > shorter else paths.ROOT
