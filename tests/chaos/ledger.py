"""What was executed, written down by the task functions themselves, outside of the storage that is on trial."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One line: ``what`` happened to the task at ``path``, at ``at`` (milliseconds of the machine's clock)."""

    what: str
    path: str
    at: int
    run: int
    attempt: int
    pid: int


class Ledger:
    """A directory with a file for each instance, to which any process appends whole lines."""

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)

    def note(self, what: str, job: Any) -> None:
        """Write down that ``what`` (start, end, raise …) happened in the execution that ``job`` is the handle of."""
        entry = Entry(what, job.path, time.time_ns() // 1_000_000, job.run, job.attempt, os.getpid())
        self._append(job.workflow_id, json.dumps(entry).encode() + b"\n")

    def read(self, instance_id: str) -> list[Entry]:
        """The lines of an instance, in the order in which they were written."""
        try:
            text = (self.directory / instance_id).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [Entry(*json.loads(line)) for line in text.splitlines()]

    def paths(self, instance_id: str, what: str = "start") -> list[str]:
        """The paths of one kind of lines."""
        return [entry.path for entry in self.read(instance_id) if entry.what == what]

    def ticket(self, name: str) -> int:
        """1 for the first caller of that name in any process, then 2, 3 …; each number once."""
        return self._append(f"ticket-{name}", b".")

    def tickets(self, name: str) -> int:
        """How many of that name were given out."""
        try:
            return (self.directory / f"ticket-{name}").stat().st_size
        except FileNotFoundError:
            return 0

    def _append(self, name: str, data: bytes) -> int:
        file = os.open(self.directory / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # One write with O_APPEND is whole, and leaves the position where it ended.
            os.write(file, data)
            return os.lseek(file, 0, os.SEEK_CUR)
        finally:
            os.close(file)
