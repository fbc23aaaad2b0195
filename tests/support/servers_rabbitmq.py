"""A throw-away RabbitMQ: one node of its own, with no system service behind it.

What Debian packages decides the version (12 has 3.10, 13 has 4.0); the tests ask for nothing that only one has.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import amqp
from amqp.exceptions import AMQPError

from scripts import machine
from tests.support.eventually import eventually
from tests.support.processes import Process, free_port, session_directory
from tests.support.servers import ServerMissing

#: Light on a machine of two processors: one scheduler, small buffers, a write-ahead log that is not set aside at once.
ERLANG = "+S 1:1 +SDcpu 1:1 +SDio 2 +A 2 +sbwt none +sbwtdcpu none +sbwtdio none"
SETTINGS = {
    "disk_free_limit.absolute": "10MB",
    "vm_memory_high_watermark.absolute": "1GB",
    "raft.wal_max_size_bytes": "16000000",
    "log.console": "true",
    "log.console.level": "warning",
    "log.file": "false",
}


class RabbitMQ(Process):
    """A private node that a test may stop, kill, empty and start again on the same port.

    :param advanced: settings of the ``rabbit`` application as Erlang terms, by name: ``{"consumer_timeout": "5000"}``.
    :raises ServerMissing: when the machine has none.
    """

    def __init__(
        self, *, name: str = "rabbitmq", advanced: Mapping[str, str] | None = None, watched: bool = True
    ) -> None:
        program, mapper = machine.find_program(*machine.RABBITMQ), machine.find_program("epmd")
        if program is None or mapper is None:
            raise ServerMissing(machine.advice([machine.RABBITMQ_SERVER]))
        self.port, distribution, epmd = free_port(), free_port(), free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=session_directory()))
        self._data = self.directory / "data"
        settings = {"listeners.tcp.local": f"127.0.0.1:{self.port}", **SETTINGS}
        files = {
            "rabbitmq.conf": "\n".join(f"{key} = {value}" for key, value in settings.items()),
            "advanced.config": _erlang({"rabbit": advanced or {}}),
            "enabled_plugins": "[].",
            # In place of the one of the system's own service.
            "rabbitmq-env.conf": "",
        }
        for file, text in files.items():
            (self.directory / file).write_text(f"{text}\n", encoding="ascii")
        ports: dict[str, str | None] = {"ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        # Started here, or the node would start one that nobody ends.
        self._mapper = Process([mapper], name=f"{name}-epmd", env=ports, cwd=self.directory, watched=False)
        env: dict[str, str | None] = {
            **ports,
            "HOME": str(self.directory),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._data),
            "RABBITMQ_LOG_BASE": str(self.directory / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
            # The script becomes the server instead of waiting for it, so that a signal, or our end, is the server's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        super().__init__([program], name=name, env=env, cwd=self.directory, log=self.directory / "log", watched=watched)

    @property
    def url(self) -> str:
        """Of its first virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> Self:
        """Start it; returns when it answers, after 3 to 6 seconds."""
        if not self._mapper.running:
            self._mapper.start()
        super().start()
        eventually(self._answers, timeout=120, interval=0.1)
        return self

    def restart(self, *, empty: bool = False) -> Self:
        """Stop it as a supervisor does and start it again; ``empty``: as a new one, without a queue."""
        self.terminate(timeout=60)
        if empty:
            self.wipe()
        return self.start()

    def wipe(self) -> None:
        """Remove what it has on its disk, while it is stopped: queues, messages and users."""
        shutil.rmtree(self._data, ignore_errors=True)

    def end(self) -> None:
        """SIGKILL to it and to what it was started with."""
        super().end()
        self._mapper.end()

    def connect(self, patience: float = 20.0) -> amqp.Connection:
        """A connection, to be used as a context manager; ``patience`` is for each answer of its handshake."""
        return amqp.Connection(
            host=f"127.0.0.1:{self.port}", userid="guest", password="guest", virtual_host="/", connect_timeout=patience
        )

    def delete(self, *queues: str) -> None:
        """Delete these queues with all that is in them, those that are there; their consumers are told."""
        with self.connect() as connection:
            for queue in queues:
                # One that is not there is deleted all the same.
                connection.channel().queue_delete(queue)

    def purge(self, queue: str) -> None:
        """Remove the messages of a queue that no worker has fetched; nothing where there is no such queue."""
        with self.connect() as connection, suppress(amqp.NotFound):
            connection.channel().queue_purge(queue)

    def count(self, queue: str) -> int:
        """Messages in a queue that no worker has fetched; 0 also where a quorum queue does not answer within 250 ms."""
        with self.connect() as connection:
            return int(connection.channel().queue_declare(queue, passive=True).message_count)

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} ended with {self.returncode}:\n{self.tail()}")
        try:
            with self.connect(patience=2):
                return True
        except (OSError, AMQPError):
            return False


def _erlang(applications: Mapping[str, Mapping[str, str]]) -> str:
    listed = (
        f"{{{name}, [{', '.join(f'{{{key}, {value}}}' for key, value in settings.items())}]}}"
        for name, settings in applications.items()
    )
    return f"[{', '.join(listed)}]."
