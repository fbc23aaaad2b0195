"""A master with a replica, and the sentinels that put the replica in its place when it dies."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Self

import redis

from tests.support.eventually import eventually
from tests.support.processes import Process, free_port, session_directory
from tests.support.servers import Valkey, valkey_program

#: What the sentinels call the master.
NAME = "records"


class Sentinels:
    """A master, a replica and sentinels, all on this machine.

    :param program: the server; Valkey if not given.
    """

    def __init__(self, *, count: int = 3, program: str | None = None) -> None:
        self._program = program or valkey_program()
        self.master = Valkey(name="master", program=program, config={"repl-diskless-sync-delay": "0"})
        replica_of = {"replicaof": f"127.0.0.1 {self.master.port}"}
        self.replica = Valkey(name="replica", program=program, config=replica_of)
        self._ports = [free_port() for _ in range(count)]
        self._sentinels: list[Process] = []

    @property
    def url(self) -> str:
        """``redis+sentinel://…`` with all sentinels."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{NAME}/0"

    def start(self) -> Self:
        """Start all; returns when every sentinel knows the master, its replica and the other sentinels."""
        self.master.start()
        self.replica.start()
        eventually(self._replicates, timeout=30)
        for port in self._ports:
            self._start_sentinel(port)
        # One that stood still for 2 seconds does nothing for 30.
        eventually(lambda: all(map(self._knows_all, self._ports)), timeout=90)
        return self

    def stop_sentinel(self, place: int) -> None:
        """Kill one of the sentinels, in the order of the URL."""
        self._sentinels[place].kill()

    def promoted(self) -> bool:
        """Whether the replica is the master now."""
        return bool(self.command(self.replica.port, "INFO", "replication")["role"] == "master")

    def command(self, port: int, *words: Any) -> Any:
        """What one of the servers answers to a command."""
        with redis.Redis(port=port, socket_timeout=5) as client:
            return client.execute_command(*words)

    def end(self) -> None:
        """End all, at once."""
        for process in (*self._sentinels, self.replica, self.master):
            process.end()

    def _start_sentinel(self, port: int) -> None:
        directory = Path(tempfile.mkdtemp(prefix=f"sentinel-{port}-", dir=session_directory()))
        # It writes what it learns into its own configuration.
        configuration = directory / "sentinel.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {directory}",
            f"sentinel monitor {NAME} 127.0.0.1 {self.master.port} {len(self._ports) // 2 + 1}",
            # A master that is only slow must not be replaced.
            f"sentinel down-after-milliseconds {NAME} 2000",
            f"sentinel failover-timeout {NAME} 5000",
        ]
        configuration.write_text("\n".join(lines) + "\n")
        process = Process(
            [self._program, configuration, "--sentinel"], name="sentinel", cwd=directory, log=directory / "log"
        )
        self._sentinels.append(process.start())
        eventually(lambda: self._answers(process, port), timeout=30)

    def _answers(self, process: Process, port: int) -> bool:
        if not process.running:
            raise RuntimeError(f"a sentinel ended with {process.returncode}:\n{process.tail()}")
        try:
            return bool(self.command(port, "PING"))
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _replicates(self) -> bool:
        return bool(self.command(self.replica.port, "INFO", "replication")["master_link_status"] == "up")

    def _knows_all(self, port: int) -> bool:
        with redis.Redis(port=port, socket_timeout=5) as client:
            state = client.sentinel_masters()[NAME]
        return int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == len(self._ports) - 1
