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
  and ``workflowExpiries`` (by the time they come due), ``workflowLanes`` (with their marks), ``workflowLane_<lane>``
  and ``workflowLaneLater_<lane>`` (queued tasks), ``workflowsCreated`` (the latest place in that order),
  ``workflowRole_<role>`` (who was elected).

In a cluster a script may touch keys of one slot only. So there are partitions (``redis_partitions``), each with all of
the above behind a name of its own after the prefix, ``{<name>}:``; an instance is in the partition that its id says,
one with a key in that of realm and key. What is about all instances asks every partition and puts the answers together.
``workflowPartitions`` says how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from typing import Any, cast

import redis

from jobs_flow.errors import InstanceBusy, InstanceExists, InstanceNotFound, InvalidArgument
from jobs_flow.ids import new_token
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event, Input, Instance, NewInstance, Snapshot
from jobs_flow.storages.redis_addresses import Address
from jobs_flow.storages.redis_bodies import RedisBodies
from jobs_flow.storages.redis_connection import connect, evictions
from jobs_flow.storages.redis_live import RedisSubscription
from jobs_flow.storages.redis_partitions import Partitions
from jobs_flow.storages.redis_runs import RedisRuns
from jobs_flow.storages.redis_timers import RedisTimers
from jobs_flow.storages.texts import check_names

#: Records that a script looks at where nobody needs them as of one moment: a few milliseconds in which others wait.
PATHS_A_SCRIPT = 1_000


