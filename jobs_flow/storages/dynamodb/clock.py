"""A clock that follows the server's, as far as the ``Date`` headers of its responses prove it.

DynamoDB tells nobody what time it is but in the ``Date`` header of each response, in whole seconds. Hosts that set
their clocks by NTP are far better than that; those that do not may be minutes off. So a host's own clock counts as
long as no response proves it wrong, and is corrected by the least that agrees with all of them when one does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Milliseconds that one value of the header stands for.
RESOLUTION = 1000
#: Milliseconds that a header may be old: many servers compute it once a second and not in step with the second.
STALE = 1000
#: Milliseconds for which an observation counts at least; at most it is twice that. Clocks drift by some hundredths of
#: a second in this time.
PERIOD = 120_000

#: What the offset of the server's clock from this one may be, in milliseconds, from and to.
Interval = tuple[int, int]

ANY: Interval = (-(1 << 62), 1 << 62)


def wall_clock() -> int:
    """Epoch milliseconds of this machine."""
    return time.time_ns() // 1_000_000


def monotonic_clock() -> int:
    """Milliseconds since some moment, never set."""
    return time.monotonic_ns() // 1_000_000


def meet(one: Interval, other: Interval) -> Interval | None:
    """What both allow; None when that is nothing."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None


def nearest_to_zero(interval: Interval) -> int:
    """The smallest correction that the interval allows."""
    low, high = interval
    return low if low > 0 else min(high, 0)


class SkewedClock:
    """Epoch milliseconds: called, it gives those of this machine, corrected; never less than it gave before.

    May be used by any thread. ``wall`` and ``monotonic`` give milliseconds.
    """

    def __init__(self, *, wall: Callable[[], int] = wall_clock, monotonic: Callable[[], int] = monotonic_clock) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last = 0
        # What was observed in this period and in the one before it: one that grows old is not forgotten at once, so
        # that a narrow interval is not followed by a wide one.
        self._present = self._earlier = ANY
        self._since = monotonic()

    def __call__(self) -> int:
        """The time now."""
        with self._lock:
            self._last = max(self._last, self._wall() + self._correction())
            return self._last

    def local(self) -> int:
        """Epoch milliseconds of this machine as they are, for ``observe``."""
        return self._wall()

    @property
    def correction(self) -> int:
        """Milliseconds that are added to the clock of this machine."""
        with self._lock:
            return self._correction()

    def observe(self, date: int, *, sent: int, received: int) -> None:
        """Learn from a response: its ``Date``, and when ``local`` said it was asked for and it came.

        All in epoch milliseconds. Whole tries that were sent again count from the first of them.
        """
        if received < sent:
            # This machine's clock was set back meanwhile: nothing can be said.
            return
        # The server's clock showed ``date``, or a moment later, at some time between the two.
        seen = date - received, date + RESOLUTION + STALE - sent
        with self._lock:
            now = self._monotonic()
            if now - self._since >= PERIOD:
                self._earlier = self._present if now - self._since < 2 * PERIOD else ANY
                self._present, self._since = ANY, now
            present = meet(self._present, seen)
            if present is None or meet(present, self._earlier) is None:
                # One of the two clocks was set: only what was seen after that counts.
                self._present, self._earlier, self._since = seen, ANY, now
            else:
                self._present = present

    def after_fork(self) -> None:
        """For the child of a fork: a thread that is no more there may have held the lock."""
        self._lock = threading.Lock()

    def _correction(self) -> int:
        return nearest_to_zero(meet(self._present, self._earlier) or self._present)
