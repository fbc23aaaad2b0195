"""The two answers of a plan that a storage needs: what comes after a task, and what a run may execute.

They are plain values of paths and counts, so that a transition can be computed wherever the records
live, a Lua script included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a queued task waits for a worker, where it is not as the others of its run do."""

    #: Where its message stands in line, first in first out: a queue, and a priority where it has one.
    lane: str
    #: Milliseconds for which it may wait (``queue_timeout``); None: for ever.
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class RunSelection:
    """Which paths a run executes, and how its parallel blocks join."""

    #: Paths that this run may execute; they go back to ``inactive`` when it starts.
    paths: Sequence[str]
    #: The subset that is queued at once. Empty only for a workflow without tasks.
    heads: Sequence[str]
    #: Block path -> number of its children's subtrees that must end in this run before it joins.
    joins: Mapping[str, int]
    #: Argument given explicitly to the heads, as JSON text; None: none was given.
    argument: str | None = None
    #: Groups of paths, each queued when all before it has ended. Only for a run that leaves out what lies
    #: between its parts (a resume); without them each root task is followed by the next, ``Flow.following``.
    stages: Sequence[Sequence[str]] = ()
    #: The lane of the heads and stages, and those of them that wait otherwise.
    lane: str = ""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    #: Milliseconds for which the instance is kept once the run has ended; None: until somebody destroys it.
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """What the plan says comes after a path."""

    #: Direct children: queued when the task is ok.
    children: Sequence[str] = ()
    #: All descendants: recorded as skipped when the task is, or its failure is tolerated.
    subtree: Sequence[str] = ()
    #: Enclosing blocks, innermost first, each with whether its failure is tolerated.
    joins: Sequence[tuple[str, bool]] = ()
    #: The root task after the outermost block (or after this task), None at the end.
    following: str | None = None
    #: The lane of the children and of ``following``, and those of them that wait otherwise.
    lane: str = ""
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
