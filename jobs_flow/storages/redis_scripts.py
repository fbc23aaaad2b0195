"""The Lua scripts of the Redis storage, and how they are run: by hash, and loaded again when the server lost them.

A script is made of what it uses of the shared parts and its own text. Every key is made in the scripts from
the prefix; a script touches keys of one prefix only, that of a partition (``redis_partitions``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, TypeAlias

import redis

from jobs_flow.errors import StorageUnavailable, TooLarge
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.records import (
    ATTEMPT_LOG_LINES,
    ATTEMPTS_KEPT,
    EPHEMERAL_KEPT,
    EVENTS_KEPT,
    LOG_LINES_KEPT,
    NOTICE_DELAY,
    TOMBSTONE_KEPT,
    VIEW_BODY_LIMIT,
)
from jobs_flow.storages.redis_connection import LEAST_BULK_LIMIT, Server, bulk_limit
from jobs_flow.storages.redis_partitions import Partitions

SCRIPTS = (
    *(
        "create",
        "update",
        "delete",
        "start",
        "revert",
        "claim",
        "renew",
        "grip",
        "complete",
        "retry",
        "release",
        "lose",
    ),
    *("cancel", "pause", "reset", "updaters", "write", "event", "begin_undo", "claim_undo", "end_undo"),
    *("add_body", "write_chunk", "remove_bodies"),
    *("elect", "resign", "due", "next_due", "settle", "postpone", "lanes", "overdue", "inputs", "snapshot"),
    *("figures", "headers", "time"),
)
#: What scripts have in common, in an order in which each uses only what is before it.
PARTS = ("common", "part_timers", "part_lanes", "part_attempts", "part_reset", "part_requeue", "part_inputs")

_LIMITS = {
    "ATTEMPTS_KEPT": ATTEMPTS_KEPT,
    "ATTEMPT_LOG_LINES": ATTEMPT_LOG_LINES,
    "EPHEMERAL_KEPT": EPHEMERAL_KEPT,
    "EVENTS_KEPT": EVENTS_KEPT,
    "LOG_LINES_KEPT": LOG_LINES_KEPT,
    "NOTICE_DELAY": NOTICE_DELAY,
    "TOMBSTONE_KEPT": TOMBSTONE_KEPT,
    "VIEW_BODY_LIMIT": VIEW_BODY_LIMIT,
}


#: Of a script: texts, and lists of them.
Arguments: TypeAlias = Sequence[str | bytes | Sequence[str | bytes]]


class RedisScripts:
    """What runs the scripts: a client, and the partitions that say what the keys begin with."""

    label: str
    _server: Server
    _partitions: Partitions

    @property
    def _client(self) -> redis.Redis:
        return self._server.client

    @property
    def _texts(self) -> dict[str, tuple[str, str]]:
        return _scripts(in_a_cluster=self._partitions.marker is not None)

    def _key(self, kind: str, instance_id: str, path: str | None = None) -> bytes:
        """The key of something of an instance, or of one of its tasks."""
        name = f"{self._partitions.of(instance_id)}{kind}_{instance_id}"
        return codec.key(name if path is None else f"{name}_{path}")

    def _run(self, script: str, instance_id: str, *arguments: str | bytes | Sequence[str | bytes]) -> Any:
        """The answer of a script about one instance."""
        prefix = self._partitions.of(instance_id)
        flat: list[str | bytes] = [prefix, codec.key(instance_id), *_flatten(arguments)]
        try:
            with self._reporting():
                return self._evaluate(script, codec.key(f"{prefix}workflow_{instance_id}"), flat)
        except (StorageUnavailable, redis.exceptions.ResponseError) as error:
            # To a value over its limit the server says so and hangs up; which of the two is noticed is chance.
            size = max(len(part if isinstance(part, bytes) else part.encode()) for part in flat)
            limit = bulk_limit(self._client) if size > LEAST_BULK_LIMIT else None
            if limit is None or size <= limit:
                raise
            raise TooLarge(where=f"A value of instance {instance_id}", size=size, limit=limit) from error

    def _run_in(self, prefix: str, script: str, *arguments: str | bytes | Sequence[str | bytes]) -> Any:
        """The answer of a script about timers, lanes, roles or several instances of one partition."""
        return self._run_each(script, {prefix: arguments})[prefix]

    def _run_all(self, script: str, *arguments: str | bytes | Sequence[str | bytes]) -> list[Any]:
        """The answers of every partition, in their order."""
        calls = dict.fromkeys(self._partitions.prefixes, arguments)
        return list(self._run_each(script, calls).values())

    def _run_each(self, script: str, calls: Mapping[str, Arguments]) -> dict[str, Any]:
        """The answers of partitions to a script, each with arguments of its own, by what their keys begin with."""
        flat = [(codec.key(f"{prefix}workflowTimers"), [prefix, "", *_flatten(calls[prefix])]) for prefix in calls]
        with self._reporting():
            answers = [self._evaluate(script, *flat[0])] if len(flat) == 1 else self._evaluate_each(script, flat)
        return dict(zip(calls, answers, strict=True))

    def _parted(self, instance_ids: Sequence[str]) -> dict[str, list[int]]:
        """The places of the ids in that list, by what the keys of their partition begin with."""
        found: dict[str, list[int]] = {}
        for place, instance_id in enumerate(instance_ids):
            found.setdefault(self._partitions.of(instance_id), []).append(place)
        return found

    def _run_parted(self, script: str, calls: Mapping[str, Arguments], parts: Mapping[str, Sequence[int]]) -> list[Any]:
        """The answers of partitions to a script that gives one for each id, in the places that ``_parted`` says."""
        replies = self._run_each(script, calls)
        found = [None] * sum(map(len, parts.values()))
        for prefix, places in parts.items():
            for place, answer in zip(places, replies[prefix], strict=True):
                found[place] = answer
        return found

    def _evaluate(self, script: str, key: bytes, arguments: Sequence[str | bytes]) -> Any:
        text, digest = self._texts[script]
        client = self._client
        try:
            return client.evalsha(digest, 1, key, *arguments)
        except redis.exceptions.NoScriptError:
            # That loads it too, and in the very node of a cluster that has to have it.
            return client.eval(text, 1, key, *arguments)

    def _evaluate_each(self, script: str, calls: Sequence[tuple[bytes, Sequence[str | bytes]]]) -> list[Any]:
        """The answers of several partitions of a cluster, asked at the same time."""
        client: Any = self._client
        digest = self._texts[script][1]
        pipe = client.pipeline()
        for key, arguments in calls:
            # Else the driver would ask the server which of the words are keys.
            node = client.get_node_from_key(key)
            pipe.execute_command("EVALSHA", digest, 1, key, *arguments, target_nodes=node)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        for place, answer in enumerate(answers):
            if isinstance(answer, redis.exceptions.NoScriptError):
                answers[place] = self._evaluate(script, *calls[place])
            elif isinstance(answer, Exception):
                raise answer
        return answers

    def _reporting(self) -> AbstractContextManager[None]:
        return self._server.reporting()


def _flatten(arguments: Iterable[str | bytes | Sequence[str | bytes]]) -> Iterable[str | bytes]:
    for argument in arguments:
        if isinstance(argument, str | bytes):
            yield argument
        else:
            yield from argument


@cache
def _scripts(*, in_a_cluster: bool) -> dict[str, tuple[str, str]]:
    """The text of each script, and the hash that the server knows it by."""
    folder = files("jobs_flow.storages").joinpath("lua")

    def text(name: str) -> str:
        return folder.joinpath(f"{name}.lua").read_text("utf-8")

    shared = "".join(f"local {name} = {value}\n" for name, value in _LIMITS.items()) + "".join(map(text, PARTS))
    first = text("unmoved") if in_a_cluster else ""
    made = {name: first + with_what_it_uses(text(name), shared) for name in SCRIPTS}
    return {name: (script, sha1(script.encode(), usedforsecurity=False).hexdigest()) for name, script in made.items()}


def with_what_it_uses(script: str, shared: str) -> str:
    """A script after those declarations of ``shared`` that it uses, itself or through them.

    The server makes each function anew at each call, which costs about a microsecond: half of what a claim takes,
    were all of them made. A declaration begins with ``local`` at the beginning of a line.
    """
    lines = [line for line in shared.splitlines(keepends=True) if not line.startswith("--")]
    declarations = re.split(r"^(?=local )", "".join(lines), flags=re.MULTILINE)
    kept, used = [script], set(_WORD.findall(script))
    for declaration in reversed(declarations):
        names = _DECLARED.match(declaration)
        if names is not None and used.intersection(_WORD.findall(names[1])):
            kept.append(declaration)
            used.update(_WORD.findall(declaration))
    return "".join(reversed(kept))


_WORD = re.compile(r"\w+")
#: The name of a function, or the names of variables.
_DECLARED = re.compile(r"local (?:function )?([\w, ]*)")
