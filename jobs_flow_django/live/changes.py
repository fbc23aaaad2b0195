"""What happened to an instance between two messages to a socket, merged and bounded. Pure.

The longer a socket takes, the more one change covers: of each task the latest state, of each log the
latest lines and how many were dropped. So a slow reader costs no more memory than its instance has tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jobs_flow.storages.records import Event
from jobs_flow.workflows.paths import SEPARATOR

#: Log lines that wait for one socket: of one task, and of all tasks of one instance.
TASK_LINES = 200
ALL_LINES = 1_000
#: Characters of a log line on the wire; the whole line is in the storage.
LINE_LENGTH = 2_000
#: Errors that wait for one socket.
ERRORS = 20


@dataclass(slots=True)
class Lines:
    """Consecutive log lines of one task."""

    #: Index of the first line in the task's log.
    start: int
    lines: deque[str] = field(default_factory=deque)
    #: Lines before it that the socket was not told and will not be.
    dropped: int = 0

    @classmethod
    def of(cls, start: int, lines: Sequence[str]) -> Lines:
        """Lines as they come from a storage."""
        return cls(start, deque(map(_clip, lines)))

    def extend(self, start: int, lines: Sequence[str]) -> None:
        """Append lines, of which the first has index ``start``; those known already are left out."""
        expected = self.start + len(self.lines)
        if start > expected:
            self.drop(len(self.lines))
            self.dropped += start - expected
            self.start = start
        self.lines.extend(map(_clip, lines[max(0, expected - start) :]))
        self.drop(len(self.lines) - TASK_LINES)

    def drop(self, count: int) -> None:
        """Give up the ``count`` oldest lines."""
        for _ in range(count):
            self.lines.popleft()
            self.start += 1
            self.dropped += 1

    @property
    def size(self) -> int:
        """Characters."""
        return sum(map(len, self.lines))


class Told(Protocol):
    """An event, and the whole header after it."""

    event: Event
    header: Mapping[str, Any]


@dataclass(slots=True)
class Change:
    """Some consecutive events as one."""

    #: Number of the last event in it.
    seq: int
    #: Task views by path, partial: what changed.
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Paths of the blocks that have children of another status than before.
    blocks: set[str] = field(default_factory=set)
    #: The instance's header when that changed.
    instance: Mapping[str, Any] | None = None
    logs: dict[str, Lines] = field(default_factory=dict)
    errors: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=ERRORS))

    def followed_by(self, posts: Iterable[Told]) -> Change:
        """This change and the events after it as another one; this one stays as it is."""
        change = Change(
            self.seq,
            {path: dict(view) for path, view in self.tasks.items()},
            set(self.blocks),
            self.instance,
            {path: Lines(lines.start, lines.lines.copy(), lines.dropped) for path, lines in self.logs.items()},
            deque(self.errors, ERRORS),
        )
        for post in posts:
            change.add(post.event, post.header)
        return change

    def add(self, event: Event, header: Mapping[str, Any] | None = None) -> None:
        """Take in the next event; ``header`` is the whole header after it, where the caller keeps one."""
        data = event.data
        self.seq = event.seq
        for path, view in data.get("tasks", {}).items():
            self.tasks[path] = merged(self.tasks.get(path, {}), view)
            if "status" in view:
                self.blocks.add(path.rpartition(SEPARATOR)[0])
        if "instance" in data:
            self.instance = header or {**(self.instance or {}), **data["instance"]}
        for path, entry in data.get("logs", {}).items():
            known = self.logs.setdefault(path, Lines(entry["from"]))
            known.extend(entry["from"], entry["lines"])
        if "error" in data:
            self.errors.append(data["error"])
        self._bound_logs()

    def _bound_logs(self) -> None:
        excess = sum(len(lines.lines) for lines in self.logs.values()) - ALL_LINES
        for lines in self.logs.values():
            if excess <= 0:
                return
            gone = min(excess, len(lines.lines))
            lines.drop(gone)
            excess -= gone

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.tasks or self.blocks or self.instance is not None or self.logs or self.errors)


def merged(known: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A task view after a partial one.

    A length without a result says that the result is too large to be shown: the one known before is another's.
    """
    view = {**known, **change}
    if change.get("bodySize") is not None and "body" not in change:
        view.pop("body", None)
    return view


def _clip(line: str) -> str:
    return line if len(line) <= LINE_LENGTH else line[:LINE_LENGTH] + "…"
