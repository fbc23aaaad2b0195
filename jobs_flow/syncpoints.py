"""Named places in the engine at which a test may stop, kill or disturb a process.

Nothing happens at them unless a handler is installed, here or by the environment of a process:
``JOBS_FLOW_SYNC_POINTS="module:function"``, which is called with the name of the place and its details.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

Handler = Callable[..., Any]

#: Every place, in the order in which a step comes to them.
NAMES = (
    "jobs.create",
    "jobs.created",
    "jobs.start",
    "jobs.started",
    "jobs.published",
    "step.claim",
    "step.claimed",
    "step.performed",
    "step.recorded",
    "step.reported",
    "step.publish",
    "step.published",
    "recovery.sweep",
    "recovery.taken",
    "recovery.publish",
)

_handler: Handler | None = None


def install(handler: Handler | None) -> None:
    """Have ``handler(name, *details)`` called at each place; None: at none."""
    global _handler
    _handler = handler


def reach(name: str, *details: Any) -> None:
    """Be at a place."""
    if _handler is not None:
        _handler(name, *details)


def _from_environment() -> None:
    named = os.environ.get("JOBS_FLOW_SYNC_POINTS")
    if named:
        module, _, function = named.partition(":")
        install(getattr(importlib.import_module(module), function))


_from_environment()
