"""Who executes: a Celery application's workers, or this process."""

from __future__ import annotations

from typing import Any

from jobs_flow.backends.base import Backend, Dispatch
from jobs_flow.backends.sync import SyncBackend
from jobs_flow.errors import ConfigurationError

__all__ = ["Backend", "Dispatch", "SyncBackend", "create_backend"]


def create_backend(name: str | Backend, app: Any = None) -> Backend:
    """The backend called ``celery`` or ``sync``. Raises ``ConfigurationError`` naming another (feature S69)."""
    if isinstance(name, Backend):
        return name
    if name == "sync":
        return SyncBackend()
    if name == "celery":
        # Imported here: a project that only uses the sync backend pays nothing for Celery.
        from jobs_flow.backends.celery.plugin import CeleryBackend

        return CeleryBackend(app)
    raise ConfigurationError(setting="backend", reason=f"{name!r} is no backend; there are celery and sync")
