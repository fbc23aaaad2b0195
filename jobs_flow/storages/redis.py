"""Records in Redis or Valkey: one Lua script a transition, so a transition is one atomic round trip.

Keys, behind a configurable prefix (features, key layout): ``workflow_<id>`` the header and
``workflowTask_<id>_<path>`` a record, hashes whose values are JSON; ``logs_<id>_<path>`` a list of
lines; and of our own

- of an instance: ``workflowState_<id>`` (counters, joins, clock, numbers of calls), ``workflowTree_<id>``,
  ``workflowEvents_<id>`` (a stream whose entry ids are the sequence numbers; also the name of the channel each
  event is published on), ``attempts_<id>_<path>`` (earlier attempts), ``workflowStages_<id>`` (heads that a
  resumed run has still to queue), ``workflowBodies_<id>`` and ``workflowBody_<id>_<name>`` (large values),
  ``workflowUpdaters_<id>`` (by path), ``workflowUndo_<id>`` (paths),
  ``workflowDeleted_<id>`` (the last header, for a while);
- of all: ``workflows`` and ``workflowsRealm_<realm>`` (in order of creation), ``workflowKeys``, ``workflowTimers``
  (by the time they come due), ``workflowLanes`` (with their marks), ``workflowLane_<lane>`` and
  ``workflowLaneLater_<lane>`` (queued tasks), ``workflowRole_<role>`` (who was elected).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from jobs_flow.errors import InstanceBusy, InstanceExists, InstanceNotFound, InvalidArgument
from jobs_flow.ids import new_token
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event, Input, Instance, NewInstance, Snapshot
from jobs_flow.storages.redis_bodies import RedisBodies
from jobs_flow.storages.redis_connection import Address, longest_block
from jobs_flow.storages.redis_live import RedisSubscription
from jobs_flow.storages.redis_runs import RedisRuns
from jobs_flow.storages.redis_timers import RedisTimers


class RedisStorage(RedisRuns, RedisTimers, RedisBodies, Storage):
    """Records in one Redis or Valkey server.

    ``url``: ``redis://``, ``rediss://`` or ``unix://``; redis-py's query parameters, and ``prefix``, are understood.
    """

    def __init__(self, url: str, *, prefix: str = "") -> None:
        address = Address.parse(url)
        self.url = address.url
        self.label = address.label
        self.prefix = prefix if address.prefix is None else address.prefix
        self._client = address.connect()

    # -- instances ---------------------------------------------------------------------------

    def create_instance(self, new: NewInstance) -> Instance:
        """Write the header and an ``inactive`` record for each path."""
        for argument, text in (("id", new.id), ("realm", new.realm), ("key", new.key or "")):
            if not codec.is_text(text):
                raise InvalidArgument(argument=argument, reason="half a surrogate pair cannot be stored")
        created = self._run(
            "create",
            new.id,
            new_token(),
            new.realm,
            "" if new.key is None else codec.key_field(new.workflow, new.realm, new.key),
            codec.counted(codec.header_fields(new)),
            codec.encode(new.tree),
            codec.encode(list(new.paths)),
            codec.counted(new.paths),
        )
        if created[0] is None:
            raise InstanceExists(instance_id=created[1].decode())
        return codec.instance(new.id, created[0])

    def get_instance(self, instance_id: str) -> Instance | None:
        """The header, or None."""
        return self.get_instances([instance_id])[0]

    def get_instances(self, instance_ids: Sequence[str]) -> list[Instance | None]:
        """The headers in the order asked for, in one round trip."""
        with self._reporting():
            pipe = self._client.pipeline(transaction=False)
            for instance_id in instance_ids:
                pipe.hgetall(self._key(f"workflow_{instance_id}"))
                pipe.hmget(self._key(f"workflowState_{instance_id}"), codec.STATE_FIELDS)
            replies = pipe.execute()
        pairs = zip(replies[::2], replies[1::2], strict=True)
        return [
            codec.instance(instance_id, (header, counts)) if header else None
            for instance_id, (header, counts) in zip(instance_ids, pairs, strict=True)
        ]

    def list_ids(self, *, realm: str | None = None, after: str | None = None, limit: int = 100) -> list[str]:
        """Ids in order of creation, newest first."""
        key = self._key("workflows" if realm is None else f"workflowsRealm_{realm}")
        with self._reporting():
            start = 0
            if after is not None:
                rank = self._client.zrevrank(key, codec.key(after))
                if rank is None:
                    return []
                start = cast(int, rank) + 1
            members = cast("list[bytes]", self._client.zrevrange(key, start, start + limit - 1))
        return [member.decode() for member in members]

    def get_tree(self, instance_id: str) -> list[dict[str, Any]] | None:
        """The description the instance was created with, or last updated to."""
        with self._reporting():
            text = self._client.hget(self._key(f"workflowTree_{instance_id}"), "tree")
        return codec.decode(text) if text is not None else None

    def find_key(self, workflow: str, key: str, *, realm: str = "") -> str | None:
        """The id of the instance of this workflow and realm that has ``key``, or None."""
        field = codec.key_field(workflow, realm, key)
        with self._reporting():
            found = cast("bytes | None", self._client.hget(self._key("workflowKeys"), field))
        return None if found is None else codec.name(found)

    def update_instance(self, new: NewInstance, *, revision: int) -> Instance | None:
        """Give an instance another definition."""
        reply = self._run(
            "update",
            new.id,
            new_token(),
            str(revision),
            codec.encode(new.workflow),
            codec.counted(codec.pairs(codec.definition_fields(new))),
            codec.encode(new.tree),
            codec.encode(list(new.paths)),
            codec.counted(new.paths),
        )
        match reply[0].decode():
            case "gone":
                raise InstanceNotFound(instance_id=new.id)
            case "working":
                raise InstanceBusy(instance_id=new.id, action="changing its tasks")
            case "exists":
                raise InstanceExists(instance_id=reply[1].decode())
            case "revision":
                return None
        return codec.instance(new.id, reply[1])

    def delete_instance(self, instance_id: str) -> Instance | None:
        """Remove an instance with all that was written for it."""
        reply = self._run("delete", instance_id, new_token())
        return None if reply is None else codec.instance(instance_id, reply)

    # -- reading -----------------------------------------------------------------------------

    def snapshot(self, instance_id: str) -> Snapshot | None:
        """Header, tree and all task views as of one sequence number."""
        reply = self._run("snapshot", instance_id)
        if reply is None:
            return None
        return Snapshot(codec.instance(instance_id, reply[0]), codec.decode(reply[1]), codec.decode(reply[2]))

    def get_task(self, instance_id: str, path: str) -> dict[str, Any] | None:
        """One record, decoded."""
        with self._reporting():
            fields = cast("dict[bytes, bytes]", self._client.hgetall(self._key(f"workflowTask_{instance_id}_{path}")))
        return codec.task(fields) if fields else None

    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Any]]:
        """Earlier attempts at a task, oldest first."""
        with self._reporting():
            texts = cast("list[bytes]", self._client.lrange(self._key(f"attempts_{instance_id}_{path}"), 0, -1))
        return [codec.decode(text) for text in texts]

    def get_inputs(self, instance_id: str, paths: Sequence[str]) -> dict[str, Input]:
        """What each of the paths hands on."""
        return codec.inputs(self._run("inputs", instance_id, codec.counted_keys(paths)))

    def get_logs(self, instance_id: str, paths: Sequence[str], *, last: int | None = None) -> dict[str, list[str]]:
        """Log lines by path, oldest first."""
        if last == 0:
            return {path: [] for path in paths}
        with self._reporting():
            pipe = self._client.pipeline(transaction=False)
            for path in paths:
                pipe.lrange(self._key(f"logs_{instance_id}_{path}"), -(last or 0), -1)
            replies = pipe.execute()
        return {path: [line.decode() for line in lines] for path, lines in zip(paths, replies, strict=True)}

    def events(self, instance_id: str, since: int) -> list[Event] | None:
        """The events after number ``since``, in order; None when some of them are no longer kept."""
        with self._reporting():
            pipe = self._client.pipeline(transaction=True)
            pipe.xrange(self._key(f"workflowEvents_{instance_id}"), min=f"{since + 1}-0")
            pipe.hget(self._key(f"workflowState_{instance_id}"), "seq")
            entries, latest = pipe.execute()
        found = codec.events(entries)
        if found:
            return found if found[0].seq == since + 1 else None
        return [] if int(latest or 0) <= since else None

    def wait_events(self, instance_id: str, since: int, timeout: float) -> list[Event] | None:
        """Like ``events``, but waits up to ``timeout`` seconds for the first one; [] when none came."""
        deadline = time.monotonic() + timeout
        key = self._key(f"workflowEvents_{instance_id}")
        while (left := deadline - time.monotonic()) > 0:
            block = max(1, int(1000 * min(left, longest_block(self._client))))
            with self._reporting():
                reply = cast("list[Any]", self._client.xread({key: f"{since}-0"}, block=block))
            if reply:
                found = codec.events(reply[0][1])
                return found if found[0].seq == since + 1 else None
        return self.events(instance_id, since)

    def subscribe(self) -> RedisSubscription:
        """A new subscription, to be used from the running event loop."""
        return RedisSubscription(self.url, prefix=self._key("workflowEvents_"))

    # -- the storage itself ------------------------------------------------------------------

    def ping(self) -> None:
        """Raise ``StorageUnavailable`` if the storage cannot be used."""
        with self._reporting():
            self._client.ping()

    def close(self) -> None:
        """Free connections."""
        self._client.close()
        self._client.connection_pool.disconnect()
