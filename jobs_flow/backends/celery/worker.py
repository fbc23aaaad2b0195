"""The part of every worker that keeps its promises while it lives, and those of the dead.

Two threads of the main process, in every pool: one renews the leases of what runs here, so that a task keeps
its lease however busy its process is; the other sees to what the children left and, in one worker at a time,
runs the recovery. They are two, so that a lease never waits for a broker that hangs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from celery import bootsteps
from celery.worker import state

from jobs_flow.backends import leases
from jobs_flow.backends.celery import deaths, messages
from jobs_flow.backends.celery.forks import Gate, Gated
from jobs_flow.backends.holder import worker_prefix
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import ConfigurationError, JobsFlowError, StorageUnavailable, kind_of
from jobs_flow.recovery import Recovery
from jobs_flow.storages.records import Hold

if TYPE_CHECKING:
    from jobs_flow.backends.celery.deaths import Death
    from jobs_flow.backends.celery.plugin import CeleryBackend

logger = logging.getLogger("jobs_flow.celery")

#: The role of the one who runs the recovery.
ROLE = "recovery"
#: Leases renewed in one call.
RENEW_BATCH = 1_000
#: Deaths kept while the storage is away; those beyond, the oldest, are left to their leases.
DEATHS_KEPT = 10_000
#: Seconds that a shutdown waits for the recovery thread to finish what it is doing.
STOP_PATIENCE = 5.0
#: Longest pause between two tries while a server is away, in seconds.
LONGEST_BACK_OFF = 5.0


class FlowStep(bootsteps.StartStopStep):
    """Starts the threads with the worker."""

    label = "jobs-flow"

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._keeper: Keeper | None = None
        self._steward: Steward | None = None

    def create(self, parent: Any) -> None:
        """Before any child is forked: they are not to renew by themselves."""
        leases.kept_by_main()

    def start(self, parent: Any) -> None:
        """Start them, before or after the pool."""
        backend: CeleryBackend | None = vars(parent.app).get("_jobs_flow")
        if backend is None:
            return
        try:
            # Read here: a wrong setting ends the worker at its start, with the reason.
            runtime = backend.runtime
            _ = backend.policy, backend.setting("jobs_flow_recovery"), runtime.storage, runtime.get_body_store()
        except ConfigurationError as error:
            logger.critical("%s", error.message)
            raise SystemExit(1) from error
        over: Callable[[], bool] = parent.blueprint.shutdown_complete.is_set
        self._keeper = Keeper(backend, over)
        self._steward = Steward(backend)
        self._keeper.start()
        self._steward.start()

    def stop(self, parent: Any) -> None:
        """Stop the recovery. Leases are renewed until the pool has finished its tasks."""
        if self._steward is not None:
            self._steward.stop()

    terminate = stop


class _Thread:
    """A daemon thread of the main process that survives whatever its work raises."""

    def __init__(self, name: str, backend: CeleryBackend) -> None:
        self._backend = backend
        self._gate = Gate()
        self._process = os.getpid()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    @property
    def _over(self) -> bool:
        return self._stopped

    def _run(self) -> None:
        failures = 0
        while not self._over:
            try:
                pause = self._work()
                failures = 0
            except Exception as error:
                failures += 1
                pause = min(0.2 * 2**failures, LONGEST_BACK_OFF, self._backend.policy.heartbeat)
                code = kind_of(error)
                logger.warning("%s: %s; trying again in %.1f s", self._thread.name, code, pause)
                if not isinstance(error, JobsFlowError):
                    logger.debug("the error", exc_info=error)
            self._wake.wait(pause)
            self._wake.clear()

    def _work(self) -> float:
        """Do what there is to do; seconds until the next time."""
        raise NotImplementedError


class Keeper(_Thread):
    """Renews the leases of what this worker executes."""

    def __init__(self, backend: CeleryBackend, over: Callable[[], bool]) -> None:
        super().__init__("jobs-flow-leases", backend)
        self._is_over = over
        #: What ran at the last look. A task that is over before the second look costs nothing.
        self._seen: WeakSet[Any] = WeakSet()

    @property
    def _over(self) -> bool:
        return self._is_over()

    def _run(self) -> None:
        super()._run()
        # A worker that was a part of this process: whoever executes here now keeps his own.
        leases.kept_by_main(False)

    def _work(self) -> float:
        started = time.monotonic()
        running = active()
        holds = [hold for request in running if request in self._seen and (hold := hold_of(request)) is not None]
        policy = self._backend.policy
        try:
            for first in range(0, len(holds), RENEW_BATCH):
                with self._gate:
                    storage = self._backend.runtime.storage
                    storage.renew(holds[first : first + RENEW_BATCH], holder=worker_prefix(), lease=policy.lease_ms)
        finally:
            self._seen = WeakSet(running)
        return max(policy.heartbeat - (time.monotonic() - started), 0.05)


class Steward(_Thread):
    """Sees to what the children of this worker left and, while it is elected, to what is due anywhere."""

    def __init__(self, backend: CeleryBackend) -> None:
        super().__init__("jobs-flow-recovery", backend)
        self._deaths: deque[Death] = deque(maxlen=DEATHS_KEPT)
        self._elected = False
        self._cautioned = False
        runtime = backend.runtime
        storage: Any = Gated(_Lazily(lambda: runtime.storage), self._gate)
        # The index's driver has locks of its own, and so has an import that it makes at its first connection.
        listener: Any = Gated(runtime.listener, self._gate)
        # A runtime of its own: its lock and its plans are not those that a child uses.
        self._runtime: Runtime = replace(
            runtime,
            get_storage=lambda: storage,
            listener=listener,
            _plans=type(runtime._plans)(),
            _lock=threading.Lock(),
        )
        publisher: Any = Gated(backend, self._gate)
        self._recovery = Recovery(self._runtime, publisher)
        backend.reports = self.report

    def report(self, death: Death) -> None:
        """Take what the main process has learnt; returns at once."""
        self._deaths.append(death)
        self._wake.set()

    def stop(self) -> None:
        """Leave the role to another worker and end; waits for STOP_PATIENCE at most."""
        self._stopped = True
        self._wake.set()
        self._thread.join(STOP_PATIENCE)
        if self._thread.is_alive():
            logger.warning("the recovery is still waiting for a server; another worker takes over")

    def _run(self) -> None:
        super()._run()
        try:
            self._mourn()
            if self._elected:
                self._runtime.storage.resign(ROLE, worker_prefix())
        except Exception as error:
            logger.debug("the recovery was not handed over", exc_info=error)

    def _work(self) -> float:
        self._mourn()
        self._caution()
        policy = self._runtime.policy
        if not self._backend.setting("jobs_flow_recovery"):
            return policy.heartbeat
        elected = self._runtime.storage.elect(ROLE, worker_prefix(), policy.lease_ms)
        if elected != self._elected:
            logger.info("this worker %s the recovery", "runs" if elected else "no longer runs")
            self._elected = elected
        if not elected:
            return policy.heartbeat
        self._recovery.sweep()
        return min(self._recovery.pause(), policy.heartbeat)

    def _caution(self) -> None:
        """Say once what is wrong with the storage's server, so that whoever starts a worker reads it."""
        if self._cautioned:
            return
        storage = self._runtime.storage
        for text in storage.cautions():
            logger.warning("the storage %s: %s", storage.label, text)
        self._cautioned = True

    def _mourn(self) -> None:
        while self._deaths:
            death = self._deaths[0]
            try:
                deaths.see_to(self._runtime, self._recovery, death)
            except StorageUnavailable:
                raise
            except Exception as error:
                logger.error("%s %s: %s is left to its lease", death.instance_id, death.path, type(error).__name__)
            # Not ``popleft``: the oldest may have been dropped meanwhile.
            if self._deaths and self._deaths[0] is death:
                self._deaths.popleft()


class _Lazily:
    """What ``get`` gives, asked for anew at each use."""

    def __init__(self, get: Callable[[], Any]) -> None:
        self._get = get

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get(), name)


def active() -> list[Any]:
    """The requests that the pool executes now."""
    while True:
        try:
            return list(state.active_requests)
        except RuntimeError:
            # It changed while it was read, in the main thread.
            continue


def hold_of(request: Any) -> Hold | None:
    """What a request holds under a lease, if it is one of ours."""
    args = request.args
    if request.task.name not in messages.HOLDERS or not isinstance(args, list | tuple) or len(args) != 3:
        return None
    return Hold(*args)
