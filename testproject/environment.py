"""Settings out of environment variables: what each URL means, and errors that name the variable."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

#: SQLite for several processes: WAL, and the write lock taken at the start of a transaction.
SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}

#: READ COMMITTED: under REPEATABLE READ a poll inside a transaction never sees what others commit.
MYSQL_OPTIONS = {"charset": "utf8mb4", "isolation_level": "read committed"}

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def flag(name: str, default: bool) -> bool:
    """Whether the variable says yes."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}; it is 1 or 0.")


def number(name: str, default: float) -> float:
    """The variable as a number, not negative."""
    value = os.environ.get(name, str(default))
    try:
        found = float(value)
    except ValueError:
        found = -1.0
    if not 0 <= found < 3600:
        raise ImproperlyConfigured(f"{name} is {value!r}; it is a number of seconds, 0 or more.")
    return found


def names(name: str, default: str) -> list[str]:
    """The variable as a list, separated by commas."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def database(url: str) -> dict[str, Any]:
    """Django's ``DATABASES`` entry for ``sqlite:///path`` or ``mysql://user:password@host:port/name``.

    A query of a MySQL URL goes to its ``OPTIONS``: ``?unix_socket=/path``. Raises
    ``ImproperlyConfigured`` for anything else; no message shows the URL's password.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = unquote(parts.path)[1:]
        if parts.netloc or not path:
            raise ImproperlyConfigured(
                "DATABASE_URL: a SQLite URL is sqlite:///relative/path or sqlite:////absolute/path."
            )
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": dict(SQLITE_OPTIONS)}
    if parts.scheme in ("mysql", "mariadb"):
        name = unquote(parts.path)[1:]
        try:
            port = parts.port
        except ValueError:
            raise ImproperlyConfigured("DATABASE_URL: its port is not a number.") from None
        if not name:
            raise ImproperlyConfigured("DATABASE_URL: it names no database; mysql://user:password@host:3306/name.")
        use_mysql_driver()
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "127.0.0.1",
            "PORT": port or 3306,
            "OPTIONS": {**MYSQL_OPTIONS, **dict(parse_qsl(parts.query))},
            "CONN_MAX_AGE": 60,
            # A server that was restarted between two requests costs a ping, not an error page.
            "CONN_HEALTH_CHECKS": True,
            "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_general_ci"},
        }
    raise ImproperlyConfigured(
        f"DATABASE_URL: {parts.scheme or 'no scheme'} is not supported; use sqlite:/// or mysql://."
    )


def use_mysql_driver() -> None:
    """Make ``MySQLdb`` importable: mysqlclient, or PyMySQL where there is no compiler."""
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        try:
            import pymysql
        except ImportError:
            raise ImproperlyConfigured("DATABASE_URL is for MySQL: install mysqlclient, or PyMySQL.") from None
        pymysql.install_as_MySQLdb()


def secret_key(directory: Path) -> str:
    """``SECRET_KEY`` of the environment, or one made once and kept in ``directory``.

    A kept one, so that sessions survive a restart and every process of a demo has the same.
    """
    if given := os.environ.get("SECRET_KEY"):
        return given
    path = directory / "secret-key"
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        directory.mkdir(parents=True, exist_ok=True)
    # Of two processes that start together, one makes the file and both read it: a link replaces nothing.
    own = directory / f"secret-key.{os.getpid()}"
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        os.link(own, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)
    return path.read_text("ascii")
