"""Executes in this process, without a broker: for debugging and tests (feature S61).

The same steps leave the same records; tasks of a parallel block run one after the other, and a retry
is waited for.
"""

from __future__ import annotations

import time
from collections import deque

from jobs_flow.backends.base import Backend, Dispatch
from jobs_flow.backends.leases import inline
from jobs_flow.backends.runtime import Runtime
from jobs_flow.backends.step import run_step
from jobs_flow.backends.undo import run_undo

WORKER = "sync"


class SyncBackend(Backend):
    """Runs a dispatch to its end before it returns."""

    name = "sync"
    default_storage = "memory://"

    def install(self, runtime: Runtime) -> None:
        """Keep the runtime."""
        self._runtime = runtime

    def dispatch(self, work: Dispatch) -> None:
        """Execute the heads, then what each of them queued, in the order they were queued; then due retries."""
        self._delete_outlived()
        waiting = deque(work.heads)
        retries: list[tuple[float, str]] = []
        while waiting or retries:
            if not waiting:
                due, path = min(retries)
                retries.remove((due, path))
                time.sleep(max(due - time.monotonic(), 0))
                self._runtime.storage.release(work.instance_id, path, work.run)
                waiting.append(path)
            path = waiting.popleft()
            with inline():
                step = run_step(self._runtime, work.instance_id, path, work.run, worker=WORKER)
            waiting.extend(step.queued)
            if step.retry_in and path not in step.queued:
                retries.append((time.monotonic() + step.retry_in, path))

    def _delete_outlived(self) -> None:
        # No worker looks after what nobody waits for; the next run of this process does.
        for due in self._runtime.storage.due():
            if due.kind == "ephemeral":
                self._runtime.listener.outlived(due.instance_id, due.run)

    def dispatch_undo(self, instance_id: str, run: int) -> None:
        """Undo everything."""
        with inline():
            run_undo(self._runtime, instance_id, run, worker=WORKER)
