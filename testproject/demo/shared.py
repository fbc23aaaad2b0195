"""What two demos on the same directory share: the Valkey of the first, so that they see the same records."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class Shared:
    """The directory of a demo, and whether this demo is the first on it."""

    def __init__(self, file: IO[str], *, first: bool) -> None:
        self._file = file
        #: Whether this demo starts the Valkey that the others use.
        self.first = first

    @property
    def descriptor(self) -> int:
        """Of the lock, for a process that has to hold it as long as this one."""
        return self._file.fileno()

    def publish(self, url: str) -> None:
        """Tell later demos where the Valkey of this one is."""
        self._file.seek(0)
        self._file.truncate()
        json.dump({"pid": os.getpid(), "valkey": url}, self._file)
        self._file.flush()

    def valkey(self) -> str | None:
        """Where the first demo's Valkey is; None when it has none (yet)."""
        self._file.seek(0)
        try:
            url = json.load(self._file)["valkey"]
        except (ValueError, KeyError, TypeError):
            return None
        return url if isinstance(url, str) else None


@contextmanager
def share(directory: Path) -> Iterator[Shared]:
    """The demo's directory, held as long as the context; the system lets go of it when the process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "demo.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield Shared(file, first=False)
        else:
            file.truncate(0)
            yield Shared(file, first=True)
            file.truncate(0)
