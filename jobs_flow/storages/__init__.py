"""Where the records of workflow instances live, chosen by URL."""

from __future__ import annotations

from typing import Any

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages.base import Storage, Subscription
from jobs_flow.storages.memory import MemoryStorage

__all__ = ["MemoryStorage", "Storage", "Subscription", "create_storage"]


def create_storage(url: Any) -> Storage:
    """The storage that ``url`` names: ``redis://``, ``rediss://``, ``unix://``, ``dynamodb://`` or ``memory://``.

    ``redis://host:port,host:port/?cluster=true`` is a cluster; ``redis+sentinel://host:port,host:port/name/0`` (and
    ``rediss+sentinel://``) the master of that name. ``?prefix=`` sets the prefix of every key. Nothing is connected
    yet. Raises ``ConfigurationError`` naming the scheme it does not know (feature S69).
    """
    if isinstance(url, Storage):
        return url
    scheme = url.partition(":")[0].lower() if isinstance(url, str) and ":" in url else ""
    if scheme in ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "sentinel"):
        from jobs_flow.storages.redis import RedisStorage

        return RedisStorage(url)
    if scheme == "dynamodb":
        from jobs_flow.storages.dynamodb import DynamoStorage

        return DynamoStorage(url)
    if scheme == "memory":
        return MemoryStorage()
    known = "redis://, rediss://, unix://, redis+sentinel://, dynamodb:// and memory://"
    raise ConfigurationError(setting="storage", reason=f"{scheme or url!r} is no storage; there are {known}")
