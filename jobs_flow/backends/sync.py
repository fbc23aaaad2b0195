"""Executes in this process, without a broker: for debugging and tests (feature S61).

The same steps leave the same records; tasks of a parallel block run one after the other.
"""

from __future__ import annotations

from collections import deque

from jobs_flow.backends.base import Backend, Dispatch
from jobs_flow.backends.runtime import Runtime
from jobs_flow.backends.step import run_step


class SyncBackend(Backend):
    """Runs a dispatch to its end before it returns."""

    name = "sync"
    default_storage = "memory://"

    def install(self, runtime: Runtime) -> None:
        """Keep the runtime."""
        self._runtime = runtime

    def dispatch(self, work: Dispatch) -> None:
        """Execute the heads, then what each of them queued, in the order they were queued."""
        waiting = deque(work.heads)
        while waiting:
            step = run_step(self._runtime, work.instance_id, waiting.popleft(), work.run, worker="sync")
            waiting.extend(step.queued)
