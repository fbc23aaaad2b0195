"""What callers hand in, checked: the same rules for every door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jobs_flow.errors import InvalidArgument
from jobs_flow.storages.bodies import check_size
from jobs_flow.storages.records import Json
from jobs_flow.workflows import json

#: Longest realm, name and key, in characters: what the Django app's columns hold.
TEXT_LIMIT = 200
#: Bytes of JSON that ``data`` and ``base_context`` of an instance may have together: every look at the instance reads
#: them. What is larger goes in as the argument of the run.
DEFINITION_LIMIT = 1024 * 1024


class Missing:
    """No argument was given, which is not the same as None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


def text_of(argument: Json | Missing) -> str | None:
    """The JSON text of an explicit argument, None when none was given. Raises ``NotJson``."""
    return None if isinstance(argument, Missing) else json.encode(argument, "the argument")


def checked_text(argument: str, value: str) -> str:
    """``value`` if it is short printable text. Raises ``InvalidArgument``."""
    if not isinstance(value, str):
        raise InvalidArgument(argument=argument, reason=f"it is text, not {type(value).__name__}")
    if len(value) > TEXT_LIMIT or not (value.isprintable() or not value):
        raise InvalidArgument(argument=argument, reason=f"it is at most {TEXT_LIMIT} printable characters")
    return value


def checked_context(base_context: Mapping[str, Json] | None) -> dict[str, Json]:
    """A copy of ``base_context``, as it will be read back. Raises ``InvalidArgument`` or ``NotJson``."""
    if base_context is None:
        return {}
    if not isinstance(base_context, Mapping):
        raise InvalidArgument(argument="base_context", reason=f"it is a dict, not {type(base_context).__name__}")
    checked: dict[str, Json] = json.decode(json.encode(dict(base_context), "base_context"))
    return checked


def check_definition(data: Json, base_context: Mapping[str, Json]) -> None:
    """Raise ``TooLarge`` for what is too long to be read with every look at the instance."""
    check_size("data with base_context", json.encode([data, base_context]), DEFINITION_LIMIT)
