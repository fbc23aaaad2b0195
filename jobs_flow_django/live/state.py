"""What a room knows of its instance: a snapshot, kept up to date by the events after it. Pure.

There is one for all who watch the instance in a process. Task views are replaced and never changed, so that a
``Shot`` given to a newcomer stays what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobs_flow.storages.records import Event, Instance, Snapshot
from jobs_flow.workflows.paths import parent
from jobs_flow_django.live.changes import Lines, merged
from jobs_flow_django.live.folding import Outline, block_counts, count

#: How many tasks' logs a snapshot comes with, the latest, and how many lines of each.
LOGGED_TASKS = 50
LOGGED_LINES = 100
#: Characters of log lines that are kept for newcomers, of all tasks of one instance.
LOGGED_SIZE = 2_000_000
#: Names of an instance's fields by those of its view.
_FIELDS = {
    "workflow": "workflow",
    "name": "name",
    "status": "status",
    "run": "run",
    "startedAt": "started_at",
    "finishedAt": "finished_at",
    "error": "error",
    "paused": "paused",
    "undo": "undo",
}


@dataclass(slots=True, eq=False)
class Shot:
    """A snapshot with the ends of its logs; shared by all mailboxes that start from it, and never changed."""

    snapshot: Snapshot
    logs: Mapping[str, Lines]
    #: Tasks whose logs should be here and are not, because they would not stand still.
    partial: frozenset[str] = frozenset()
    outline: Outline = field(default_factory=lambda: Outline(()))
    #: What it is to each audience: see ``telling``.
    frames: dict[Any, Sequence[Any]] = field(default_factory=dict)
    #: Where that is being found out in a thread.
    rendering: dict[Any, asyncio.Future[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outline.tree is not self.snapshot.tree:
            self.outline = Outline(self.snapshot.tree)

    @property
    def seq(self) -> int:
        """Number of the last event in it."""
        return self.snapshot.seq


class State:
    """See above."""

    def __init__(self, shot: Shot) -> None:
        self.instance: Instance = shot.snapshot.instance
        #: Number of the last event in it.
        self.seq = shot.seq
        self.outline = shot.outline
        self.tasks: dict[str, dict[str, Any]] = dict(shot.snapshot.tasks)
        #: Number of tasks by status, of the whole instance.
        self.counts = count(view["status"] for view in self.tasks.values())
        #: See ``Shot.partial``.
        self.partial = set(shot.partial)
        self._logs: dict[str, Lines] = {}
        self._logs_size = 0
        self._blocks: dict[str, dict[str, int]] = {}
        self._shot: Shot | None = shot
        for path, lines in shot.logs.items():
            self._log(path, lines.start, list(lines.lines))

    @property
    def progress(self) -> float:
        """Share of the tasks that have ended, 0.0 to 1.0; 0.0 when there are none."""
        return replace(self.instance, counts=self.counts).progress

    def apply(self, event: Event) -> None:
        """Take in the event after ``seq``; it is no ``reset`` and not the last of all."""
        self.seq = event.seq
        self._shot = None
        for path, change in event.data.get("tasks", {}).items():
            self._merge(path, change)
        if header := event.data.get("instance"):
            known = {name: header[field] for field, name in _FIELDS.items() if field in header}
            if "cancelled" in header:
                known["cancelled"] = tuple(header["cancelled"] or ())
            self.instance = replace(self.instance, **known)
        for path, entry in event.data.get("logs", {}).items():
            self._log(path, entry["from"], entry["lines"])

    def _merge(self, path: str, change: Mapping[str, Any]) -> None:
        old = self.tasks.get(path, {})
        self.tasks[path] = merged(old, change)
        before, after = old.get("status"), change.get("status")
        if after is None or before == after:
            return
        for counts in filter(None, (self.counts, self._blocks.get(parent(path) or ""))):
            if before is not None:
                counts[before] -= 1
                if not counts[before]:
                    del counts[before]
            counts[after] = counts.get(after, 0) + 1

    # -- logs --------------------------------------------------------------------------------

    def fill_logs(self, logs: Mapping[str, Lines]) -> None:
        """Take in the ends of logs as they are now, of tasks of which they were not known."""
        for path, lines in logs.items():
            self._forget_log(path)
            self._log(path, lines.start, list(lines.lines))
            self.partial.discard(path)
        self._shot = None

    def _log(self, path: str, start: int, lines: Sequence[str]) -> None:
        # The latest last: when there are too many, the others go first.
        known = self._logs.pop(path, None) or Lines(start)
        self._logs_size -= known.size
        known.extend(start, lines)
        known.drop(len(known.lines) - LOGGED_LINES)
        self._logs[path] = known
        self._logs_size += known.size
        while len(self._logs) > LOGGED_TASKS or (self._logs_size > LOGGED_SIZE and len(self._logs) > 1):
            self._forget_log(next(iter(self._logs)))

    def _forget_log(self, path: str) -> None:
        lines = self._logs.pop(path, None)
        self._logs_size -= 0 if lines is None else lines.size

    # -- what is asked of it -----------------------------------------------------------------

    def shot(self) -> Shot:
        """All of it, for a newcomer; the same one until something happens."""
        if self._shot is None:
            counts = {**dict.fromkeys(self.instance.counts, 0), **self.counts}
            self.instance = replace(self.instance, counts=counts, seq=self.seq)
            # The logs go on growing, and who starts from here has not been told that lines were dropped before.
            logs = {path: Lines(lines.start, lines.lines.copy()) for path, lines in self._logs.items()}
            snapshot = Snapshot(self.instance, self.outline.tree, dict(self.tasks))  # type: ignore[arg-type]
            self._shot = Shot(snapshot, logs, frozenset(self.partial), self.outline)
        return self._shot

    def block_counts(self, path: str) -> dict[str, int]:
        """How many children of a block have which status."""
        known = self._blocks.get(path)
        if known is None:
            known = self._blocks[path] = block_counts(self.outline, self.tasks, path)
        return dict(known)
