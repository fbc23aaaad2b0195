"""The grammar of task paths: ``#`` is the root, ``#.load`` a root task, ``#.split.rain`` a subtask (feature S18).

A path is compared segment by segment, so ``#.task1`` is not within ``#.task10``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from jobs_flow.errors import InvalidPath

ROOT = "#"
SEPARATOR = "."
#: Longest name of a task, and longest path, in characters and as messages carry it: JSON that
#: escapes what is not ASCII. A message must stay under 8 KiB whatever the path is.
MAX_NAME = 100
MAX_PATH = 512
MAX_ESCAPED = 2048


def check_name(name: object) -> str | None:
    """Why ``name`` cannot name a task, or None when it can."""
    if not isinstance(name, str):
        return f"a task name is text, not {type(name).__name__}"
    if not name:
        return "a task needs a name"
    if len(name) > MAX_NAME:
        return f"the name is {len(name)} characters long, the limit is {MAX_NAME}"
    if SEPARATOR in name or ROOT in name:
        return f"the name {name!r} holds '.' or '#', which separate the parts of a path"
    if not name.isprintable():
        return f"the name {name!r} holds a control character"
    return None


def check_length(path: str) -> str | None:
    """Why ``path`` is too long, or None when it is not."""
    if len(path) > MAX_PATH:
        return f"it is longer than {MAX_PATH} characters"
    if not path.isascii() and len(json.dumps(path)) > MAX_ESCAPED:
        return f"it is longer than {MAX_ESCAPED} bytes, {len(json.dumps(path))}, as messages carry it"
    return None


def parse(path: str) -> tuple[str, ...]:
    """The names in ``path``; ``()`` for the root. Raises ``InvalidPath``."""
    if not isinstance(path, str):
        raise InvalidPath(path=repr(path), reason="it is not text")
    root, *names = path.split(SEPARATOR)
    if root != ROOT:
        raise InvalidPath(path=path[:MAX_PATH], reason="it does not start with '#'")
    if reason := check_length(path):
        raise InvalidPath(path=path[:MAX_PATH], reason=reason)
    for name in names:
        if reason := check_name(name):
            raise InvalidPath(path=path, reason=reason)
    return tuple(names)


def join(parent: str, *names: str) -> str:
    """The path of ``names`` below ``parent``."""
    return SEPARATOR.join((parent, *names))


def parent(path: str) -> str | None:
    """The path one level up, None for the root."""
    head, separator, _ = path.rpartition(SEPARATOR)
    return head if separator else None


def name(path: str) -> str:
    """The last name in ``path``; ``#`` for the root."""
    return path.rpartition(SEPARATOR)[2]


def depth(path: str) -> int:
    """The number of names in ``path``; 0 for the root."""
    return path.count(SEPARATOR)


def ancestors(path: str) -> Iterator[str]:
    """The paths above ``path``, nearest first, without the root."""
    above = parent(path)
    while above is not None and above != ROOT:
        yield above
        above = parent(above)


def is_within(path: str, ancestor: str) -> bool:
    """Whether ``path`` is ``ancestor`` or below it."""
    return path == ancestor or path.startswith(ancestor + SEPARATOR)
