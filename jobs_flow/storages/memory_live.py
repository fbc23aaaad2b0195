"""The states of ``MemoryStorage``, and the streams of their events: to read, to wait for, to subscribe to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory_records import Data, State, encode
from jobs_flow.storages.records import TOMBSTONE_KEPT, Event, JsonText


def wall_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class MemoryStates(Storage):
    """All instances of a storage, under one lock."""

    def __init__(self, *, clock: Callable[[], int] = wall_clock) -> None:
        self._clock = clock
        self._states: dict[str, State] = {}
        #: Instance id by workflow and key.
        self._keys: dict[tuple[str, str, str], str] = {}
        #: The last event of an instance that was deleted, and until when it is kept; the oldest first.
        self._tombstones: dict[str, tuple[int, int]] = {}
        self._subscribers: dict[str, set[MemorySubscription]] = {}
        # One lock for all: an operation takes microseconds. Its waiters are those of wait_events().
        self._changed = threading.Condition()

    def now(self) -> int:
        return self._clock()

    def events(self, instance_id: str, since: int) -> list[Event] | None:
        with self._changed:
            return self._events(instance_id, since)

    def wait_events(self, instance_id: str, since: int, timeout: float) -> list[Event] | None:
        with self._changed:
            # An empty list is the only answer to wait on: events, and None, are news.
            self._changed.wait_for(lambda: self._events(instance_id, since) != [], timeout)
            return self._events(instance_id, since)

    def subscribe(self) -> MemorySubscription:
        return MemorySubscription(self)

    # -- with the lock held ------------------------------------------------------------------

    def _now(self, state: State) -> int:
        return max(self._clock(), state.updated_at)

    def _publish(self, state: State, data: Data, now: int) -> int:
        """Append the event of a transition, and tell whoever waits for it."""
        text = encode(data)
        state.seq += 1
        state.updated_at = now
        state.events.append((state.seq, text))
        self._deliver(state, text)
        return state.seq

    def _bury(self, state: State) -> None:
        """Forget an instance but for its last event, which says so."""
        now = self._clock()
        del self._states[state.id]
        if state.key is not None:
            self._keys.pop((state.workflow, state.realm, state.key), None)
        self._tombstones[state.id] = state.seq + 1, now + TOMBSTONE_KEPT
        for instance_id, (_, until) in list(self._tombstones.items()):
            if until <= now:
                del self._tombstones[instance_id]
        self._publish(state, {"deleted": True}, now)

    def _deliver(self, state: State, text: JsonText) -> None:
        self._changed.notify_all()
        for subscriber in tuple(self._subscribers.get(state.id, ())):
            if not subscriber.deliver(state.id, state.seq, text):
                self._unsubscribe(state.id, subscriber)

    def _events(self, instance_id: str, since: int) -> list[Event] | None:
        state = self._states.get(instance_id)
        if state is None:
            last, until = self._tombstones.get(instance_id, (0, 0))
            if until <= self._clock() or since >= last:
                return []
            return [Event(last, {"deleted": True})] if since + 1 == last else None
        if since >= state.seq:
            return []
        if since + 1 < state.events[0][0]:
            return None
        return [Event.parse(seq, text) for seq, text in state.events if seq > since]

    def _subscribe(self, instance_id: str, subscriber: MemorySubscription) -> None:
        with self._changed:
            self._subscribers.setdefault(instance_id, set()).add(subscriber)

    def _unsubscribe(self, instance_id: str, subscriber: MemorySubscription) -> None:
        with self._changed:
            subscribers = self._subscribers.get(instance_id, set())
            subscribers.discard(subscriber)
            if not subscribers:
                self._subscribers.pop(instance_id, None)


class MemorySubscription:
    """Live events for one event loop, written by any thread; without gaps."""

    def __init__(self, storage: MemoryStates) -> None:
        self._storage = storage
        self._ids: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._received: asyncio.Queue[tuple[str, int, JsonText]] = asyncio.Queue()

    async def add(self, instance_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._ids.add(instance_id)
        self._storage._subscribe(instance_id, self)

    async def remove(self, instance_id: str) -> None:
        self._ids.discard(instance_id)
        self._storage._unsubscribe(instance_id, self)

    async def next(self) -> tuple[str, Event | None]:
        while True:
            instance_id, seq, text = await self._received.get()
            # What was on its way when the instance was removed is of no interest any more.
            if instance_id in self._ids:
                return instance_id, Event.parse(seq, text)

    async def aclose(self) -> None:
        for instance_id in tuple(self._ids):
            await self.remove(instance_id)

    def deliver(self, instance_id: str, seq: int, text: JsonText) -> bool:
        """Hand over an event from the thread that wrote it; False once the event loop is closed."""
        assert self._loop is not None, "only add() makes a subscription known to the storage"
        try:
            self._loop.call_soon_threadsafe(self._received.put_nowait, (instance_id, seq, text))
        except RuntimeError:
            return False
        return True
