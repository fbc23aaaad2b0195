"""What a worker's main process learns of a step that its child did not live to record.

The main process does no I/O for it here: it hands the news to the recovery thread (``worker.py``). News that
are lost with it cost no more than waiting for the lease to run out.
"""

from __future__ import annotations

import os
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from jobs_flow.backends.celery import messages
from jobs_flow.backends.celery.deaths import Death
from jobs_flow.backends.holder import process_prefix


class FlowRequest(Request):
    """A request for a step, as the main process of a worker keeps it."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Called when a time limit has struck; the child is killed next."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._report("TIME_LIMIT", "TimeLimitExceeded", f"it ran for longer than its time limit of {timeout:g} s")

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Called for what a child raised, and for its own end."""
        error = exc_info.exception
        # What a child raised comes wrapped together with its traceback.
        if type(error).__name__ == "ExceptionWithTraceback":
            error = error.exc
        try:
            super().on_failure(exc_info, send_failed_event, return_ok)
        finally:
            # After what Celery does, which acknowledges the message: a worker that dies in between delivers it
            # again, and that finds the record under a lease.
            if isinstance(error, TimeLimitExceeded):
                self._report("TIME_LIMIT", type(error).__name__, "it ran for longer than its hard time limit")
            elif isinstance(error, Terminated) and not vars(self).get("_already_cancelled", False):
                self._report("REVOKED", "Terminated", "it was terminated")
            elif isinstance(error, Terminated | WorkerLostError | SystemExit | KeyboardInterrupt):
                self._report("WORKER_LOST", "WorkerLostError", str(error))

    def _report(self, code: str, kind: str, message: str) -> None:
        request: Any = self
        backend = vars(request.app).get("_jobs_flow")
        pid, args = request.worker_pid, request.args
        # Of this very process: a thread, or a greenlet, is not dead with its task.
        if backend is None or pid is None or pid == os.getpid() or self.task.name not in messages.STEPS:
            return
        if isinstance(args, list | tuple) and len(args) == 3:
            instance_id, path, run = args
            backend.report(Death(instance_id, path, run, process_prefix(pid) + "*", code, kind, message))
