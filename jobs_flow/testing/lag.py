"""Answers of a storage that may come a moment late: its lists of ids, timers and lanes. See ``index_lag``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

#: Seconds between two questions.
_INTERVAL = 0.01

_allowed = 0.0


def allow(seconds: float) -> None:
    """Let ``soon`` ask again for so many seconds from now on; 0: the first answer has to be right."""
    global _allowed
    _allowed = seconds


class Soon:
    """An answer that is asked for again, for as long as is allowed, while it is not what it is compared with."""

    __hash__ = None  # type: ignore[assignment]  # compared with lists and sets, and not the same at each look

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read
        self._last: Any = None

    def when(self, right: Callable[[Any], bool]) -> Any:
        """The first answer that is right, or the last one."""
        until = time.monotonic() + _allowed
        while not right(self._ask()) and time.monotonic() < until:
            time.sleep(_INTERVAL)
        return self._last

    def of(self, length: int) -> Any:
        """The answer once it has so many members, or the last one."""
        return self.when(lambda found: len(found) == length)

    def between(self, more: int, most: int) -> bool:
        """Whether it becomes a number greater than ``more``, and ``most`` at most."""

        def right(found: int | None) -> bool:
            return found is not None and more < found <= most

        return right(self.when(right))

    @property
    def none(self) -> bool:
        """Whether it becomes None."""
        return self.when(lambda found: found is None) is None

    def __eq__(self, other: object) -> bool:
        return bool(self.when(lambda found: found == other) == other)

    def __contains__(self, member: object) -> bool:
        return member in self.when(lambda found: member in found)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._ask())

    def __repr__(self) -> str:
        return repr(self._last)

    def _ask(self) -> Any:
        self._last = self._read()
        return self._last


def soon(read: Callable[..., Any], *arguments: Any, **options: Any) -> Soon:
    """What ``read`` answers, to be compared: ``assert soon(storage.list_ids, limit=2) == ids``."""
    return Soon(lambda: read(*arguments, **options))


def something(read: Callable[[], Sequence[Any]]) -> Any:
    """What ``read`` answers, asked again while it is empty: for calls that change what the next one is answered."""
    return soon(read).when(bool)
