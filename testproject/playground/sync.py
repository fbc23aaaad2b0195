"""A run without broker, worker or Redis: ``backend="sync"``, in this process, while the request waits."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from jobs_flow import Jobs
from jobs_flow.errors import JobsFlowError
from testproject.playground.forms import data_of

#: Seconds after which a run is cancelled.
LIMIT = 15.0
#: One at a time: each takes a thread of the web server.
_turn = threading.BoundedSemaphore()


@dataclass(frozen=True)
class SyncRun:
    """What came of it."""

    workflow: str
    status: str
    seconds: float
    #: Status by path.
    tasks: dict[str, str]
    result: Any = None
    error: dict[str, Any] | None = None

    @property
    def result_text(self) -> str:
        """The result as JSON for people."""
        return json.dumps(self.result, indent=2, ensure_ascii=False)


class Busy(JobsFlowError):
    """Another sync run is going on in this process. Try again in a moment."""

    code = "SYNC_BUSY"


def run(workflow: str) -> SyncRun:
    """Run a workflow to its end, at most for about LIMIT seconds. Raises ``Busy``, ``JobsFlowError``."""
    if not _turn.acquire(blocking=False):
        raise Busy
    try:
        return _run(workflow)
    finally:
        _turn.release()


def _run(workflow: str) -> SyncRun:
    own = Jobs(backend="sync", storage="memory://")
    instance_id = own.create_workflow_instance(workflow, data_of(workflow))
    began = time.monotonic()
    # Cancelled from beside: a task notices at its next report.
    alarm = threading.Timer(LIMIT, own.cancel, [instance_id])
    alarm.daemon = True
    alarm.start()
    try:
        own.execute_all_tasks(instance_id)
        found = own.snapshot(instance_id)
        done = found.instance.status == "done"
        return SyncRun(
            workflow,
            found.instance.status,
            time.monotonic() - began,
            {path: view["status"] for path, view in found.tasks.items()},
            own.get_result(instance_id) if done else None,
            found.instance.error,
        )
    finally:
        alarm.cancel()
        own.destroy_workflow(instance_id)
        own.close()
