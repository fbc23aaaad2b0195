"""How a Redis or Valkey server is reached, and what of its driver's errors means that it cannot be used now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from jobs_flow.errors import ConfigurationError, StorageUnavailable

#: Seconds. A worker that waits longer than this for its storage would hold its message for nothing.
CONNECT_TIMEOUT = 5.0
SOCKET_TIMEOUT = 30.0
#: Servers take no lower limit of one value than this (``proto-max-bulk-len``).
LEAST_BULK_LIMIT = 1024 * 1024

#: The server cannot be reached, or answers that it cannot serve now. The driver takes the code off the text of
#: answers that have a class of their own; of the others the code is all there is.
UNAVAILABLE = (
    redis.exceptions.ConnectionError,  # also BusyLoadingError, AuthenticationError, MaxConnectionsError
    redis.exceptions.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.ClusterDownError,  # also MasterDownError
    redis.exceptions.AskError,  # also MovedError
    redis.exceptions.TryAgainError,
)
#: The code comes first, or after what a pipeline, or a script on a server before version 7, puts before it.
UNAVAILABLE_ANSWERS = re.compile(
    r"(?:^|of pipeline caused error: |: -)"
    r"(?:OOM|READONLY|LOADING|BUSY|MASTERDOWN|NOREPLICAS|MISCONF|CLUSTERDOWN|TRYAGAIN)\b"
)


@dataclass(frozen=True)
class Address:
    """Where a server is, from a ``redis://``, ``rediss://`` or ``unix://`` URL."""

    #: As the driver reads it, without the parameters that are our own.
    url: str
    #: For errors and pages; holds no password.
    label: str
    #: Before every key; None when the URL does not say.
    prefix: str | None
    #: Options of a connection, as far as the URL does not set them.
    options: dict[str, Any]

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address that ``url`` names; ``ConfigurationError`` when it names none."""
        unreadable = "the URL cannot be read; in a user name or a password, write / : @ ? # as %2F %3A %40 %3F %23"
        try:
            parts = urlsplit(url)
            # Raises for a port that is no number. What it says may be the half of a password.
            _ = parts.port
        except ValueError:
            raise ConfigurationError(setting="storage", reason=unreadable) from None
        place = parts.netloc.rpartition("@")[2]
        local = parts.scheme == "unix"
        if not local and "@" in parts.path:
            raise ConfigurationError(setting="storage", reason=unreadable)
        if local and (place or not parts.path):
            raise ConfigurationError(setting="storage", reason="unix:// needs the path of a socket: unix:///path")
        query = dict(parse_qsl(parts.query))
        prefix = query.pop("prefix", None)
        # Not urlunsplit: that of a URL without a host may have one slash.
        address = f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")
        options: dict[str, Any] = {
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": SOCKET_TIMEOUT,
            "health_check_interval": 25,
            # Sending again is safe: scripts know a call, or the token it completes with, and answer as before.
            "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 3),
        }
        if not local:
            options["socket_keepalive"] = True
        missing = {name: value for name, value in options.items() if name not in query}
        return cls(address, f"{parts.scheme}://{place}{parts.path}", prefix, missing)

    def connect(self) -> redis.Redis:
        """A client, which connects when it is first used."""
        try:
            client = redis.Redis.from_url(self.url, **self.options)
            # Connections are made later, and an option that they do not know would be found only then.
            client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
        except (ValueError, TypeError, redis.exceptions.RedisError) as error:
            raise ConfigurationError(setting="storage", reason=f"{self.label}: {error}") from error
        return client


@contextmanager
def reporting(label: str) -> Iterator[None]:
    """Raise ``StorageUnavailable`` for what the driver raises when the server cannot be used."""
    try:
        yield
    except UNAVAILABLE as error:
        raise StorageUnavailable(storage=label, reason=f"{type(error).__name__}: {error}") from error
    except redis.exceptions.ResponseError as error:
        if not UNAVAILABLE_ANSWERS.search(str(error)):
            raise
        raise StorageUnavailable(storage=label, reason=str(error)) from error


def longest_block(client: redis.Redis) -> float:
    """Seconds that a command may block: one that outlasts the socket's limit is taken for a dead connection."""
    limit = client.connection_pool.connection_kwargs.get("socket_timeout")
    return (SOCKET_TIMEOUT if limit is None else float(limit)) / 3


def bulk_limit(client: redis.Redis) -> int | None:
    """The size of the largest value that the server takes, in bytes; None when it does not tell."""
    with suppress(redis.exceptions.RedisError):
        found = cast("dict[str, str]", client.config_get("proto-max-bulk-len"))
        return int(found["proto-max-bulk-len"]) if found else None
    return None
