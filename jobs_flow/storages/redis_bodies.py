"""Chunks of large values in Redis: a hash for each body, and a set of their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.redis_scripts import RedisScripts


class RedisBodies(RedisScripts):
    """The part of ``RedisStorage`` that keeps what is too long for a record."""

    def add_body(self, instance_id: str, name: str) -> bool:
        """Announce a body."""
        return bool(self._run("add_body", instance_id, name))

    def write_chunk(self, instance_id: str, name: str, number: int, data: bytes) -> None:
        """Write a chunk."""
        self._run("write_chunk", instance_id, name, str(number), data)

    def read_chunk(self, instance_id: str, name: str, number: int) -> bytes | None:
        """A chunk; None when it is not there."""
        with self._reporting():
            key = self._key("workflowBody", instance_id, name)
            return cast("bytes | None", self._client.hget(key, str(number)))

    def list_bodies(self, instance_id: str) -> list[str]:
        """The names of the bodies."""
        with self._reporting():
            members = cast("set[bytes]", self._client.smembers(self._key("workflowBodies", instance_id)))
        return [member.decode() for member in members]

    def remove_bodies(self, instance_id: str, names: Sequence[str]) -> None:
        """Remove bodies with all their chunks."""
        self._run("remove_bodies", instance_id, codec.counted(names))
