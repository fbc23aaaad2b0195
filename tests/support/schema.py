"""The protocol's JSON Schema, as tests hold both sides against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema import Draft202012Validator

from jobs_flow_django.live import protocol

PATH = Path(protocol.__file__).with_name("protocol.schema.json")
SCHEMA: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
DEFINITIONS: dict[str, Any] = SCHEMA["$defs"]


@cache
def validator(name: str) -> Draft202012Validator:
    """Of one definition."""
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": DEFINITIONS})


@cache
def by_type(union: str) -> Mapping[str, str]:
    """The definitions of ``Request`` or ``Message`` by the type that they are about."""
    names = [option["$ref"].rpartition("/")[2] for option in DEFINITIONS[union]["oneOf"]]
    return {DEFINITIONS[name]["properties"]["type"]["const"]: name for name in names}


def check_message(message: Mapping[str, Any]) -> None:
    """Fail unless the server may send it."""
    check(by_type("Message").get(message["type"], "Message"), message)


def check(name: str, value: Any) -> None:
    """Fail unless a value is as a definition says."""
    try:
        validator(name).validate(value)
    except jsonschema.ValidationError as error:
        where = "".join(f"[{part!r}]" for part in error.absolute_path)
        raise AssertionError(f"{name}{where} is not as the schema says: {error.message[:500]}") from None


def accepts_request(value: Any) -> bool:
    """Whether the schema takes it for a request."""
    kind = value.get("type") if isinstance(value, dict) else None
    name = by_type("Request").get(kind) if isinstance(kind, str) else None
    # The options differ in their type alone.
    return name is not None and validator(name).is_valid(value)
