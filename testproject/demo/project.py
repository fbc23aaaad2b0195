"""The Django project made ready: servers reachable, tables there, a user to log in as."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, connection
from kombu import Connection

from testproject.demo import valkey
from testproject.demo.children import DemoError


def check_server(name: str, url: str) -> None:
    """Raise ``DemoError`` when nothing answers at the URL of that variable; the message holds no password."""
    where = f"{name} ({urlsplit(url).scheme}://{urlsplit(url).hostname or ''}…)"
    if url.startswith(("redis://", "rediss://", "unix://")):
        try:
            reached = valkey.answers(url)
        except ValueError as error:
            raise DemoError(f"{where} is not a URL of Redis: {error}.") from None
    else:
        try:
            with Connection(url, connect_timeout=5) as broker:
                broker.connect()
            reached = True
        except Exception as error:  # every transport has errors of its own
            raise DemoError(f"{where} cannot be used: {type(error).__name__}.") from None
    if not reached:
        raise DemoError(f"Nothing answers at {where}. Start it, or unset the variable to use the demo's own.")


def prepare(var: Path) -> str:
    """Django set up, the database migrated, the demo's user made; the user's password."""
    try:
        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        return _demo_user(var)
    except ImproperlyConfigured as error:
        raise DemoError(str(error)) from None
    except DatabaseError as error:
        raise DemoError(f"The database cannot be used: {error}") from None


def _demo_user(var: Path) -> str:
    from django.contrib.auth import get_user_model

    from testproject.accounts.views import DEMO_USER

    password = _password(var / "demo-password")
    user, _ = get_user_model().objects.get_or_create(
        username=DEMO_USER, defaults={"is_staff": True, "is_superuser": True}
    )
    # Only when it is another one: a new hash would end the sessions of a demo that is open in a browser.
    if not user.check_password(password):
        user.set_password(password)
        user.save()
    return password


def _password(path: Path) -> str:
    """Made at the first start and kept, so that a browser may remember it."""
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        password = secrets.token_urlsafe(12)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(password)
        return password


def login_path() -> str:
    """A path that logs the demo's user in, once."""
    from django.contrib.auth import get_user_model
    from django.urls import reverse

    from testproject.accounts.links import links
    from testproject.accounts.views import DEMO_USER

    token = links.make_token(get_user_model().objects.get(username=DEMO_USER))
    return reverse("demo-login", args=[token])


def database_label() -> str:
    """The database for people: without user and password."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(settings["NAME"])
    return f"{connection.vendor} {settings['NAME']} at {settings['HOST']}:{settings['PORT']}"
