"""How Redis or Valkey servers are reached, and what of the driver's errors means that they cannot be used now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages.redis_addresses import Address
from jobs_flow.storages.redis_partitions import Partitions

#: Servers take no lower limit of one value than this (``proto-max-bulk-len``).
LEAST_BULK_LIMIT = 1024 * 1024
#: Seconds to reach a sentinel, and for its answer; there are others to ask.
SENTINEL_TIMEOUT = 2.0

#: The server cannot be reached, or answers that it cannot serve now. The driver takes the code off the text of
#: answers that have a class of their own; of the others the code is all there is.
UNAVAILABLE = (
    redis.exceptions.ConnectionError,  # also BusyLoadingError, AuthenticationError, MaxConnectionsError
    redis.exceptions.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.ClusterError,  # also ClusterDownError, MasterDownError
    redis.exceptions.AskError,  # also MovedError
    redis.exceptions.TryAgainError,
    redis.exceptions.RedisClusterException,  # no node is to be reached, or slots are nobody's
)
#: The code comes first, or after what a pipeline, or a script on a server before version 7, puts before it.
UNAVAILABLE_ANSWERS = re.compile(
    r"(?:^|of pipeline caused error: |: -)"
    r"(?:OOM|READONLY|LOADING|BUSY|MASTERDOWN|NOREPLICAS|MISCONF|CLUSTERDOWN|TRYAGAIN|DB index is out of range)\b"
)


class Server:
    """The client of one server, or of the master that sentinels know; it connects when it is first used."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.label = address.label
        # Sending again is safe: scripts know a call, or the token it completes with, and answer as before.
        self._options = {"retry": _patient(), **address.options()}
        self._sentinels: list[redis.Redis] = []
        self._client = self._over_sentinels() if address.kind == "sentinel" else self._direct()

    @property
    def client(self) -> redis.Redis:
        """The client. For any number of threads, and in processes that were forked."""
        return self._client

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Raise ``StorageUnavailable`` for what the driver raises when the server cannot be used."""
        try:
            yield
        except UNAVAILABLE as error:
            self._failed(error)
            raise StorageUnavailable(storage=self.label, reason=f"{type(error).__name__}: {error}") from error
        except redis.exceptions.ResponseError as error:
            if not UNAVAILABLE_ANSWERS.search(str(error)):
                raise
            raise StorageUnavailable(storage=self.label, reason=str(error)) from error

    def memory(self) -> list[dict[str, Any]]:
        """What each server that holds records says of its memory (``INFO memory``)."""
        return [self.client.info("memory")]

    def close(self) -> None:
        """Free connections."""
        self._client.close()
        self._client.connection_pool.disconnect()
        for sentinel in self._sentinels:
            sentinel.close()

    def _failed(self, error: Exception) -> None:
        """Called with each error that is reported."""

    def _direct(self) -> redis.Redis:
        return redis.Redis.from_url(self.address.url, **self._options)

    def _over_sentinels(self) -> redis.Redis:
        # The driver asks the first sentinel that answers, and each only once.
        asking = sentinel_options(self.address) | {"retry": Retry(NoBackoff(), 0)}
        found = Sentinel(self.address.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        self._sentinels = found.sentinels
        options = self._options | {"ssl": self.address.encrypted}
        return cast("redis.Redis", found.master_for(self.address.master, **options))  # type: ignore[no-untyped-call]


class ClusterServer(Server):
    """The client of a cluster: one for each process, made when it is first used, because it connects at once."""

    def __init__(self, address: Address, partitions: Partitions) -> None:
        self.address = address
        self.label = address.label
        self._options = {"retry": _patient(), **address.options()}
        self._partitions = partitions
        #: By process. A fork must not use what another thread may have been using at that moment.
        self._clients: dict[int, redis.Redis] = {}

    @property
    def client(self) -> redis.Redis:
        """The client; raises the driver's errors when no node can be reached."""
        return self._clients.get(os.getpid()) or self._connect()

    def memory(self) -> list[dict[str, Any]]:
        """What each master says of its memory."""
        client = cast("RedisCluster", self.client)
        answer = client.info("memory", target_nodes=RedisCluster.PRIMARIES)
        # Of one node it is the answer itself.
        return [answer] if "maxmemory" in answer else list(answer.values())

    def close(self) -> None:
        """Free connections; the storage may be used again and then opens new ones."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, redis.exceptions.RedisClusterException):
            # Of the nodes that it knew none is left: the next one begins with those of the URL, looked up anew.
            self._clients.pop(os.getpid(), None)

    def _connect(self) -> redis.Redis:
        nodes = [ClusterNode(host, port) for host, port in self.address.hosts[1:]]  # type: ignore[no-untyped-call]
        options = {name: value for name, value in self._options.items() if name != "db"}
        # To its callers it is a client as any other: it has the same commands.
        made = cast("redis.Redis", RedisCluster(url=self.address.url, startup_nodes=nodes, **options))
        self._check_partitions(made)
        client = self._clients.setdefault(os.getpid(), made)
        if client is not made:
            made.close()
        return client

    def _check_partitions(self, client: redis.Redis) -> None:
        marker, count = self._partitions.marker, len(self._partitions)
        assert marker is not None
        client.set(marker, count, nx=True)
        found = int(cast("bytes | None", client.get(marker)) or count)
        if found != count:
            client.close()
            reason = f"the records in {self.label} are in {found} partitions, not {count}: add partitions={found}"
            raise ConfigurationError(setting="storage", reason=reason)


def connect(address: Address, partitions: Partitions) -> Server:
    """What reaches the servers of an address; nothing is connected yet."""
    return ClusterServer(address, partitions) if address.kind == "cluster" else Server(address)


def sentinel_options(address: Address) -> dict[str, Any]:
    """How to connect to sentinels, which have no database and users of their own."""
    kept = {name: value for name, value in address.options().items() if name.startswith("ssl_")}
    limits = {"socket_connect_timeout": SENTINEL_TIMEOUT, "socket_timeout": SENTINEL_TIMEOUT}
    return {**kept, **limits, **address.sentinel_login, "ssl": address.encrypted}


def bulk_limit(client: redis.Redis) -> int | None:
    """The size of the largest value that the server takes, in bytes; None when it does not tell."""
    with suppress(redis.exceptions.RedisError):
        found = cast("dict[str, str]", client.config_get("proto-max-bulk-len"))
        return int(found["proto-max-bulk-len"]) if found else None
    return None


def evictions(memory: dict[str, Any]) -> str | None:
    """Why a server may remove records to make room, in words for a log; None when it does not.

    ``volatile-…`` policies remove what has a time to live only, which no record has.
    """
    policy, limit = str(memory.get("maxmemory_policy", "noeviction")), int(memory.get("maxmemory", 0))
    if limit == 0 or not policy.startswith("allkeys-"):
        return None
    return (
        f"its maxmemory-policy is {policy}, so when its maxmemory of {limit} bytes is full it removes records of "
        "workflows; set maxmemory-policy to noeviction"
    )


def _patient() -> Retry:
    return Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 3)
