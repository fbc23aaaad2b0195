"""The connection that live events come by, for one event loop: to a server, any node of a cluster, or a master."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from jobs_flow.storages.redis_addresses import Address
from jobs_flow.storages.redis_connection import sentinel_options

#: Seconds for a node's answer to the question who else there is.
LEARNT_IN = 5.0


def _once() -> Retry:
    # A driver that reconnects by itself says nothing of what was missed.
    return Retry(NoBackoff(), 0)


class Listener:
    """The client of one server."""

    #: To take a ``pubsub()`` from; another one after ``move_on``.
    client: redis.asyncio.Redis

    def __init__(self, address: Address) -> None:
        self._address = address
        self.client = self._made()

    async def move_on(self) -> None:
        """The connection failed: if there is another place to connect to, take that."""

    async def learn(self) -> None:
        """The connection is there: ask what other places there are. Raises nothing."""

    async def aclose(self) -> None:
        """Free connections."""
        await self.client.aclose()

    def _options(self) -> dict[str, Any]:
        # No limit on a connection that waits for what may never come.
        kept = {name: value for name, value in self._address.options().items() if name != "socket_timeout"}
        return {**kept, "retry": _once()}

    def _made(self) -> redis.asyncio.Redis:
        return redis.asyncio.Redis.from_url(self._address.url, **self._options())


class ClusterListener(Listener):
    """Any node of a cluster: what is published at one of them is published at all."""

    def __init__(self, address: Address) -> None:
        self._places = list(address.hosts)
        super().__init__(address)

    async def move_on(self) -> None:
        """Take the next node."""
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            await self.client.aclose()
        self._places.append(self._places.pop(0))
        self.client = self._made()

    async def learn(self) -> None:
        """Ask which nodes there are."""
        with contextlib.suppress(redis.exceptions.RedisError, OSError, TimeoutError):
            client: Any = self.client
            async with asyncio.timeout(LEARNT_IN):
                slots = await client.execute_command("CLUSTER SLOTS")
            present = self._places[0]
            nodes = [node for held in slots for node in held[2:]]
            # A node that does not know its own address gives none. The hosts of the URL stay: they may be a name
            # that leads to other nodes tomorrow.
            found = [(host.decode(), int(port)) for host, port, *_ in nodes if host]
            self._places = list(dict.fromkeys([present, *found, *self._address.hosts]))

    def _made(self) -> redis.asyncio.Redis:
        host, port = self._places[0]
        return redis.asyncio.Redis(host=host, port=port, ssl=self._address.encrypted, **self._options())


class SentinelListener(Listener):
    """The master that sentinels know, asked for at each connection."""

    async def aclose(self) -> None:
        """Free connections, those to the sentinels too."""
        await super().aclose()
        for sentinel in self._sentinels.sentinels:
            await sentinel.aclose()

    def _made(self) -> redis.asyncio.Redis:
        address = self._address
        login = sentinel_options(address) | {"retry": _once()}
        self._sentinels = Sentinel(address.hosts, sentinel_kwargs=login)  # type: ignore[no-untyped-call]
        options = self._options() | {"ssl": address.encrypted}
        return cast("redis.asyncio.Redis", self._sentinels.master_for(address.master, **options))


def listen_to(address: Address) -> Listener:
    """The listener of an address; nothing is connected yet. To be called from the running event loop."""
    kinds = {"server": Listener, "cluster": ClusterListener, "sentinel": SentinelListener}
    return kinds[address.kind](address)
