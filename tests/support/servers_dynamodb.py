"""The DynamoDB of a test run: a throw-away dynoxide that keeps its data where a test asks for it, or one elsewhere."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Self
from urllib.parse import quote

from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.dynamodb.schema import create_table
from scripts import dynoxide
from tests.support.eventually import eventually
from tests.support.processes import Process, free_port, session_directory
from tests.support.servers import ServerMissing

#: The table that is there when the server has started.
TABLE = "jobs-flow"


class DynamoDB(Process):
    """A private DynamoDB that a test may stop, kill and start again on the same port.

    :param durable: whether it keeps its data over its end; otherwise it starts with an empty table.
    """

    def __init__(self, *, name: str = "dynamodb", durable: bool = False, watched: bool = True) -> None:
        program = dynoxide.find()
        if program is None:
            raise ServerMissing(
                "The tests need dynoxide: run python -m scripts.dynoxide, which fetches it with npm, "
                f"or set {dynoxide.PROGRAM} to its path or {dynoxide.ENDPOINT} to the endpoint of a server"
            )
        self.port = free_port()
        # Never that of an earlier one, which may have had the same port and left its data.
        directory = Path(tempfile.mkdtemp(prefix=f"{name}-{self.port}-", dir=session_directory()))
        words = ["--db-path", str(directory / "data.sqlite")] if durable else []
        argv = [program, "serve", "--host", "127.0.0.1", "--port", str(self.port), *words]
        super().__init__(argv, name=name, cwd=directory, log=directory / "log", watched=watched)

    @property
    def endpoint(self) -> str:
        """``http://…``, for the ``endpoint`` of a URL and for ``endpoint_url`` of a client."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Of a storage, in the table that it starts with."""
        return url_of(TABLE, self.endpoint)

    def start(self) -> Self:
        """Start it; returns when it answers, with its data loaded, and has its table."""
        super().start()
        eventually(self._answers, timeout=60)
        self.create_table(TABLE)
        return self

    def restart(self) -> Self:
        """Stop it as a supervisor does and start it again."""
        self.terminate()
        return self.start()

    def create_table(self, name: str) -> str:
        """Make a table, if it is not there; the URL of a storage in it."""
        return make_table(name, self.endpoint)

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} ended with {self.returncode}:\n{self.tail()}")
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def url_of(table: str, endpoint: str) -> str:
    """The URL of a storage in a table of a server that takes any credentials."""
    return f"dynamodb://TESTS:secret@{table}?region=eu-west-1&endpoint={quote(endpoint, safe='')}"


def make_table(name: str, endpoint: str) -> str:
    """Make a table of a server, if it is not there; the URL of a storage in it."""
    url = url_of(name, endpoint)
    connection = Connection.parse(url)
    create_table(connection)
    connection.close()
    return url


def fresh(url: str) -> str:
    """The URL of an empty storage in the same table: with a prefix that no other has."""
    return f"{url}&prefix={secrets.token_hex(6)}%3A"


def elsewhere() -> str | None:
    """The endpoint of the server that the environment names."""
    return os.environ.get(dynoxide.ENDPOINT)
