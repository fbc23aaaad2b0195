"""Everything that a run on trial needs: two servers, workers with a supervisor, a client, a ledger."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jobs_flow import Jobs
from jobs_flow.errors import BrokerUnavailable
from jobs_flow.storages.records import Instance
from jobs_flow.workflows.states import FINISHED, InstanceStatus
from tests.chaos import project, servers
from tests.chaos.ledger import Ledger
from tests.chaos.shapes import Node
from tests.support.eventually import eventually
from tests.support.processes import Worker, session_directory

#: What the recovery logs of messages that it sends again; their number follows.
AGAIN = "published again, no worker has taken them: "
PROJECT = "tests.chaos.project"


class House:
    """Use as a context manager, from the main thread.

    :param lease: seconds.
    :param broker: ``redis`` or ``rabbitmq``.
    :param storage: ``redis`` or ``dynamodb``.
    """

    def __init__(
        self,
        *,
        lease: float = 2.0,
        pool: str = "prefork",
        concurrency: int = 4,
        broker: str = "redis",
        storage: str = "redis",
        **environment: str,
    ) -> None:
        self.lease = lease
        self.pool = pool
        self.concurrency = concurrency
        self.broker = servers.broker(broker)
        self.storage = servers.storage(storage)
        self.workers: list[Worker] = []
        self.directory = Path(tempfile.mkdtemp(prefix="house-", dir=session_directory()))
        self.ledger = Ledger(self.directory)
        self._environment = environment
        #: Groups of processes that were started, orphans of killed workers among them.
        self._groups: set[int] = set()
        self.jobs: Jobs
        self._app: Any = None
        self._kept: dict[str, str] = {}

    def __enter__(self) -> House:
        # Celery would take them in place of what it is given; the next test may want them.
        self._kept = {name: os.environ.pop(name) for name in project.CELERY_VARIABLES if name in os.environ}
        self.broker.start()
        self.storage.start()
        self._app, self.jobs = project.make(self.environment)
        return self

    def __exit__(self, *error: object) -> None:
        for group in self._groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in (*self.workers, self.broker, self.storage):
            process.end()
        self.jobs.close()
        self._app.close()
        gc.collect()
        os.environ.update(self._kept)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process where everything is."""
        return {
            "CHAOS_BROKER": self.broker.url,
            "CHAOS_STORAGE": self.storage.url,
            "CHAOS_LEASE": str(self.lease),
            **self._environment,
        }

    @property
    def faulty(self) -> dict[str, str]:
        """The same for a process in which the planted faults happen."""
        return {**self.environment, "CHAOS_FAULTS": str(self.directory)}

    # -- workers -----------------------------------------------------------------------------

    def start_worker(self, *, wait: bool = True, faulty: bool = False, twice: bool = False, **options: Any) -> Worker:
        """A worker; ``faulty``: with the planted faults; ``twice``: all that it publishes is delivered twice."""
        env: dict[str, str | None] = dict(self.faulty if faulty else self.environment)
        env |= dict.fromkeys(project.CELERY_VARIABLES)
        if twice:
            env["CHAOS_TWICE"] = "1"
        given = {"pool": self.pool, "concurrency": self.concurrency, **options}
        worker = Worker(PROJECT, name=f"chaos{len(self.workers) + 1}", env=env, **given)
        self.workers.append(worker)
        worker.start()
        self._groups.add(worker.pid)
        return worker.wait_until_ready() if wait else worker

    def tend(self) -> int:
        """Start again what has ended, as a supervisor does; how many there were."""
        ended = [worker for worker in self.workers if not worker.running]
        for worker in ended:
            worker.start()
            self._groups.add(worker.pid)
        return len(ended)

    # -- instances ---------------------------------------------------------------------------

    def create(self, tasks: Sequence[Node], *, execute: bool = True, **options: Any) -> str:
        """An instance of the tasks; its id."""
        context = {"ledger": str(self.directory), "pace": 1.0, "gate": str(self.directory / "gate")}
        id = self.jobs.create_workflow_instance(
            "chaos_tree", {"tasks": list(tasks)}, base_context=context, execute=execute, **options
        )
        if execute:
            eventually(lambda: self._is_started(id), 60)
        return id

    def _is_started(self, id: str) -> bool:
        """Asks again for a start that a broker was too slow to confirm, as its caller would."""
        header = self.jobs.storage.get_instance(id)
        if header is None or header.status != InstanceStatus.INACTIVE:
            return True
        if (header.error or {}).get("code") != BrokerUnavailable.code:
            raise RuntimeError(f"not started, and nothing says why: {header}")
        with contextlib.suppress(BrokerUnavailable):
            self.jobs.execute_all_tasks(id)
        return False

    def headers(self, ids: Sequence[str]) -> dict[str, Instance]:
        """Those that are there."""
        found = self.jobs.storage.get_instances(ids) if ids else []
        return {header.id: header for header in found if header is not None}

    def working(self, ids: Sequence[str]) -> list[str]:
        """Those that have not ended."""
        return [id for id, header in self.headers(ids).items() if header.status not in FINISHED]

    def wait(self, ids: Sequence[str], timeout: float, *, tend: bool = True) -> None:
        """Return when all have ended, starting again what ends meanwhile."""

        def ended() -> bool:
            if tend:
                self.tend()
            left = self.working(ids)
            assert not left, f"{len(left)} of {len(ids)} have not ended: {self.describe(left[:3])}"
            return True

        eventually(ended, timeout, interval=0.1)

    def describe(self, ids: Sequence[str]) -> str:
        """Where they stand, for a failure's message."""
        lines = []
        for id in ids:
            snapshot = self.jobs.storage.snapshot(id)
            if snapshot is None:
                lines.append(f"{id}: gone")
                continue
            active = {path: r["status"] for path, r in snapshot.tasks.items() if r["status"] in ("queued", "running")}
            lines.append(f"{id}: {snapshot.instance.status} run {snapshot.instance.run} {active}")
        return "; ".join(lines)

    def logs(self, pattern: Callable[[str], bool]) -> list[str]:
        """The lines of all workers' logs that satisfy it."""
        return [line for worker in self.workers for line in worker.output().splitlines() if pattern(line)]
