"""Processes that tests start, watch and kill: a log file each, an end for all of them, their logs beside a failure."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Self

import psutil

from scripts.environment import ROOT
from tests.support.eventually import eventually

#: Every process that was started and whose log may explain a failure; the plugin empties it between tests.
started: list[Process] = []

_numbers = count(1)

#: What ``free_port`` has given.
_given: set[int] = set()


@cache
def session_directory() -> Path:
    """The directory of this test run, removed by the plugin at its end. Short, because sockets are made in it."""
    return Path(tempfile.mkdtemp(prefix="jobs-flow-"))


def worker_number() -> int:
    """Which of the processes this is that share a test run (pytest-xdist); 0 where there is one."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def free_port() -> int:
    """A TCP port that nothing listens on.

    Below the range that the system takes for outgoing connections: a client that keeps trying to
    reach a stopped server on a port of that range may end up connected to itself, and hold the port.
    """
    # Each process of a run that is shared out has ports of its own.
    ports = range(20000 + worker_number() % 2, 32000, 2)
    if len(_given) > len(ports) // 2:
        _given.clear()
    for port in random.sample(ports, 200):
        # None twice, until half of them are given: whoever asked for it may not listen yet, or be about to start again;
        # and clients of a server that is gone may still be trying to reach it.
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise RuntimeError("no free TCP port between 20000 and 32000")


class Process:
    """One process of its own group, with its output in a file.

    It ends with the thread that started it, even when pytest is killed, so start it from the main thread.

    :param env: variables put over those of the tests; None removes one.
    :param watched: whether its log is shown beside a test that fails.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
        log: Path | None = None,
        watched: bool = True,
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.name = name
        self.cwd = cwd
        self.env = _merged(env or {})
        self.watched = watched
        self.log = log or session_directory() / f"{name}-{next(_numbers)}.log"
        self._process: subprocess.Popen[bytes] | None = None
        #: Where the output of the present start begins in the log.
        self._begin = 0

    def start(self) -> Self:
        """Start it; a second start of a stopped one appends to the same log."""
        if self.running:
            raise RuntimeError(f"{self.name} is running")
        with self.log.open("ab") as output:
            self._begin = output.tell()
            self._process = subprocess.Popen(
                [*_end_with_this_thread(), *self.argv],
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self.watched and self not in started:
            started.append(self)
        return self

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process itself, which leads its group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    def children(self) -> list[psutil.Process]:
        """Its children and theirs, such as the pool of a prefork worker."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code.

        :raises AssertionError: when it still runs after ``timeout`` seconds.
        """
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout:g} s") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its children."""
        self._popen.send_signal(number)

    def terminate(self, timeout: float = 30.0) -> int:
        """Ask it to end as a supervisor does, with SIGTERM; its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """SIGKILL to the process alone, as when memory runs out; its children find out by themselves."""
        self._popen.kill()
        self._popen.wait()

    def end(self) -> None:
        """SIGKILL to the whole group, at once; for tidying up, whatever the state."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def output(self, begin: int = 0) -> str:
        """Everything it and its children have written, from a place in the log on."""
        if not self.log.exists():
            return ""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(begin)
            return log.read()

    def tail(self, lines: int = 60) -> str:
        """The end of its output."""
        return "\n".join(self.output().splitlines()[-lines:])

    def wait_for_output(self, pattern: str, timeout: float = 30.0, *, begin: int = 0) -> re.Match[str]:
        """The first match of the regular expression in the output; at once an error when the process has ended.

        :raises AssertionError: with the end of the output.
        """

        def look() -> re.Match[str] | None:
            # Asked before the output is read: what a process wrote last is there once it has ended.
            running = self.running
            if found := re.search(pattern, self.output(begin), re.MULTILINE):
                return found
            if not running:
                raise RuntimeError(f"{self.name} ended with {self.returncode} before {pattern!r}:\n{self.tail()}")
            return None

        try:
            return eventually(look, timeout, interval=0.05)
        except AssertionError:
            waited = f"{self.name} did not write {pattern!r} within {timeout:g} s"
            raise AssertionError(f"{waited}:\n{self.tail()}") from None

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *error: object) -> None:
        self.end()

    @property
    def _popen(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process


class Worker(Process):
    """``celery -A app worker``, in a process as users run it.

    :param app: what follows ``-A``, importable from the root of the repository, such as ``testproject``.
    :param pool: prefork, threads, solo or gevent.
    :param options: more words for the command line.
    """

    def __init__(
        self,
        app: str,
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: str | None = None,
        options: Sequence[str] = (),
        name: str | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        name = name or f"worker{next(_numbers)}"
        argv = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", f"{name}@%h", "-l", "INFO", "-P", pool]
        # Looking for other workers takes a second at each start.
        argv.append("--without-mingle")
        if pool != "solo":
            argv += ["-c", str(concurrency)]
        if queues:
            argv += ["-Q", queues]
        super().__init__([*argv, *options], name=name, env=env, cwd=cwd)

    def wait_until_ready(self, timeout: float = 90.0) -> Self:
        """Return once it takes messages."""
        self.wait_for_output(rf"{re.escape(self.name)}@\S+ ready\.", timeout, begin=self._begin)
        return self


class WebServer(Process):
    """``uvicorn app`` on a port of its own."""

    def __init__(
        self,
        app: str = "testproject.asgi:application",
        *,
        name: str = "web",
        env: Mapping[str, str | None] | None = None,
    ) -> None:
        self.port = free_port()
        argv = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(self.port)]
        argv += ["--lifespan", "off"]
        super().__init__(argv, name=name, env=env)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        """The same for sockets."""
        return f"ws://127.0.0.1:{self.port}"

    def wait_until_ready(self, timeout: float = 90.0) -> Self:
        """Return once it accepts connections."""
        self.wait_for_output(r"Uvicorn running on", timeout, begin=self._begin)
        return self


def _merged(changes: Mapping[str, str | None]) -> dict[str, str]:
    """The variables of a child: the tests' own, the example project's settings instead of the tests', ``changes``."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    base = os.environ | {"DJANGO_SETTINGS_MODULE": "testproject.settings", "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    merged: Mapping[str, str | None] = {**base, **changes}
    return {name: value for name, value in merged.items() if value is not None}


@cache
def _end_with_this_thread() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv and sys.platform == "linux" else ()
