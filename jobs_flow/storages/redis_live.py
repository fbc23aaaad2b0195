"""Live events of Redis for one event loop: a channel per instance on one connection.

Publish/subscribe is prompt and forgetful; after a reconnect every watched instance is reported as
``(id, None)``, and the reader fills the gap from the stream by sequence number.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import redis.asyncio
import redis.exceptions

from jobs_flow.storages.inbox import Inbox
from jobs_flow.storages.records import Event
from jobs_flow.storages.redis_addresses import Address
from jobs_flow.storages.redis_listeners import listen_to
from jobs_flow.storages.redis_partitions import Partitions

logger = logging.getLogger("jobs_flow.storage")

#: Seconds between attempts to reach a server that has gone.
RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0)
#: Seconds for which somebody who adds an instance waits for the connection.
CONNECTED_IN = 2.0
#: Seconds in which a server has to confirm what is subscribed to.
CONFIRMED_IN = 5.0
#: Seconds between two attempts to end the reader.
CANCELLED_IN = 0.2


class RedisSubscription(Inbox):
    """See ``storages.base.Subscription``."""

    def __init__(self, address: Address, partitions: Partitions) -> None:
        super().__init__()
        self._partitions = partitions
        self._listener = listen_to(address)
        self._pubsub = self._client.pubsub()
        self._watched: set[str] = set()
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._doubted = False
        self._closing = False

    @property
    def _client(self) -> redis.asyncio.Redis:
        return self._listener.client

    async def add(self, instance_id: str) -> None:
        """Start receiving; returns when the server has confirmed it.

        While the server is away it returns at once: the instance is subscribed to, and reported, on reconnect.
        """
        self._watched.add(instance_id)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="jobs-flow-subscription")
        if not self._connected.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), CONNECTED_IN)
            return
        confirmed = self._confirmed.setdefault(instance_id, asyncio.get_running_loop().create_future())
        try:
            await self._pubsub.subscribe(self._channel(instance_id))
            await asyncio.wait_for(asyncio.shield(confirmed), CONFIRMED_IN)
        except (redis.exceptions.RedisError, OSError, TimeoutError):
            # The reader reconnects, and reports the instance.
            self._confirmed.pop(instance_id, None)
            self._doubted = True

    async def remove(self, instance_id: str) -> None:
        """Stop receiving."""
        self._watched.discard(instance_id)
        if self._connected.is_set():
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                await self._pubsub.unsubscribe(self._channel(instance_id))

    async def aclose(self) -> None:
        """Stop, and free the connection."""
        self._closing = True
        reader, self._reader = self._reader, None
        while reader is not None and not reader.done():
            # More than once: a driver that is just connecting may take a cancellation for its own time limit.
            reader.cancel()
            await asyncio.wait([reader], timeout=CANCELLED_IN)
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
            await self._listener.aclose()

    async def _read(self) -> None:
        failures = 0
        while not self._closing:
            try:
                await self._connect()
                failures = 0
                await self._listener.learn()
                while not self._doubted:
                    # A time limit lets the client check a silent connection's health.
                    message = await self._pubsub.get_message(timeout=10)
                    if message is not None:
                        self._receive(message)
                raise redis.exceptions.ConnectionError("a channel could not be subscribed to")
            except (redis.exceptions.RedisError, OSError) as error:
                self._connected.clear()
                delay = RETRY_DELAYS[min(failures, len(RETRY_DELAYS) - 1)]
                logger.warning(
                    "the event subscription was lost (%s), trying again in %s s", type(error).__name__, delay
                )
                failures += 1
                await asyncio.sleep(delay)
                await self._listener.move_on()

    async def _connect(self) -> None:
        """A fresh connection with every watched channel; whatever was missed is reported."""
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        self._pubsub = self._client.pubsub()
        self._doubted = False
        # A pub/sub connection needs at least one channel; this one carries nothing.
        await self._subscribe({self._channel("")})
        subscribed: set[str] = set()
        # Instances are added and removed while this waits for the server; the last comparison has no wait after it.
        while subscribed != self._watched:
            added, removed = self._watched - subscribed, subscribed - self._watched
            if removed:
                await self._pubsub.unsubscribe(*map(self._channel, removed))
            if added:
                await self._subscribe({self._channel(instance_id) for instance_id in added})
            subscribed = subscribed - removed | added
        self._connected.set()
        for instance_id in self._watched:
            self._offer(instance_id, None)

    async def _subscribe(self, channels: set[bytes]) -> None:
        """Subscribe, and return when the server has confirmed each of the channels."""
        await self._pubsub.subscribe(*channels)
        async with asyncio.timeout(CONFIRMED_IN) as limit:
            while channels:
                message = await self._pubsub.get_message(timeout=CONFIRMED_IN)
                if message is not None:
                    self._receive(message)
                    if message["type"] == "subscribe":
                        channels.discard(message["channel"])
                        limit.reschedule(asyncio.get_running_loop().time() + CONFIRMED_IN)

    def _channel(self, instance_id: str) -> bytes:
        return self._partitions.channel(instance_id)

    def _receive(self, message: dict[str, Any]) -> None:
        instance_id = self._partitions.instance_of(message["channel"])
        if message["type"] == "subscribe":
            confirmed = self._confirmed.pop(instance_id, None)
            if confirmed is None:
                # Later than add() waited for, or again: there may have been events before.
                if self._connected.is_set() and instance_id in self._watched:
                    self._offer(instance_id, None)
            elif not confirmed.done():
                confirmed.set_result(None)
        elif message["type"] == "message" and instance_id in self._watched:
            number, _, text = message["data"].partition(b" ")
            self._offer(instance_id, Event.parse(int(number), text))
