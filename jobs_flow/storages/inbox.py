"""What waits for the reader of a subscription, wherever its events come from."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from jobs_flow.storages.records import Event

#: Events waiting to be taken; of instances that have more, only that something was missed is known.
QUEUE_LIMIT = 10_000


class Inbox:
    """The receiving end of a subscription; see ``contract_reading.Subscription``."""

    #: The instances whose events are of interest.
    _watched: Collection[str]

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Event | None]] = asyncio.Queue()
        self._missed: dict[str, None] = {}

    async def next(self) -> tuple[str, Event | None]:
        """The next ``(instance id, event)``; ``(id, None)`` when events of it may have been missed."""
        while True:
            if self._missed and self._queue.empty():
                instance_id, event = self._missed.popitem()[0], None
            else:
                instance_id, event = await self._queue.get()
            if instance_id in self._watched:
                return instance_id, event

    def _offer(self, instance_id: str, event: Event | None) -> None:
        # A reader that is slower than its events must not cost memory without end: it reads them from the storage.
        if instance_id in self._missed:
            return
        if self._queue.qsize() < QUEUE_LIMIT:
            self._queue.put_nowait((instance_id, event))
        else:
            self._missed[instance_id] = None
