"""The processes of the demo: they start together, and none outlives the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from testproject.demo import guardian

#: Seconds that a process has to end when asked, before it is killed.
GRACE = 8.0
#: What asks the launcher to stop.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds that it has to come up.
STARTUP = 180.0
TAIL_LINES = 15


class DemoError(Exception):
    """Why the demo cannot go on, in words for the terminal."""


@dataclass(frozen=True)
class Child:
    """One process, the leader of its own group."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Children:
    """A context: what was started in it is stopped when it is left, last started first.

    Each child has its own session, so that Ctrl-C in the terminal reaches only the launcher, which
    stops them in order. Should the launcher be killed, the guardian ends them; until then it keeps the
    descriptors in ``held`` open, and with them the locks of the launcher.
    """

    def __init__(self, logs: Path, *, suffix: str = "", held: Sequence[int] = ()) -> None:
        self._logs = logs
        self._suffix = suffix
        self._held = held
        self._children: list[Child] = []
        self._guardian: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=self._held,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._guardian and self._guardian.stdin:
            # It may have been killed together with the rest; then there is nobody left to tell.
            with suppress(BrokenPipeError):
                self._guardian.stdin.close()
            self._guardian.wait()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        directory: Path,
        descriptors: Sequence[int] = (),
    ) -> Child:
        """Start a process whose output goes to ``<name>.log``."""
        log = self._logs / f"{name}{self._suffix}.log"
        with log.open("wb") as output, _signals_held():
            process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=descriptors,
            )
            child = Child(name, process, log)
            self._children.append(child)
            self._tell_guardian(f"+{process.pid}")
        return child

    def check(self) -> None:
        """Raise ``DemoError`` when one of them has ended: it says which, and how its log ends."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                raise DemoError(f"{child.name} has ended ({how}). The end of {child.log}:\n{child.tail()}")

    def stop(self) -> None:
        """Stop all that is left, last started first."""
        while self._children:
            self.drop(self._children[-1])

    def drop(self, child: Child) -> None:
        """Stop one of them; the others go on."""
        self._end(child)
        self._children.remove(child)

    def _end(self, child: Child) -> None:
        try:
            child.process.terminate()
            child.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also what the process itself had started and left behind.
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self._tell_guardian(f"-{child.process.pid}")

    def _tell_guardian(self, line: str) -> None:
        if self._guardian and self._guardian.stdin:
            with suppress(BrokenPipeError):
                print(line, file=self._guardian.stdin, flush=True)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Act on signals only at the end: between its start and its entry in the list, nobody would stop a child."""
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.signal(number, hold) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def wait_until(ready: Callable[[], bool], children: Children, what: str) -> None:
    """Wait for ``ready()`` to be true while all children live; ``DemoError`` after ``STARTUP`` seconds."""
    deadline = time.monotonic() + STARTUP
    while not ready():
        children.check()
        if time.monotonic() > deadline:
            raise DemoError(f"{what} did not come up within {STARTUP:.0f} s.")
        time.sleep(0.03)
