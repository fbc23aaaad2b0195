"""Whose time has come: a queue of things by time, each in it once. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Schedule(Generic[T]):
    """Each thing has one time, the earliest that was put since it was last taken."""

    def __init__(self) -> None:
        self._times: dict[T, float] = {}
        # Holds times that were brought forward or dropped too; they are passed over.
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._times)

    def put(self, thing: T, time: float) -> None:
        """See that ``thing`` is taken at ``time``, or earlier where it has an earlier one."""
        if time < self._times.get(thing, float("inf")):
            self._times[thing] = time
            heapq.heappush(self._heap, (time, next(self._order), thing))

    def drop(self, thing: T) -> None:
        """Forget it."""
        self._times.pop(thing, None)
        if len(self._heap) > 2 * len(self._times) + 100:
            self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def take(self, now: float) -> list[T]:
        """Those whose time has come, the longest due first."""
        due: list[T] = []
        while self._heap and self._heap[0][0] <= now:
            time, _, thing = heapq.heappop(self._heap)
            if self._times.get(thing) == time:
                del self._times[thing]
                due.append(thing)
        return due
