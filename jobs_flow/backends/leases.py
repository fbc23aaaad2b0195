"""Keeps the lease of a step where no worker's main process does it.

In a Celery worker the main process renews for all its children (``kept_by_main``), so that a task that never
yields keeps its lease. Everywhere else (the sync backend, a task called eagerly) a thread of this process
renews what is executed here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jobs_flow.backends.holder import process_prefix
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import JobsFlowError, kind_of
from jobs_flow.storages.records import Hold

logger = logging.getLogger("jobs_flow.engine")

_kept_by_main = False
#: Whether the caller executes steps that no request of the worker stands for.
_inline: ContextVar[bool] = ContextVar("jobs_flow_inline", default=False)


def kept_by_main(kept: bool = True) -> None:
    """Say that the main process of this worker renews; its forked children inherit that."""
    global _kept_by_main
    _kept_by_main = kept


@contextmanager
def inline() -> Iterator[None]:
    """Steps inside the block are this process's own affair, also in a process of a worker."""
    token = _inline.set(True)
    try:
        yield
    finally:
        _inline.reset(token)


@contextmanager
def keeping(runtime: Runtime, instance_id: str, path: str, run: int) -> Iterator[None]:
    """Renew the lease of a task of this process inside the block."""
    if _kept_by_main and not _inline.get():
        yield
        return
    keeper = _keeper_of(runtime)
    hold = Hold(instance_id, path, run)
    keeper.add(hold)
    try:
        yield
    finally:
        keeper.remove(hold)


_lock = threading.Lock()


def _keeper_of(runtime: Runtime) -> _Keeper:
    with _lock:
        keeper = vars(runtime).get("_keeper")
        if keeper is None or keeper.process != os.getpid():
            keeper = vars(runtime)["_keeper"] = _Keeper(runtime)
        return keeper


def _after_fork() -> None:
    # Another thread of the parent may have held it.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Keeper:
    """A thread that lives while there is something to renew."""

    def __init__(self, runtime: Runtime) -> None:
        self.process = os.getpid()
        self._runtime = runtime
        self._holds: list[Hold] = []
        self._changed = threading.Condition()
        self._running = False

    def add(self, hold: Hold) -> None:
        with self._changed:
            self._holds.append(hold)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="jobs-flow-leases", daemon=True).start()

    def remove(self, hold: Hold) -> None:
        with self._changed:
            self._holds.remove(hold)
            if not self._holds:
                self._changed.notify()

    def _run(self) -> None:
        policy = self._runtime.policy
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._holds, policy.heartbeat)
                # Lives on through the pause between two steps, so that a run of short ones needs one thread.
                if not self._holds and not self._changed.wait_for(lambda: bool(self._holds), policy.heartbeat):
                    self._running = False
                    return
                holds = list(self._holds)
            try:
                self._runtime.storage.renew(holds, holder=process_prefix(), lease=policy.lease_ms)
            except JobsFlowError as error:
                logger.warning("the leases of %d tasks were not renewed: %s", len(holds), kind_of(error))
            except Exception:
                logger.exception("the leases of %d tasks were not renewed", len(holds))
