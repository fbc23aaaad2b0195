"""Ends the demo's processes when the demo itself is gone, even by SIGKILL.

Runs as a script of its own, in a session of its own, with the standard library alone. Its standard
input comes from the launcher: ``+<pid>`` for a process that leads its own group, ``-<pid>`` when that
has ended. The end of the input means that the launcher is no more; whatever is left then is stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

#: Seconds between asking and killing.
GRACE = 5.0


def watch(lines: Iterable[str]) -> set[int]:
    """Read until the launcher is gone; the groups that are left."""
    groups: set[int] = set()
    for line in lines:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    return groups


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def end(groups: set[int]) -> None:
    """Ask the leaders, wait a little, then kill every process of the groups."""
    for group in groups:
        with suppress(ProcessLookupError):
            os.kill(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(_signal_group(group, 0) for group in groups):
        time.sleep(0.05)
    for group in groups:
        _signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    end(watch(sys.stdin))
