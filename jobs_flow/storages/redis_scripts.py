"""The Lua scripts of the Redis storage, and how they are run: by hash, and loaded again when the server lost them.

A script is made of what it uses of the shared parts and its own text. Every key is made in the scripts from
the prefix; a script touches keys of one prefix only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.resources import files
from typing import Any

import redis
from redis.commands.core import Script

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
from jobs_flow.storages.redis_connection import LEAST_BULK_LIMIT, bulk_limit, reporting

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


class RedisScripts:
    """What runs the scripts: a client, and the prefix of every key."""

    label: str
    prefix: str
    _client: redis.Redis

    def _key(self, name: str) -> bytes:
        return codec.key(self.prefix + name)

    def _run(self, script: str, instance_id: str, *arguments: str | bytes | Sequence[str | bytes]) -> Any:
        """The answer of a script about one instance."""
        flat: list[str | bytes] = [self.prefix, codec.key(instance_id), *_flatten(arguments)]
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

    def _run_index(self, script: str, *arguments: str | bytes | Sequence[str | bytes]) -> Any:
        """The answer of a script about timers, lanes or roles, whichever instances they are of."""
        with self._reporting():
            keys = [self._key("workflowTimers")]
            return self._scripts[script](keys=keys, args=[self.prefix, "", *_flatten(arguments)])

    @cached_property
    def _scripts(self) -> dict[str, Callable[..., Any]]:
        return dict(_register(self._client))

    def _reporting(self) -> AbstractContextManager[None]:
        return reporting(self.label)


def _flatten(arguments: Iterable[str | bytes | Sequence[str | bytes]]) -> Iterable[str | bytes]:
    for argument in arguments:
        if isinstance(argument, str | bytes):
            yield argument
        else:
            yield from argument


def _register(client: redis.Redis) -> Iterable[tuple[str, Script]]:
    folder = files("jobs_flow.storages").joinpath("lua")

    def text(name: str) -> str:
        return folder.joinpath(f"{name}.lua").read_text("utf-8")

    shared = "".join(f"local {name} = {value}\n" for name, value in _LIMITS.items()) + "".join(map(text, PARTS))
    for name in SCRIPTS:
        yield name, client.register_script(with_what_it_uses(text(name), shared))


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
