"""Records in Redis or Valkey: one Lua script a transition, so a transition is one atomic round trip.

Keys, behind a configurable prefix (features, key layout): ``workflow_<id>`` the header and
``workflowTask_<id>_<path>`` a record, hashes whose values are JSON; ``logs_<id>_<path>`` a list of
lines; and of our own ``workflowState_<id>`` (counters, joins, clock), ``workflowTree_<id>``,
``workflowEvents_<id>`` (a stream whose entry ids are the sequence numbers; also the name of the
channel each event is published on), ``workflows`` and ``workflowsRealm_<realm>`` (sorted sets).

Scripts are sent by hash and loaded again when the server has lost them (a restart, SCRIPT FLUSH).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.resources import files
from typing import Any, cast

import redis
from redis.commands.core import Script

from jobs_flow.errors import (
    CannotStart,
    InstanceExists,
    InstanceNotFound,
    InvalidArgument,
    StorageUnavailable,
    TooLarge,
)
from jobs_flow.ids import new_token
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import (
    EVENTS_KEPT,
    LOG_LINES_KEPT,
    VIEW_BODY_LIMIT,
    Claim,
    Completed,
    Event,
    Flow,
    Input,
    Instance,
    NewInstance,
    Outcome,
    RunSelection,
    Snapshot,
    Started,
)
from jobs_flow.storages.redis_connection import LEAST_BULK_LIMIT, Address, bulk_limit, longest_block, reporting
from jobs_flow.storages.redis_live import RedisSubscription


class RedisStorage(Storage):
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
        for argument, text in (("id", new.id), ("realm", new.realm)):
            if not codec.is_text(text):
                raise InvalidArgument(argument=argument, reason="half a surrogate pair cannot be stored")
        tree = codec.encode(new.tree), codec.encode(list(new.paths))
        fields = codec.counted(codec.header_fields(new))
        created = self._run("create", new.id, new_token(), new.realm, fields, *tree, codec.counted(new.paths))
        if created is None:
            raise InstanceExists(instance_id=new.id)
        return codec.instance(new.id, created)

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
        """The description the instance was created with, or None."""
        with self._reporting():
            text = self._client.hget(self._key(f"workflowTree_{instance_id}"), "tree")
        return codec.decode(text) if text is not None else None

    # -- runs and tasks ----------------------------------------------------------------------

    def start_run(self, instance_id: str, selection: RunSelection, *, expect_run: int | None = None) -> Started:
        """Begin a run."""
        joins = [part for path, count in selection.joins.items() for part in (path, str(count))]
        reply = self._run(
            "start",
            instance_id,
            new_token(),
            "" if expect_run is None else str(expect_run),
            selection.argument or "",
            codec.counted(selection.paths),
            codec.counted(selection.heads),
            codec.counted(joins),
        )
        match reply[0].decode():
            case "gone":
                raise InstanceNotFound(instance_id=instance_id)
            case "working":
                raise CannotStart(instance_id=instance_id, path="#", reason="a run is going on")
            case "run":
                reason = f"run {expect_run} was asked for, the next one is {int(reply[1])}"
                raise CannotStart(instance_id=instance_id, path="#", reason=reason)
        return Started(int(reply[1]), int(reply[2]))

    def revert_run(self, instance_id: str, run: int, error: Mapping[str, Any]) -> bool:
        """Undo the start of a run of which nothing was published or claimed."""
        return bool(self._run("revert", instance_id, new_token(), str(run), codec.encode(error)))

    def claim(
        self,
        instance_id: str,
        path: str,
        run: int,
        *,
        token: str,
        worker: str,
        revision: int | None,
        inputs: Sequence[str],
    ) -> Claim:
        """Take a queued task."""
        known = "" if revision is None else str(revision)
        reply = self._run(
            "claim", instance_id, codec.key(path), str(run), token, worker, known, codec.counted_keys(inputs)
        )
        return codec.claim(instance_id, reply)

    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        """Record an outcome once, count it down in its blocks, and queue what follows."""
        if token == "":
            # To the script that would be no token, which may write whoever holds the record.
            return Completed(recorded=False)
        joins = [part for block, tolerated in flow.joins for part in (block, "1" if tolerated else "")]
        reply = self._run(
            "complete",
            instance_id,
            codec.key(path),
            str(run),
            token or "",
            *codec.outcome_fields(outcome),
            codec.counted(outcome.logs),
            codec.counted(flow.children),
            codec.counted(flow.subtree),
            codec.counted(joins),
            flow.following or "",
        )
        if not reply[0]:
            return Completed(recorded=False)
        return Completed(
            recorded=True,
            seq=int(reply[1]),
            finished=codec.decode(reply[2]) if reply[2] else None,
            queued=tuple(path.decode() for path in reply[3]),
        )

    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> bool:
        """Record progress of a running task."""
        parts = ["" if part is None else codec.encode(part) for part in (value, text)]
        return self._write(instance_id, path, run, token, *parts, codec.counted(()))

    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> bool:
        """Append log lines of a running task."""
        return self._write(instance_id, path, run, token, "", "", codec.counted(lines))

    def _write(self, instance_id: str, path: str, run: int, token: str, *what: str | list[str]) -> bool:
        return bool(self._run("write", instance_id, new_token(), codec.key(path), str(run), token, *what))

    def add_event(self, instance_id: str, data: Mapping[str, Any]) -> int | None:
        """Append an event that changes no record."""
        reply = self._run("event", instance_id, new_token(), codec.encode(data))
        return int(reply) if reply is not None else None

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

    def _key(self, name: str) -> bytes:
        return codec.key(self.prefix + name)

    def _run(self, script: str, instance_id: str, *arguments: str | bytes | Sequence[str | bytes]) -> Any:
        flat: list[str | bytes] = [self.prefix, codec.key(instance_id)]
        for argument in arguments:
            if isinstance(argument, str | bytes):
                flat.append(argument)
            else:
                flat.extend(argument)
        try:
            with self._reporting():
                return self._scripts[script](keys=[self._key(f"workflow_{instance_id}")], args=flat)
        except (StorageUnavailable, redis.exceptions.ResponseError) as error:
            # To a value over its limit the server says so and hangs up; which of the two is noticed is chance.
            size = max(len(part if isinstance(part, bytes) else part.encode()) for part in flat)
            limit = bulk_limit(self._client) if size > LEAST_BULK_LIMIT else None
            if limit is None or size <= limit:
                raise
            raise TooLarge(where=f"A value of instance {instance_id}", size=size, limit=limit) from error

    @cached_property
    def _scripts(self) -> dict[str, Callable[..., Any]]:
        return dict(_load_scripts(self._client))

    def _reporting(self) -> AbstractContextManager[None]:
        return reporting(self.label)


def _load_scripts(client: redis.Redis) -> Iterable[tuple[str, Script]]:
    folder = files("jobs_flow.storages").joinpath("lua")
    limits = {"EVENTS_KEPT": EVENTS_KEPT, "LOG_LINES_KEPT": LOG_LINES_KEPT, "VIEW_BODY_LIMIT": VIEW_BODY_LIMIT}
    prelude = "".join(f"local {name} = {value}\n" for name, value in limits.items())
    prelude += folder.joinpath("common.lua").read_text("utf-8")
    for name in ("create", "start", "revert", "claim", "complete", "write", "event", "inputs", "snapshot"):
        yield name, client.register_script(prelude + folder.joinpath(f"{name}.lua").read_text("utf-8"))
