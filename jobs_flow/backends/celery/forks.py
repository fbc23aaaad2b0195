"""Keeps threads of a worker's main process from holding locks while it forks a child.

A prefork worker forks whenever a child has died, has done its share of tasks, or the pool grows. A lock that
another thread holds at that moment (of a connection pool, of a driver) is held for ever in the child. So the
threads talk to servers behind a ``Gate``, and a fork waits until all gates are free.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any
from weakref import WeakSet

logger = logging.getLogger("jobs_flow.celery")

#: Seconds that a fork waits for a thread: a server that hangs must not stop the worker.
PATIENCE = 2.0

_gates: WeakSet[Gate] = WeakSet()


class Gate:
    """``with gate:`` around each call to a server in a thread. May be entered again by the same thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking = threading.Event()
        self._closed = False
        _gates.add(self)

    def __enter__(self) -> None:
        # A lock that is given back and taken again at once is not fair: let the fork go first.
        while self._forking.is_set():
            time.sleep(0.001)
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def close(self, deadline: float) -> None:
        """Before a fork."""
        self._forking.set()
        self._closed = self._lock.acquire(timeout=max(deadline - time.monotonic(), 0.0))
        if not self._closed:
            logger.warning("a child is forked while a server has not answered for %g s", PATIENCE)

    def open(self) -> None:
        """After it, in the parent."""
        if self._closed:
            self._lock.release()
        self._forking.clear()

    def forget(self) -> None:
        """After it, in the child, where nobody else is."""
        self._lock = threading.RLock()
        self._forking = threading.Event()


class Gated:
    """``target`` with each of its methods called behind ``gate``."""

    def __init__(self, target: Any, gate: Gate) -> None:
        self._target = target
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        with self._gate:
            found = getattr(self._target, name)
        if not callable(found):
            return found
        gate = self._gate

        def call(*args: Any, **kwargs: Any) -> Any:
            with gate:
                return found(*args, **kwargs)

        return call


def _before() -> None:
    deadline = time.monotonic() + PATIENCE
    for gate in list(_gates):
        gate.close(deadline)


def _in_parent() -> None:
    for gate in list(_gates):
        gate.open()


def _in_child() -> None:
    for gate in list(_gates):
        gate.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