class RedisStorage(RedisRuns, RedisTimers, RedisBodies, Storage):
    """Records in a Redis or Valkey server, or in several that belong together.

    ``url``: ``redis://``, ``rediss://`` (TLS) or ``unix://``; ``redis://host:port,host:port/?cluster=true`` for a
    cluster, with ``&partitions=`` (16) for good; ``redis+sentinel://host:port,host:port/name/0``, or with ``rediss``,
    for the master that sentinels know by that name, with ``sentinel_username`` and ``sentinel_password`` if they ask
    for them. Other parameters are ``prefix``, and redis-py's.

    Replicas are behind their master by a moment: of what was written in the last moment before a failover, some
    may be gone. A task whose end was lost is run again when its lease is over.
    """

    def __init__(self, url: str, *, prefix: str = "") -> None:
        self.address = Address.parse(url)
        self.url = self.address.url
        self.label = self.address.label
        self.prefix = prefix if self.address.prefix is None else self.address.prefix
        self._partitions = Partitions(self.prefix, self.address.partitions)
        self._server = connect(self.address, self._partitions)

    # -- instances ---------------------------------------------------------------------------

    def new_id(self, *, realm: str = "", key: str | None = None) -> str:
        """An id for a new instance, of the partition of its key if it has one."""
        return self._partitions.new_id(realm, key)

    def create_instance(self, new: NewInstance) -> Instance:
        """Write the header and an ``inactive`` record for each path."""
        check_names(new)
        if new.key is not None and self._partitions.of(new.id) != self._partitions.of_key(new.realm, new.key):
            raise InvalidArgument(argument="id", reason="an id for this realm and key comes from new_id(realm=, key=)")
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
        parts = self._parted(instance_ids)
        calls = {prefix: [codec.counted_keys(instance_ids[place] for place in parts[prefix])] for prefix in parts}
        replies = self._run_parted("headers", calls, parts)
        return [
            None if reply is None else codec.instance(instance_id, reply)
            for instance_id, reply in zip(instance_ids, replies, strict=True)
        ]

    def list_ids(self, *, realm: str | None = None, after: str | None = None, limit: int = 100) -> list[str]:
        """Ids in order of creation, newest first."""
        name = "workflows" if realm is None else f"workflowsRealm_{realm}"
        cursor: tuple[float, bytes] = (inf, b"")
        with self._reporting():
            if after is not None:
                position = self._client.zscore(codec.key(self._partitions.of(after) + name), codec.key(after))
                if position is None:
                    return []
                cursor = (position, codec.key(after))
            pipe = self._client.pipeline(transaction=False)
            for prefix in self._partitions.prefixes:
                # One more: that of the cursor itself.
                key, most = codec.key(prefix + name), "+inf" if after is None else f"{cursor[0]:.0f}"
                pipe.zrevrangebyscore(key, most, "-inf", start=0, num=limit + 1, withscores=True)
            replies = cast("list[list[tuple[bytes, float]]]", pipe.execute())
        found = sorted(((position, member) for reply in replies for member, position in reply), reverse=True)
        return [member.decode() for place in found if place < cursor for member in place[1:]][:limit]

    def get_tree(self, instance_id: str) -> list[dict[str, Any]] | None:
        """The description the instance was created with, or last updated to."""
        with self._reporting():
            text = self._client.hget(self._key("workflowTree", instance_id), "tree")
        return codec.decode(text) if text is not None else None

    def find_key(self, workflow: str, key: str, *, realm: str = "") -> str | None:
        """The id of the instance of this workflow and realm that has ``key``, or None."""
        field = codec.key_field(workflow, realm, key)
        place = codec.key(f"{self._partitions.of_key(realm, key)}workflowKeys")
        with self._reporting():
            found = cast("bytes | None", self._client.hget(place, field))
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

    def delete_instance(self, instance_id: str, *, rested: int | None = None) -> Instance | None:
        """Remove an instance with all that was written for it."""
        reply = self._run("delete", instance_id, new_token(), codec.optional(rested))
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
            fields = cast("dict[bytes, bytes]", self._client.hgetall(self._key("workflowTask", instance_id, path)))
        return codec.task(fields) if fields else None

    def get_figures(self, instance_id: str, paths: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of TASK_FIGURES that are asked for, of each of the paths that has a record."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(paths), PATHS_A_SCRIPT):
            part = paths[start : start + PATHS_A_SCRIPT]
            reply = self._run("figures", instance_id, codec.counted(names), codec.keys(part))
            found |= codec.figures(part, names, reply)
        return found

    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Any]]:
        """Earlier attempts at a task, oldest first."""
        with self._reporting():
            texts = cast("list[bytes]", self._client.lrange(self._key("attempts", instance_id, path), 0, -1))
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
                pipe.lrange(self._key("logs", instance_id, path), -(last or 0), -1)
            replies = pipe.execute()
        return {path: [line.decode() for line in lines] for path, lines in zip(paths, replies, strict=True)}

    def events(self, instance_id: str, since: int) -> list[Event] | None:
        """The events after number ``since``, in order; None when some of them are no longer kept."""
        with self._reporting():
            pipe = self._client.pipeline(transaction=False)
            # In this order: what is written in between is found, and else would seem to be missing.
            pipe.hget(self._key("workflowState", instance_id), "seq")
            pipe.xrange(self._key("workflowEvents", instance_id), min=f"{since + 1}-0")
            latest, entries = pipe.execute()
        found = codec.events(entries)
        if found:
            return found if found[0].seq == since + 1 else None
        return [] if int(latest or 0) <= since else None

    def wait_events(self, instance_id: str, since: int, timeout: float) -> list[Event] | None:
        """Like ``events``, but waits up to ``timeout`` seconds for the first one; [] when none came."""
        deadline = time.monotonic() + timeout
        key = self._key("workflowEvents", instance_id)
        while (left := deadline - time.monotonic()) > 0:
            block = max(1, int(1000 * min(left, self.address.longest_block)))
            with self._reporting():
                reply = cast("list[Any]", self._client.xread({key: f"{since}-0"}, block=block))
            if reply:
                found = codec.events(reply[0][1])
                return found if found[0].seq == since + 1 else None
        return self.events(instance_id, since)

    def subscribe(self) -> RedisSubscription:
        """A new subscription, to be used from the running event loop."""
        return RedisSubscription(self.address, self._partitions)

    # -- the storage itself ------------------------------------------------------------------

    def now(self) -> int:
        """Epoch milliseconds on the server's clock."""
        return int(self._run_in(self._partitions.prefixes[0], "time"))

    def ping(self) -> None:
        """Raise ``StorageUnavailable`` if the storage cannot be used."""
        with self._reporting():
            self._client.ping()

    def cautions(self) -> list[str]:
        """Whether the server, or one of the cluster, may remove records to make room."""
        with self._reporting():
            try:
                found = map(evictions, self._server.memory())
            except redis.exceptions.NoPermissionError:
                return []
        return sorted({text for text in found if text is not None})

    def close(self) -> None:
        """Free connections."""
        self._server.close()
