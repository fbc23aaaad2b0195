"""When sockets are told what happened: all that have something waiting, one after the other, in rounds.

What happens during a round is merged into the next. The pause between two is as long as a round took, so that
a busy process sends fewer and larger changes instead of falling behind, and one that has little to do waits hardly
at all. There is one timer for all sockets of an event loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from weakref import WeakKeyDictionary

#: Seconds between the beginnings of two rounds, at least and at most.
SHORTEST = 0.005
LONGEST = 0.2
#: How long the pause after a round is, measured by the round.
PAUSE = 0.5


class Rounds:
    """See above. Not thread safe: belongs to its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not held: it is what the rounds are found by.
        self._loop_of = weakref.ref(loop)
        self._due: dict[Callable[[], None], None] = {}
        self._earliest = 0.0
        self._timer: asyncio.Handle | None = None

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop_of()
        assert loop is not None, "only what runs in it comes here"
        return loop

    def join(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` in the next round, once."""
        self._due[wake] = None
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._earliest, self._loop.time()), self._begin)

    def leave(self, wake: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._due.pop(wake, None)

    def _begin(self) -> None:
        began = self._loop.time()
        due, self._due = self._due, {}
        for wake in due:
            wake()
        # The tasks that were woken take their turn before this does, and those that need not wait are done then.
        self._timer = self._loop.call_soon(self._loop.call_soon, self._end, began)

    def _end(self, began: float) -> None:
        now = self._loop.time()
        pause = (now - began) * PAUSE
        self._earliest = max(began + SHORTEST, min(now + pause, began + LONGEST))
        self._timer = self._loop.call_at(self._earliest, self._begin) if self._due else None


_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds] = WeakKeyDictionary()


def get_rounds() -> Rounds:
    """Those of the running event loop."""
    loop = asyncio.get_running_loop()
    rounds = _rounds.get(loop)
    if rounds is None:
        rounds = _rounds[loop] = Rounds(loop)
    return rounds
