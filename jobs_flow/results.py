"""The part of the facade that gives results: at once, or when a run has ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from jobs_flow import aio
from jobs_flow.errors import BodyLost, ExecutionFailed, WaitTimeout
from jobs_flow.queries import Queries
from jobs_flow.storages.records import Instance, Json
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

#: Seconds between looks at an instance while nothing is heard of it.
WAIT_STEP = 5.0
#: Seconds between looks of a coroutine, which hears nothing: at first and at most.
FIRST_PAUSE = 0.02
LAST_PAUSE = 0.25


class Results(Queries):
    """What came of a run, or why nothing did."""

    def get_result(self, instance_id: str) -> Json:
        """What the last root task handed on; None before it did. Raises ``InstanceNotFound``."""
        return self._again_if_lost(instance_id, lambda: self.runtime.last_result(self.runtime.header(instance_id)))

    def wait(self, instance_id: str, timeout: float | None = None) -> Json:
        """The last result, when the run has ended.

        Raises ``ExecutionFailed`` with the failing path and its payload, or why the run did not start;
        ``WaitTimeout`` after ``timeout`` seconds; ``InstanceNotFound`` when there is no such instance (any more).
        """
        return self._result_or_raise(self._wait(instance_id, timeout))

    async def await_result(self, instance_id: str, timeout: float | None = None) -> Json:
        """Asynchronous twin of ``wait``; holds no thread while it waits, however many wait."""
        return await aio.in_thread(self._result_or_raise, await self._await_end(instance_id, timeout))

    def wait_task(self, instance_id: str, path: str, timeout: float | None = None, *, run: int | None = None) -> Json:
        """The result of one task, when the run that executes it has ended. Raises as ``wait`` does."""
        return self._result_of_task(self._wait(instance_id, timeout, run), path)

    async def await_task(
        self, instance_id: str, path: str, timeout: float | None = None, *, run: int | None = None
    ) -> Json:
        """Asynchronous twin of ``wait_task``; holds no thread while it waits."""
        return await aio.in_thread(self._result_of_task, await self._await_end(instance_id, timeout, run), path)

    async def _await_end(self, instance_id: str, timeout: float | None, run: int | None = None) -> Instance:
        """Asynchronous twin of ``_wait``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        header: Instance = await aio.in_thread(self.runtime.header, instance_id)
        pause = FIRST_PAUSE
        while not self._has_ended(header, run):
            _check_deadline(header, deadline, timeout)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)
            header = await aio.in_thread(self.runtime.header, instance_id)
        return header

    def _result_or_raise(self, header: Instance) -> Json:
        stopped = header.status in (InstanceStatus.FAILED, InstanceStatus.CANCELLED)
        if stopped or (header.status == InstanceStatus.INACTIVE and header.error):
            error = header.error or self._failure(header.id) or {"message": f"the run is {header.status}"}
            if not stopped:
                message = f"Instance {header.id} was not started: {error['message']}"
                raise ExecutionFailed(message, instance_id=header.id, reason=error["message"], payload=error)
            path = error.get("path", "#")
            if header.status == InstanceStatus.CANCELLED:
                message = f"Instance {header.id} was cancelled at {path}"
                raise ExecutionFailed(message, instance_id=header.id, path=path, reason="cancelled", payload=error)
            raise ExecutionFailed(instance_id=header.id, path=path, reason=reason_of(error), payload=error)
        return self._again_if_lost(header.id, lambda: self.runtime.last_result(header))

    def _failure(self, instance_id: str) -> dict[str, Any] | None:
        """The failure that an earlier run left behind."""
        for path, record in self.snapshot(instance_id).tasks.items():
            if record["status"] in (TaskStatus.FAILED, TaskStatus.CANCELLED):
                return {**(record["error"] or {"message": f"it is {record['status']}"}), "path": path}
        return None

    def _wait(self, instance_id: str, timeout: float | None, run: int | None = None) -> Instance:
        """The header, when run ``run`` (any, if None) has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        header = self.runtime.header(instance_id)
        while not self._has_ended(header, run):
            _check_deadline(header, deadline, timeout)
            header = self._next_header(header, deadline)
        return header

    @staticmethod
    def _has_ended(header: Instance, run: int | None) -> bool:
        started = header.run > 0 and header.run >= (run or 0)
        return (started and header.status != InstanceStatus.WORKING) or header.run > (run or header.run)

    def _next_header(self, header: Instance, deadline: float | None) -> Instance:
        """The header again, when an event says that it changed, or when nothing was heard for a while."""
        seq = header.seq
        while True:
            left = WAIT_STEP if deadline is None else min(WAIT_STEP, max(0.0, deadline - time.monotonic()))
            events = self.storage.wait_events(header.id, seq, left)
            if not events or any(event.data.keys() & {"instance", "reset", "deleted"} for event in events):
                return self.runtime.header(header.id)
            seq = events[-1].seq

    def _result_of_task(self, header: Instance, path: str) -> Json:
        record = self.get_task(header.id, path, whole=False)
        if header.error and header.status == InstanceStatus.INACTIVE:
            self._result_or_raise(header)
        if record["status"] == TaskStatus.FAILED:
            error = record["error"] or {"message": "it failed"}
            raise ExecutionFailed(instance_id=header.id, path=path, reason=reason_of(error), payload=error)
        return self._in_full(header.id, record["body"])

    def _in_full(self, instance_id: str, field: Any) -> Json:
        try:
            return self.runtime.bodies.value(instance_id, field)
        except BodyLost:
            # An instance that was destroyed meanwhile is no loss.
            self.runtime.header(instance_id)
            raise

    aget_result = aio.twin(get_result)


def reason_of(error: dict[str, Any]) -> str:
    """What a recorded error says; an exception of users' code with its type, as Python shows it."""
    message = str(error.get("message", "it failed"))
    kind = error.get("type", "")
    named = error.get("code") != "EXECUTION_FAILED" or message.startswith(kind)
    return message if named else f"{kind}: {message}"


def _check_deadline(header: Instance, deadline: float | None, timeout: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise WaitTimeout(
            instance_id=header.id,
            timeout=timeout or 0.0,
            status=header.status,
            queued=header.counts.get(TaskStatus.QUEUED, 0),
            running=header.counts.get(TaskStatus.RUNNING, 0),
            paused=header.paused,
        )
