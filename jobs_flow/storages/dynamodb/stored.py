"""What is at hand of a record that was read: its log and its earlier attempts only when somebody looks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

from jobs_flow.storages.dynamodb import codec
from jobs_flow.storages.dynamodb.items import Items
from jobs_flow.storages.dynamodb.names import Names
from jobs_flow.storages.dynamodb.overflow import Overflow
from jobs_flow.storages.memory_records import UNSUCCESSFUL, Record
from jobs_flow.storages.records import ATTEMPT_LOG_LINES, ATTEMPTS_KEPT, LOG_LINES_KEPT, JsonText
from jobs_flow.workflows.states import TaskStatus


class PutBack(NamedTuple):
    """Paths whose records were put back all at once."""

    #: Number of the write that did it: records written later are as they are.
    version: int
    #: The run they belong to since; None: that of before.
    run: int | None
    #: None: all of them.
    paths: frozenset[str] | None

    def covers(self, path: str) -> bool:
        """Whether a path is one of them."""
        return self.paths is None or path in self.paths


# A header is read for each transition, and what is put back changes with a run only.
@lru_cache(maxsize=128)
def read_put_backs(text: str) -> tuple[PutBack, ...]:
    """What a header says."""
    return tuple(
        PutBack(version, run, None if paths is None else frozenset(paths)) for version, run, paths in json.loads(text)
    )


def write_put_backs(put_backs: Iterable[PutBack]) -> str:
    """As a header says it."""
    return codec.encode([[each.version, each.run, each.paths and sorted(each.paths)] for each in put_backs])


class StoredAttempts(deque[JsonText]):
    """Earlier attempts, of which only the new ones are at hand."""

    def __init__(self, count: int) -> None:
        super().__init__(maxlen=ATTEMPTS_KEPT)
        #: How many there were before.
        self.earlier = count
        #: Texts, and records whose text is made when it is needed: it takes reading their logs.
        self.new: list[JsonText | Record] = []

    def append(self, text: JsonText) -> None:
        """Keep an attempt."""
        self.new.append(text)

    def texts(self) -> list[JsonText]:
        """The new ones."""
        return [each.as_attempt() if isinstance(each, Record) else each for each in self.new]


class StoredLogs(deque[str]):
    """Log lines; the last of them are read when they are looked at."""

    def __init__(self, items: Items, names: Names, instance_id: str, path: str, began: int, count: int) -> None:
        super().__init__(maxlen=LOG_LINES_KEPT)
        #: Number of the write that began this log.
        self.began = began
        self.new: list[str] = []
        self._count = count
        # As many as are kept of an attempt; ``read_log`` reads those that somebody asked for.
        self._read = partial(read_log, items, names, instance_id, path, began, ATTEMPT_LOG_LINES)

    def extend(self, lines: Iterable[str]) -> None:
        """Append lines."""
        self.new.extend(lines)

    def __iter__(self) -> Iterator[str]:
        known = self._read() if self._count else []
        return iter([*known, *self.new])


def read_log(
    items: Items, names: Names, instance_id: str, path: str, began: int, last: int = LOG_LINES_KEPT
) -> list[str]:
    """The last lines of a log."""
    at = names.log(instance_id, path, began, 0)
    found: list[list[str]] = []
    missing = last
    for _, attributes in items.query(at.key, at.sort.rpartition("\n")[0] + "\n", backwards=True):
        if missing <= 0:
            break
        Overflow(items, names, instance_id).fill([attributes])
        lines = json.loads(str(attributes["lines"]))
        found.append(lines[-missing:])
        missing -= len(lines)
    return [line for lines in reversed(found) for line in lines]


class StoredRecord(Record):
    """A record that was read from an item."""

    def set_aside(self) -> None:
        """Keep it as an earlier attempt, whose text is made when somebody wants it."""
        if isinstance(self.attempts, StoredAttempts):
            self.attempts.new.append(self)
        else:
            super().set_aside()


class Tally(NamedTuple):
    """What the header counts of a record."""

    status: TaskStatus
    untolerated: bool
    updates: bool

    @classmethod
    def of(cls, record: Record) -> Tally:
        """That of a record."""
        return cls(record.status, record.status in UNSUCCESSFUL and not record.tolerated, record.updaters is not None)
