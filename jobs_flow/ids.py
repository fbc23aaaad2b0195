"""Identifiers: time-ordered for instances, derived for messages."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_RANDOM_BITS = 74
_lock = threading.Lock()
_last = 0


def new_instance_id() -> str:
    """A fresh instance id: the text of a version 7 UUID (RFC 9562), so ids sort by time of creation.

    74 bits are random, so an id cannot be guessed. The ids of one process sort in the order they were
    made even within a millisecond: there each adds a random step to the one before (method 2 of the RFC).
    """
    global _last
    with _lock:
        now = time.time_ns() // 1_000_000 << _RANDOM_BITS
        if now > _last:
            _last = now | secrets.randbits(_RANDOM_BITS)
        else:
            _last += 1 + secrets.randbits(40)
        value = _last
    milliseconds, high, low = value >> 74, value >> 62 & 0xFFF, value & (1 << 62) - 1
    return str(uuid.UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low))


def message_id(instance_id: str, path: str, run: int, kind: str = "step") -> str:
    """The Celery task id of a step, known before it is published and the same at each publication."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"jobs-flow:{kind}:{instance_id}:{run}:{path}"))


def new_token() -> str:
    """A fencing token: who holds it may write the record it was granted for."""
    return secrets.token_hex(8)
