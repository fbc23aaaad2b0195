"""The reading half of the facade: instances, tasks, logs, results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from jobs_flow import aio
from jobs_flow.backends.runtime import Runtime
from jobs_flow.errors import BodyLost, InstanceNotFound, InvalidArgument, TaskNotFound
from jobs_flow.index import InstanceIndex
from jobs_flow.storages.base import Storage
from jobs_flow.storages.bodies import Reference
from jobs_flow.storages.records import Instance, Json, Snapshot
from jobs_flow.workflows import context
from jobs_flow.workflows.freshness import builds_on, needs_no_look, outdated_by, stale
from jobs_flow.workflows.states import TaskStatus

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

    def get_stale_cause(self, instance_id: str, path: str) -> str | None:
        """The nearest task that was executed after ``path``, which builds on it; None: ``path`` is not stale.

        What ``get_stale_tasks`` says of one task, for less: of a task of the latest run its own record is read, of one
        of an earlier run also the times of all that come before it. Raises ``InstanceNotFound``, ``TaskNotFound``.
        """
        header = self.runtime.header(instance_id)
        own = self.storage.get_figures(instance_id, [path], ("run", "executionTime")).get(path)
        if own is None:
            raise TaskNotFound(instance_id=instance_id, workflow=header.workflow, path=path)
        fresh = needs_no_look(run=own["run"], latest_run=header.run, revision=header.revision)
        if fresh or own["executionTime"] is None:
            return None
        plan = self.runtime.any_plan(header)
        if path not in plan:
            raise TaskNotFound(instance_id=instance_id, workflow=header.workflow, path=path)
        before = builds_on(plan, path)
        times = self._execution_times(instance_id, before)
        # Its own after theirs: if it was executed again meanwhile it is newer than they are, and not stale.
        return outdated_by(self._execution_times(instance_id, [path]).get(path), before, times)

    def _execution_times(self, instance_id: str, paths: Sequence[str]) -> dict[str, int | None]:
        figures = self.storage.get_figures(instance_id, paths, ("executionTime",))
        return {path: found["executionTime"] for path, found in figures.items()}

    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Json]]:
        """Earlier attempts at a task, oldest first (``storages.records.ATTEMPT_FIELDS``); of all runs.

        Raises ``InstanceNotFound`` or ``TaskNotFound``.
        """
        attempts = self.storage.get_attempts(instance_id, path)
        if not attempts:
            self.get_task(instance_id, path, whole=False)
        return attempts

    def get_logs(self, instance_id: str, path: str) -> list[str]:
        """The log lines of a task, oldest first. Raises ``InstanceNotFound`` or ``TaskNotFound``."""
        lines = self.storage.get_logs(instance_id, [path])[path]
        if not lines:
            self.get_task(instance_id, path, whole=False)
        return lines

    aget_workflow = aio.twin(get_workflow)
    aget_all_workflows = aio.twin(get_all_workflows)
    adescribe = aio.twin(describe)
    aget_all_paths = aio.twin(get_all_paths)
    asnapshot = aio.twin(snapshot)
    aget_tasks_statuses = aio.twin(get_tasks_statuses)
    aget_task = aio.twin(get_task)
    aget_value = aio.twin(get_value)
    aget_stale_tasks = aio.twin(get_stale_tasks)
    aget_stale_cause = aio.twin(get_stale_cause)
    aget_attempts = aio.twin(get_attempts)
    aget_logs = aio.twin(get_logs)
