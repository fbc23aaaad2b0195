"""System checks: what will not work, said by ``manage.py check`` and before any server starts."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's name
from django.core.files.storage import FileSystemStorage
from django.core.management import get_commands
from django.utils.module_loading import import_string

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages import create_storage
from jobs_flow_django.conf import Settings, get_settings, key_name

CELERY_PREFIX = "CELERY_JOBS_FLOW_"


@register()
def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Messages about the ``JOBS_FLOW`` setting and what it relies on."""
    try:
        settings = get_settings()
    except ConfigurationError as error:
        return [Error(str(error), id="jobs_flow_django.E001")]
    return [
        *_check_storage(settings),
        *_check_authorize(settings),
        *_check_bodies(settings),
        *(_check_celery(settings) if settings.BACKEND == "celery" else ()),
        *_check_channels(),
        *_check_runserver(),
        *_check_layer(settings),
    ]


@register("jobs_flow", deploy=True)
def check_storage(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Messages about the storage's server, which only ``check --deploy`` connects to."""
    try:
        settings = get_settings()
        storage = create_storage(settings.STORAGE)
    except ConfigurationError:
        return []  # what check_settings says
    try:
        return [
            Warning(
                f"The storage {storage.label}: {text}.",
                hint="Each worker says the same in its log when it starts.",
                id="jobs_flow_django.W006",
            )
            for text in storage.cautions()
        ]
    except StorageUnavailable as error:
        return [
            Warning(
                f"{error.message}",
                hint=f"See whether {key_name('STORAGE')} names the storage of the deployment, and whether it runs.",
                id="jobs_flow_django.W007",
            )
        ]
    finally:
        if storage is not settings.STORAGE:
            storage.close()


def _check_storage(settings: Settings) -> list[CheckMessage]:
    """Whether the URL names a storage that can be used; connects to nothing."""
    try:
        storage = create_storage(settings.STORAGE)
    except ConfigurationError as error:
        said = (
            ConfigurationError(setting=key_name("STORAGE"), reason=error.reason)
            if error.setting == "storage"
            else error
        )
        return [Error(str(said), id="jobs_flow_django.E007")]
    if storage is not settings.STORAGE:
        storage.close()
    return []


def _check_authorize(settings: Settings) -> list[CheckMessage]:
    if settings.AUTHORIZE is None:
        return []
    try:
        reason = _not_a_rule(import_string(settings.AUTHORIZE))
    except ImportError as error:
        reason = str(error)
    if reason is None:
        return []
    return [
        Error(
            f"{key_name('AUTHORIZE')} is {settings.AUTHORIZE!r}: {reason}.",
            hint="Give the dotted path of a function (user, action, instance) -> bool.",
            id="jobs_flow_django.E002",
        )
    ]


def _not_a_rule(given: Any) -> str | None:
    """Why ``given`` could not be asked, or would never say yes; None where it can be."""
    if not callable(given):
        return "it is not callable"
    if inspect.iscoroutinefunction(given):
        return "it is a coroutine function, and what it returns is never True"
    try:
        inspect.signature(given).bind(None, "view", None)
    except TypeError as error:
        return f"it cannot be called so: {error}"
    except ValueError:
        pass  # nothing is known of its parameters
    return None


def _check_bodies(settings: Settings) -> list[CheckMessage]:
    from jobs_flow_django.bodies import DjangoBodyStore

    if settings.BODIES is None:
        return []
    try:
        storage = DjangoBodyStore(settings.BODIES).storage
    except ConfigurationError as error:
        return [Error(str(error), id="jobs_flow_django.E005")]
    root = str(django_settings.MEDIA_ROOT)
    public = isinstance(storage, FileSystemStorage) and Path(storage.location).is_relative_to(Path(root).resolve())
    if not root or not public:
        return []
    return [
        Warning(
            f"{key_name('BODIES')} is {settings.BODIES!r}, which keeps results in MEDIA_ROOT, whose files are usually"
            " served to everybody.",
            hint="Give STORAGES one of its own for them, or silence jobs_flow_django.W005 where nobody serves it.",
            id="jobs_flow_django.W005",
        )
    ]


def _check_celery(settings: Settings) -> list[CheckMessage]:
    from jobs_flow_django.facade import find_celery_app

    try:
        app = find_celery_app()
    except ConfigurationError as error:
        return [Error(str(error), id="jobs_flow_django.E003")]
    if app is None:
        return [
            Warning(
                "There is no Celery app, so no workflow can be started.",
                hint=f"Import the project's Celery app in its __init__.py, or name it in {key_name('CELERY_APP')}.",
                id="jobs_flow_django.W001",
            )
        ]
    messages: list[CheckMessage] = list(_check_celery_settings(settings))
    if not app.conf.broker_url:
        messages.append(
            Warning(
                f"The Celery app {app.main!r} has no broker configured.",
                hint="Set CELERY_BROKER_URL, and read it with app.config_from_object(…, namespace='CELERY').",
                id="jobs_flow_django.W002",
            )
        )
    if str(settings.STORAGE).startswith("memory:"):
        messages.append(
            Warning(
                f"{key_name('STORAGE')} is memory://, which other processes, and so Celery workers, do not see.",
                hint=f"Use a redis:// URL, or {key_name('BACKEND')} 'sync'.",
                id="jobs_flow_django.W003",
            )
        )
    return messages


def _check_celery_settings(settings: Settings) -> Iterator[CheckMessage]:
    """Ours among the ``CELERY_…`` settings: Celery itself says nothing about a name that it does not know."""
    from jobs_flow.backends.celery.settings import SETTINGS, check

    for name in dir(django_settings):
        if not name.startswith(CELERY_PREFIX):
            continue
        key = name.removeprefix("CELERY_").lower()
        try:
            if key not in SETTINGS:
                known = ", ".join(f"CELERY_{each.upper()}" for each in SETTINGS)
                raise ConfigurationError(setting=name, reason=f"there is no such setting; there are {known}.")
            value = check(key, getattr(django_settings, name))
            ours = {"jobs_flow_storage": settings.STORAGE, "jobs_flow_bodies": settings.BODIES}.get(key)
            if value and ours is not None and value != ours:
                # Its value may hold a password.
                said = key_name(key.removeprefix("jobs_flow_").upper())
                raise ConfigurationError(setting=name, reason=f"it is not read under Django, where {said} says it.")
        except ConfigurationError as error:
            text = str(error).replace(f"setting {key} ", f"setting {name} ")
            yield Error(text, id="jobs_flow_django.E004")


def _check_channels() -> list[CheckMessage]:
    if apps.is_installed("channels"):
        return []
    return [
        Warning(
            "channels is not in INSTALLED_APPS, so nobody can watch instances live.",
            hint="Install jobs-flow[channels] and add 'channels', or silence jobs_flow_django.W004.",
            id="jobs_flow_django.W004",
        )
    ]


def _check_runserver() -> list[CheckMessage]:
    """Heard only by who starts the development server: it is not what serves the project elsewhere."""
    if not apps.is_installed("channels") or sys.argv[1:2] != ["runserver"]:
        return []
    if apps.is_installed("daphne") and not getattr(django_settings, "ASGI_APPLICATION", None):
        return [
            Error(
                "ASGI_APPLICATION is not set, so the development server of daphne has nothing to serve.",
                hint="Name the result of jobs_flow_django.setup_websocket(…) in it: 'project.asgi.application'.",
                id="jobs_flow_django.E006",
            )
        ]
    if get_commands().get("runserver") not in ("django.core", "django.contrib.staticfiles"):
        return []
    return [
        Warning(
            "Django's development server serves no sockets, so pages do not show live what instances do.",
            hint="Run uvicorn project.asgi:application, or put 'daphne' first in INSTALLED_APPS,"
            " or silence jobs_flow_django.W008.",
            id="jobs_flow_django.W008",
        )
    ]


def _check_layer(settings: Settings) -> list[CheckMessage]:
    """Only where events go over the channel layer: nothing else needs one."""
    if not isinstance(settings.STORAGE, str) or settings.BACKEND != "celery":
        return []
    if parse_qs(urlsplit(settings.STORAGE).query).get("events") != ["channels"]:
        return []
    from jobs_flow_django.live.logouts import shared_layer

    if shared_layer() is not None:
        return []
    return [
        Warning(
            f"{key_name('STORAGE')} says events=channels, and the default of CHANNEL_LAYERS reaches no other process:"
            " what happens in workers is seen only when the storage is asked, after seconds.",
            hint="Use a layer of channels-redis, or leave events=channels out.",
            id="jobs_flow_django.W009",
        )
    ]
