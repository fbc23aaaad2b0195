"""The reading half of the facade: instances, tasks, logs, results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from jobs_flow import aio
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import BodyLost, ExecutionFailed, InstanceNotFound, InvalidArgument, TaskNotFound, WaitTimeout
from jobs_flow.index import InstanceIndex
from jobs_flow.storages.base import Storage
from jobs_flow.storages.bodies import Reference
from jobs_flow.storages.records import Instance, Json, Snapshot
from jobs_flow.workflows import context
from jobs_flow.workflows.freshness import stale
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

#: Seconds between looks at an instance while nothing is heard of it.
WAIT_STEP = 5.0
#: Seconds between looks of a coroutine, which hears nothing: at first and at most.
FIRST_PAUSE = 0.02
LAST_PAUSE = 0.25

T = TypeVar("T")


def instance_view(instance: Instance) -> dict[str, Any]:
    """An instance as the wire, the API and users see it, in camelCase; times in epoch milliseconds."""
    return {
        "id": instance.id,
        "workflow": instance.workflow,
        "name": instance.name,
        "realm": instance.realm,
        "data": instance.data,
        "ephemeral": instance.ephemeral,
        "key": instance.key,
        "status": instance.status,
        "run": instance.run,
        "paused": instance.paused,
        "cancelled": list(instance.cancelled),
        "undo": instance.undo,
        "progress": instance.progress,
        "counts": dict(instance.counts),
        "error": instance.error,
        "createdAt": instance.created_at,
        "updatedAt": instance.updated_at,
        "startedAt": instance.started_at,
        "finishedAt": instance.finished_at,
    }


class Queries:
    """What may be asked; every method reads the storage and changes nothing."""

    runtime: Runtime
    index: InstanceIndex

    @property
    def storage(self) -> Storage:
        """The storage; made on first use."""
        return self.runtime.storage

    async def _in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await aio.in_thread(function, *args, **kwargs)

    def describe(self, workflow: str, data: Json = None) -> list[dict[str, Any]]:
        """The tree of a workflow for ``data``: nested ``{"name", "description", "path", "children"}``."""
        return self.runtime.registry.plan(workflow, data).describe()

    def get_all_paths(self, workflow: str, data: Json = None) -> list[str]:
        """Every path of a workflow for ``data``, in pre-order."""
        return list(self.runtime.registry.plan(workflow, data).nodes)

    def get_workflow(self, instance_id: str) -> dict[str, Any]:
        """An instance; see ``instance_view``. Raises ``InstanceNotFound``."""
        return instance_view(self.runtime.header(instance_id))

    def get_all_workflows(
        self,
        realm: str | None = None,
        status: str | None = None,
        workflow: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Instances, newest first, at most ``limit``; ``after`` is the id of the last one of the page before.

        Where an index has a table of them (Django's rows), that finds them, at the same speed on every page: by the
        status that it knows, which follows the storage a moment later. What is given is the storage's word, and no
        instance that has another status by now. Without one the storage's list is read until a page is full.
        """
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            wanted = limit
            ids = self.index.page(realm=realm, status=status, workflow=workflow, after=after, limit=wanted)
            if ids is None:
                wanted = max(limit, 100)
                ids = self.storage.list_ids(realm=realm, after=after, limit=wanted)
            for instance in self.storage.get_instances(ids):
                if instance is None or status not in (None, instance.status):
                    continue
                if workflow in (None, instance.workflow):
                    found.append(instance_view(instance))
            if len(ids) < wanted:
                break
            after = ids[-1]
        return found[:limit]

    def snapshot(self, instance_id: str) -> Snapshot:
        """Header, tree and all task views as of one moment. Raises ``InstanceNotFound``."""
        snapshot = self.storage.snapshot(instance_id)
        if snapshot is None:
            raise InstanceNotFound(instance_id=instance_id)
        return snapshot

    def get_tasks_statuses(self, instance_id: str) -> dict[str, dict[str, Any]]:
        """The task views by path, in pre-order (``storages.records.TASK_VIEW``)."""
        return self.snapshot(instance_id).tasks

    def get_task(self, instance_id: str, path: str, *, whole: bool = True) -> dict[str, Any]:
        """One full record: its view, and argument, context, updaters, source, traceback, worker.

        With ``whole=False`` a large value is not loaded: a ``Reference`` says how long it is, ``get_value`` gives it.
        An argument or context member that stands in another record, unchanged since, is given in
        full; one that has been replaced there stays a ``{"$ref": path, "executionTime", "length"}``.
        Raises ``InstanceNotFound``, ``TaskNotFound``, ``BodyLost``.
        """
        return self._again_if_lost(instance_id, lambda: self._get_task(instance_id, path, whole))

    def _get_task(self, instance_id: str, path: str, whole: bool) -> dict[str, Any]:
        record = self.storage.get_task(instance_id, path)
        header = self.runtime.header(instance_id)
        if record is None:
            raise TaskNotFound(instance_id=instance_id, workflow=header.workflow, path=str(path))

        @cache
        def read(source: str) -> dict[str, Any] | None:
            origin = self.storage.get_task(instance_id, source)
            if origin is None:
                return None
            held = "body" if origin["status"] == TaskStatus.OK else "argument"
            if isinstance(origin[held], Reference) and not whole:
                # What refers to it says how long it is.
                return None
            return origin | {held: self.runtime.bodies.value(instance_id, origin[held])}

        if whole:
            for name in ("body", "argument", "context", "updaters"):
                record[name] = self.runtime.bodies.value(instance_id, record[name])
        # The argument of a first task or after a block stands in no other record and is kept as it is.
        record["argument"] = context.resolve(record["argument"], read, header.base_context)
        if isinstance(record["context"], dict):
            record["context"] = {
                name: context.resolve(member, read, header.base_context) for name, member in record["context"].items()
            }
        return record

    def get_value(self, instance_id: str, path: str, name: str = "body") -> Json:
        """``body``, ``argument``, ``context`` or ``updaters`` of a task, in full. Raises as ``get_task`` does."""
        if name not in ("body", "argument", "context", "updaters"):
            raise InvalidArgument(argument="name", reason=f"a task has no value {name!r}")
        if name != "body":
            return self.get_task(instance_id, path)[name]

        def read() -> Json:
            return self.runtime.bodies.value(instance_id, self.get_task(instance_id, path, whole=False)[name])

        return self._again_if_lost(instance_id, read)

    def _in_full(self, instance_id: str, field: Any) -> Json:
        try:
            return self.runtime.bodies.value(instance_id, field)
        except BodyLost:
            # An instance that was destroyed meanwhile is no loss.
            self.runtime.header(instance_id)
            raise

    def _again_if_lost(self, instance_id: str, read: Callable[[], T]) -> T:
        """What ``read`` gives; once more when a large value went while it was read, since a new run has replaced it."""
        try:
            return read()
        except BodyLost:
            self.runtime.header(instance_id)
            return read()

    def get_stale_tasks(self, instance_id: str) -> dict[str, str]:
        """The tasks that were executed before something they build on was executed again, each with that path.

        Feature S22: a task that comes after one of them is refused until it was executed again too.
        Raises ``InstanceNotFound``.
        """
        snapshot = self.snapshot(instance_id)
        times = {path: record["executionTime"] for path, record in snapshot.tasks.items()}
        return stale(self.runtime.any_plan(snapshot.instance), times)

    def get_logs(self, instance_id: str, path: str) -> list[str]:
        """The log lines of a task, oldest first. Raises ``InstanceNotFound`` or ``TaskNotFound``."""
        lines = self.storage.get_logs(instance_id, [path])[path]
        if not lines:
            self.get_task(instance_id, path, whole=False)
        return lines

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

    aget_workflow = aio.twin(get_workflow)
    aget_all_workflows = aio.twin(get_all_workflows)
    adescribe = aio.twin(describe)
    aget_all_paths = aio.twin(get_all_paths)
    asnapshot = aio.twin(snapshot)
    aget_tasks_statuses = aio.twin(get_tasks_statuses)
    aget_task = aio.twin(get_task)
    aget_value = aio.twin(get_value)
    aget_stale_tasks = aio.twin(get_stale_tasks)
    aget_logs = aio.twin(get_logs)
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
