"""One relay per event loop: one subscription to the storage feeds all sockets of the process.

A socket joins with a ``Mailbox``; the relay keeps a ``Room`` for each watched instance. When the last
mailbox has left an instance it is no longer subscribed to, and when the last room is gone the relay
closes its connection; the next socket that watches something gets a new relay.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from jobs_flow.errors import StorageUnavailable
from jobs_flow.storages.base import Storage, Subscription
from jobs_flow.storages.records import Instance
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.room import Room

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds between comparisons of all rooms with the storage: the net below the subscription.
SWEEP_INTERVAL = 15.0
#: Instances asked for in one round trip of a sweep.
SWEEP_BATCH = 500
#: Threads for calls that block. Few: they bound what a slow storage can hold up.
THREADS = 4
#: Seconds before a subscription that failed is replaced.
RESUBSCRIBE_DELAY = 1.0


class Relay:
    """See above. Not thread safe: belongs to its event loop."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._subscription: Subscription = storage.subscribe()
        self._rooms: dict[str, Room] = {}
        self._subscribed: set[str] = set()
        # Adding and removing an instance take turns, so that the last word about it is what its room wants.
        self._memberships: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs-flow-relay")
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        self._run(self._pump())
        self._run(self._sweep())

    # -- the sockets' side -------------------------------------------------------------------

    @property
    def watched(self) -> frozenset[str]:
        """Ids of the instances that somebody watches."""
        return frozenset(self._rooms)

    def join(self, mailbox: Mailbox) -> None:
        """Fill ``mailbox``: a snapshot first, then what comes after it."""
        room = self._rooms.get(mailbox.instance_id)
        if room is None:
            room = self._rooms[mailbox.instance_id] = Room(self, mailbox.instance_id)
        room.join(mailbox)

    async def leave(self, mailbox: Mailbox) -> None:
        """Fill it no more."""
        room = self._rooms.get(mailbox.instance_id)
        if room is None or room.leave(mailbox):
            return
        del self._rooms[mailbox.instance_id]
        if not self._rooms:
            self.closed = True
        await room.aclose()
        if self.closed:
            await self._aclose()
        else:
            self._run(self._unsubscribe(mailbox.instance_id))

    # -- the rooms' side ---------------------------------------------------------------------

    async def subscribe(self, instance_id: str) -> None:
        """See that events of the instance come to its room."""
        if instance_id in self._subscribed:
            return
        async with self._membership_of(instance_id):
            if instance_id in self._rooms and instance_id not in self._subscribed:
                subscription = self._subscription
                await subscription.add(instance_id)
                if subscription is self._subscription:  # else the room is told to look again
                    self._subscribed.add(instance_id)

    async def _unsubscribe(self, instance_id: str) -> None:
        async with self._membership_of(instance_id):
            if instance_id not in self._rooms and instance_id in self._subscribed:
                self._subscribed.discard(instance_id)
                await self._subscription.remove(instance_id)

    def _membership_of(self, instance_id: str) -> asyncio.Lock:
        return self._memberships.setdefault(instance_id, asyncio.Lock())

    async def in_thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of a call that blocks."""
        call = functools.partial(fn, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    # -- what runs beside --------------------------------------------------------------------

    async def _pump(self) -> None:
        """Events of the subscription, to their rooms."""
        while True:
            try:
                instance_id, event = await self._subscription.next()
                room = self._rooms.get(instance_id)
                if room is not None:
                    room.feed(event)
            except Exception as error:
                log_unexpected("the subscription to the storage failed and is replaced", error)
                await asyncio.sleep(RESUBSCRIBE_DELAY)
                await self._replace_subscription()
            # An event that is there already is given without a pause, and many may be.
            await asyncio.sleep(0)

    async def _replace_subscription(self) -> None:
        old, self._subscription = self._subscription, self.storage.subscribe()
        self._subscribed.clear()
        try:
            await old.aclose()
        except Exception as error:
            log_unexpected("a subscription could not be closed", error)
        for room in list(self._rooms.values()):
            room.check()

    async def _sweep(self) -> None:
        """Now and then, whether the rooms are where the storage is."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            for ids in _batches([id for id, room in self._rooms.items() if not room.busy]):
                try:
                    headers = await self.in_thread(self.storage.get_instances, ids)
                except StorageUnavailable as error:
                    for room in list(self._rooms.values()):
                        room.trouble(error)
                        room.check()
                    break
                except Exception as error:
                    log_unexpected("watched instances could not be compared with the storage", error)
                    break
                for instance_id, header in zip(ids, headers, strict=True):
                    self._compare(instance_id, header)

    def _compare(self, instance_id: str, header: Instance | None) -> None:
        room = self._rooms.get(instance_id)
        if room is not None and not room.busy and (header is None or header.seq != room.seq):
            room.check()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine, name="jobs-flow-relay")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _aclose(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop = asyncio.get_running_loop()
        if _relays.get(loop) is self:
            del _relays[loop]
        await self._subscription.aclose()
        self._threads.shutdown(wait=False)


_relays: WeakKeyDictionary[asyncio.AbstractEventLoop, Relay] = WeakKeyDictionary()


def get_relay(storage: Storage) -> Relay:
    """The relay of the running event loop for ``storage``; a new one when there is none."""
    loop = asyncio.get_running_loop()
    relay = _relays.get(loop)
    if relay is None or relay.closed or relay.storage is not storage:
        relay = _relays[loop] = Relay(storage)
    return relay


def _batches(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), SWEEP_BATCH):
        yield ids[start : start + SWEEP_BATCH]
