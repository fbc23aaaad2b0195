"""Identifiers: time-ordered for instances, derived for messages."""

from __future__ import annotations

import secrets
import time
import uuid


def new_instance_id() -> str:
    """A fresh instance id: the text of a version 7 UUID (RFC 9562), so ids sort by time of creation.

    74 bits are random, so an id cannot be guessed.
    """
    milliseconds = time.time_ns() // 1_000_000 & (1 << 48) - 1
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def message_id(instance_id: str, path: str, run: int, kind: str = "step") -> str:
    """The Celery task id of a step, known before it is published and the same at each publication."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"jobs-flow:{kind}:{instance_id}:{run}:{path}"))


def new_token() -> str:
    """A fencing token: who holds it may write the record it was granted for."""
    return secrets.token_hex(8)
