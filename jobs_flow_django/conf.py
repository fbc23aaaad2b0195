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
        optional = known[key].default is None
        own = key == "STORAGE" and isinstance(given, Storage)
        if not (isinstance(given, str) or own or (optional and given is None)):
            expected = "a string or None" if optional else "a string"
            raise ConfigurationError(
                setting=key_name(key), reason=f"it must be {expected}, not {type(given).__name__}."
            )
        if given == "":
            raise ConfigurationError(setting=key_name(key), reason="it is empty.")
    parsed = Settings(**value)
    if parsed.BACKEND not in BACKENDS:
        raise ConfigurationError(
            setting=key_name("BACKEND"), reason=f"there is no backend {parsed.BACKEND!r}; use {' or '.join(BACKENDS)}."
        )
    if parsed.WEBSOCKET_PATH.startswith("/"):
        raise ConfigurationError(setting=key_name("WEBSOCKET_PATH"), reason="it must not begin with a slash.")
    return parsed


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
