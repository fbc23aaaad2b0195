"""The ``JOBS_FLOW`` setting: typed, with its defaults, read when it is first needed.

``get_settings().STORAGE``: the attributes are the keys of the dict. An unknown key or a value of the
wrong type is a ``ConfigurationError`` that names the key; nothing is ever ignored in silence.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages import Storage

SETTING = "JOBS_FLOW"
BACKENDS = ("celery", "sync")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the project says in ``JOBS_FLOW``; every key has a default."""

    STORAGE: str | Storage = "redis://localhost:6379/0"
    """Where records live: ``redis://``, ``rediss://``, ``unix://``, ``dynamodb://`` or ``memory://``."""
    BODIES: str | None = None
    """Where values go that are too long for a record: an alias of Django's ``STORAGES``; None: into ``STORAGE``."""
    BACKEND: str = "celery"
    """Who executes: ``celery`` (workers) or ``sync`` (the calling process, no broker)."""
    CELERY_APP: str | None = None
    """The Celery app as ``celery -A`` takes it (``proj``, ``proj.celery:app``); None: the current one."""
    AUTHORIZE: str | None = None
    """Dotted path of ``callable(user, action, instance) -> bool``; None: Django's permissions and the owner."""
    WEBSOCKET_PATH: str = "ws/jobs-flow/"
    """Path of the socket below the host, without a leading slash."""
    SOCKET_MESSAGE_BYTES: int = 64 * 1024
    """Bytes of one request of a client."""
    SOCKET_WATCHES: int = 200
    """Instances that one socket may watch."""
    SOCKET_REQUESTS_PER_SECOND: int = 50
    """Requests of one socket that are answered in a second, after a first burst; the rest wait."""
    SOCKET_STARTS_PER_MINUTE: int = 120
    """Runs that one socket may start, and instances that it may create; over HTTP one session or user."""
    SOCKETS_PER_USER: int = 100
    """Sockets and streams of events that one user may have open in one process."""


def key_name(key: object) -> str:
    """How errors call one key of the setting."""
    return f"{SETTING}[{key!r}]"


@cache
def get_settings() -> Settings:
    """The project's settings; raises ``ConfigurationError`` for anything that is not right."""
    return parse(getattr(django_settings, SETTING, {}))


def parse(value: Any) -> Settings:
    """``value`` as settings; raises ``ConfigurationError``."""
    if not isinstance(value, dict):
        raise ConfigurationError(setting=SETTING, reason=f"it must be a dict, not {type(value).__name__}.")
    known = {field.name: field for field in fields(Settings)}
    for key, given in value.items():
        if key not in known:
            raise ConfigurationError(setting=key_name(key), reason=_unknown(key, list(known)))
        reason = _objection(known[key].default, given, own=key == "STORAGE" and isinstance(given, Storage))
        if reason is not None:
            raise ConfigurationError(setting=key_name(key), reason=reason)
    parsed = Settings(**value)
    if parsed.BACKEND not in BACKENDS:
        raise ConfigurationError(
            setting=key_name("BACKEND"), reason=f"there is no backend {parsed.BACKEND!r}; use {' or '.join(BACKENDS)}."
        )
    if parsed.WEBSOCKET_PATH.startswith("/"):
        raise ConfigurationError(setting=key_name("WEBSOCKET_PATH"), reason="it must not begin with a slash.")
    return parsed


def _objection(default: object, given: object, *, own: bool) -> str | None:
    """What is wrong with the value of a key, which is to be of the kind of its default."""
    kind = type(given).__name__
    if isinstance(default, int):
        if isinstance(given, bool) or not isinstance(given, int):
            return f"it must be an integer, not {kind}."
        return None if given > 0 else f"it must be at least 1, not {given}."
    if own or (default is None and given is None):
        return None
    if not isinstance(given, str):
        return f"it must be {'a string or None' if default is None else 'a string'}, not {kind}."
    return None if given else "it is empty."


def _unknown(key: object, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key).upper(), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"there is no such key.{hint} Known keys: {', '.join(known)}."


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    """Tests change settings: read them again, and build ``jobs`` again."""
    if setting == SETTING:
        from jobs_flow_django import jobs

        get_settings.cache_clear()
        jobs.forget()
