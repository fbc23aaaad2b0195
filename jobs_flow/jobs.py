"""``Jobs``, the facade: declare, create, execute, read.

It knows a storage and a backend by their contracts only.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs_flow import aio, debug
from jobs_flow.backends import Backend, Dispatch, create_backend
from jobs_flow.backends.runtime import RunListener, Runtime
from jobs_flow.errors import (
    BrokerUnavailable,
    CannotPublish,
    CannotStart,
    ConfigurationError,
    ExecutionFailed,
    InvalidArgument,
    JobsFlowError,
    TaskNotFound,
)
from jobs_flow.hooks import Hook
from jobs_flow.ids import new_instance_id
from jobs_flow.index import InstanceIndex
from jobs_flow.queries import Queries, reason_of
from jobs_flow.storages import Storage, create_storage
from jobs_flow.storages.records import Instance, Json, NewInstance, Outcome, RunSelection
from jobs_flow.workflows import json, paths, selection
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.registry import Registry, default_registry
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

logger = logging.getLogger("jobs_flow.engine")

#: Longest realm and name, in characters: what the Django app's columns hold.
TEXT_LIMIT = 200


class _Missing:
    """No argument was given, which is not the same as None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True)
class RunHandle:
    """A run that was started, or that starts when the caller's transaction is committed (``run`` is None then)."""

    jobs: Jobs
    id: str
    run: int | None
    #: The one task it executes, None for a whole run.
    path: str | None = None

    def wait(self, timeout: float | None = None) -> Json:
        """The last result, or that of the one task. Raises as ``Jobs.wait`` does."""
        if self.path is None:
            return self.jobs.wait(self.id, timeout)
        return self.jobs.wait_task(self.id, self.path, timeout, run=self.run)


class Jobs(Queries):
    """Workflows on a Celery application's workers, or in this process.

    ``app``: the Celery application; None: Celery's current one. ``storage``: a URL or a ``Storage``; None:
    the application's ``jobs_flow_storage`` setting. ``backend``: ``celery`` or ``sync``. Making one
    connects to nothing.
    """

    def __init__(
        self,
        app: Any = None,
        *,
        storage: str | Storage | None = None,
        backend: str | Backend = "celery",
        index: InstanceIndex | None = None,
        registry: Registry | None = None,
    ) -> None:
        debug.configure()
        # Made now, though it connects to nothing: a wrong URL is wrong here, not at the first task.
        self._storage = create_storage(storage) if storage is not None else None
        self._storage_lock = threading.Lock()
        self.index = index or InstanceIndex()
        self.registry = registry if registry is not None else default_registry
        self.on_start = Hook("on_start", "id, run")
        self.on_complete = Hook("on_complete", "id: a full run ended well")
        self.on_error = Hook("on_error", "id, path, payload: a task failed")
        self.on_delete = Hook("on_delete", "id")
        self.runtime = Runtime(self._get_storage, self.registry, _Listener(self))
        self.backend = create_backend(backend, app)
        self.backend.install(self.runtime)

    def _get_storage(self) -> Storage:
        with self._storage_lock:
            if self._storage is None:
                url = self.backend.default_storage
                if url is None:
                    reason = "no storage is configured; give Jobs(storage=…) or set CELERY_JOBS_FLOW_STORAGE"
                    raise ConfigurationError(setting="storage", reason=reason)
                self._storage = create_storage(url)
            return self._storage

    # -- declaring ---------------------------------------------------------------------------

    def register_workflow(self, name: str, generator_or_tasks: Any = None) -> Any:
        """Know a workflow: a generator ``fn(data)`` or a list of tasks. A decorator when only the name is given."""
        if generator_or_tasks is not None:
            self.registry.register(name, generator_or_tasks)
            return generator_or_tasks

        def decorate(generator: Callable[..., Any]) -> Callable[..., Any]:
            self.registry.register(name, generator)
            return generator

        return decorate

    register_workflow_generator = register_workflow

    # -- creating ----------------------------------------------------------------------------

    def create_workflow_instance(
        self,
        workflow: str,
        data: Json = None,
        *,
        realm: str = "",
        name: str = "",
        base_context: Mapping[str, Json] | None = None,
        ephemeral: bool = False,
        execute: bool = False,
    ) -> str:
        """Make an instance, and start it when ``execute``; its id.

        Inside a transaction of the index's database everything waits for the commit. With ``execute``
        the id is given whatever becomes of the start: an instance that could not be started stays
        ``inactive`` and its ``error`` says why. Raises ``UnknownWorkflow``, ``DefinitionError``, ``NotJson``,
        ``InvalidArgument``, ``StorageUnavailable``; nothing is stored then.
        """
        # As it will be read back, so that the generator sees the same here and in every worker.
        data = json.decode(json.encode(data, "data"))
        plan = self.registry.plan(workflow, data)
        new = NewInstance(
            id=new_instance_id(),
            workflow=workflow,
            data=data,
            base_context=_checked_context(base_context),
            fingerprint=plan.fingerprint,
            tree=plan.describe(),
            paths=tuple(plan.nodes),
            realm=_checked_text("realm", realm),
            name=_checked_text("name", name),
            ephemeral=bool(ephemeral),
        )
        self.index.created(new)
        if self.index.in_transaction():
            self.index.on_commit(lambda: self._create_after_commit(new, execute))
            return new.id
        try:
            self.storage.create_instance(new)
        except BaseException:
            self.index.discard(new.id)
            raise
        if execute:
            self._try_start(new.id)
        return new.id

    def _create_after_commit(self, new: NewInstance, execute: bool) -> None:
        # The row is committed and the caller has its id: nobody is there to catch what goes wrong now.
        try:
            self.index.changed(self.storage.create_instance(new))
        except Exception as error:
            logger.error("%s was committed and could not be stored: %s", new.id, _kind(error))
            return
        if execute:
            self._try_start(new.id)

    def _try_start(self, instance_id: str) -> None:
        try:
            self.execute_all_tasks(instance_id)
        except Exception as error:
            logger.error("%s was created and not started: %s", instance_id, _kind(error))

    # -- executing ---------------------------------------------------------------------------

    def execute_all_tasks(
        self, instance_id: str, argument: Json | _Missing = MISSING, *, from_path: str | None = None
    ) -> RunHandle:
        """Run every task again from the first, or from ``from_path`` on; ``argument`` goes to the first only.

        Raises ``InstanceNotFound``, ``TaskNotFound``, ``CannotStart`` (a run is going on, or an earlier task has not
        passed), ``DefinitionChanged``, ``BrokerUnavailable`` (the instance is ``inactive`` again and says so).
        """
        if from_path in (None, paths.ROOT):
            return self._start(instance_id, argument, lambda plan, text: selection.select_all(plan, text))

        def select(plan: Plan, text: str | None) -> RunSelection:
            return selection.select_from(plan, str(from_path), self._statuses(instance_id), text)

        return self._start(instance_id, argument, select, path=from_path)

    def execute_one_task(self, instance_id: str, path: str, argument: Json | _Missing = MISSING) -> RunHandle:
        """Run one task with what ran before it; ``#`` runs all.

        An explicit argument, falsy ones too, replaces the previous result. Raises as ``execute_all_tasks`` does.
        """
        paths.parse(path)
        if path == paths.ROOT:
            return self.execute_all_tasks(instance_id, argument)

        def select(plan: Plan, text: str | None) -> RunSelection:
            return selection.select_one(plan, path, self._statuses(instance_id), text)

        return self._start(instance_id, argument, select, path=path, only=path)

    execute = execute_one_task

    def _start(
        self,
        instance_id: str,
        argument: Json | _Missing,
        select: Callable[[Plan, str | None], RunSelection],
        *,
        path: str | None = None,
        only: str | None = None,
    ) -> RunHandle:
        text = None if isinstance(argument, _Missing) else json.encode(argument, "the argument")
        if path is not None:
            paths.parse(path)
        if self.index.in_transaction():
            # Also when the storage has it: a rolled-back transaction starts nothing.
            self.index.on_commit(lambda: self._start_after_commit(instance_id, text, select, path))
            return RunHandle(self, instance_id, None, only)
        return RunHandle(self, instance_id, self._start_now(instance_id, text, select, path), only)

    def _start_after_commit(
        self, instance_id: str, text: str | None, select: Callable[[Plan, str | None], RunSelection], path: str | None
    ) -> None:
        try:
            self._start_now(instance_id, text, select, path)
        except Exception as error:
            logger.error("%s was not started after the commit: %s", instance_id, _kind(error))

    def _start_now(
        self, instance_id: str, text: str | None, select: Callable[[Plan, str | None], RunSelection], path: str | None
    ) -> int:
        header = self.runtime.header(instance_id)
        plan = self.runtime.plan_of(header)
        if path is not None and path not in plan:
            raise TaskNotFound(instance_id=instance_id, workflow=header.workflow, path=path)
        try:
            selected = select(plan, text)
        except selection.Blocked as blocked:
            reason = f"{blocked.blocking} comes before it and is {blocked.status}"
            raise CannotStart(
                instance_id=instance_id, path=blocked.path, reason=reason, blocking=blocked.blocking
            ) from None
        # The next run, and no other: what was selected rests on what the last one left.
        run = self.storage.start_run(instance_id, selected, expect_run=header.run + 1).run
        self.runtime.listener.run_started(instance_id)
        if not selected.heads:
            self.runtime.listener.run_finished(instance_id, InstanceStatus.DONE)
            return run
        try:
            self.backend.dispatch(Dispatch(instance_id, run, plan, selected.heads, frozenset(selected.paths)))
        except (BrokerUnavailable, CannotPublish) as error:
            wire = {"code": error.code, "message": error.message}
            if self.storage.revert_run(instance_id, run, wire):
                self.index.changed(self.runtime.header(instance_id))
            raise
        return run

    def _statuses(self, instance_id: str) -> dict[str, str]:
        return {path: record["status"] for path, record in self.snapshot(instance_id).tasks.items()}

    def canvas(self, instance_id: str) -> Any:
        """The next whole run of an instance as one ordinary Celery canvas, to compose into one's own.

        It starts the run when its first message is executed, and gives the last result. It is for one
        run: published again later, it starts nothing. Raises ``InstanceNotFound``, ``DefinitionChanged``,
        ``CanvasTooLarge``, ``ResultBackendRequired``.
        """
        header = self.runtime.header(instance_id)
        return self.backend.canvas(instance_id, self.runtime.plan_of(header), header.run + 1)

    def wait_task(self, instance_id: str, path: str, timeout: float | None = None, *, run: int | None = None) -> Json:
        """The result of one task, when the run that executes it has ended. Raises as ``wait`` does."""
        return self._result_of_task(self._wait(instance_id, timeout, run), path)

    async def await_task(
        self, instance_id: str, path: str, timeout: float | None = None, *, run: int | None = None
    ) -> Json:
        """Asynchronous twin of ``wait_task``; holds no thread while it waits."""
        return await aio.in_thread(self._result_of_task, await self._await_end(instance_id, timeout, run), path)

    def _result_of_task(self, header: Instance, path: str) -> Json:
        record = self.get_task(header.id, path)
        if header.error and header.status == InstanceStatus.INACTIVE:
            self._result_or_raise(header)
        if record["status"] == TaskStatus.FAILED:
            error = record["error"] or {"message": "it failed"}
            raise ExecutionFailed(instance_id=header.id, path=path, reason=reason_of(error), payload=error)
        return record["body"]

    def close(self) -> None:
        """Free the storage's connections."""
        if self._storage is not None:
            self._storage.close()

    acreate_workflow_instance = aio.twin(create_workflow_instance)
    aexecute_all_tasks = aio.twin(execute_all_tasks)
    aexecute_one_task = aio.twin(execute_one_task)
    acanvas = aio.twin(canvas)


class _Listener(RunListener):
    """Turns what steps record into hooks and index entries."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def run_started(self, instance_id: str) -> None:
        header = self._mirror(instance_id)
        if header is not None:
            self._jobs.on_start.fire(id=instance_id, run=header.run)

    def task_ended(self, instance_id: str, path: str, outcome: Outcome) -> None:
        if outcome.status == TaskStatus.FAILED:
            self._jobs.on_error.fire(id=instance_id, path=path, payload=dict(outcome.error or {}))

    def run_finished(self, instance_id: str, status: str) -> None:
        self._mirror(instance_id)
        if status == InstanceStatus.DONE:
            self._jobs.on_complete.fire(id=instance_id)

    def _mirror(self, instance_id: str) -> Instance | None:
        # The record is the truth and is written; an index that lags must not fail the task that wrote it.
        try:
            header = self._jobs.storage.get_instance(instance_id)
            if header is not None:
                self._jobs.index.changed(header)
            return header
        except Exception:
            logger.exception("the index was not told about %s", instance_id)
            return None


def _kind(error: Exception) -> str:
    """What may be logged of an error: its message may hold users' data."""
    return error.code if isinstance(error, JobsFlowError) else type(error).__name__


def _checked_text(argument: str, value: str) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(argument=argument, reason=f"it is text, not {type(value).__name__}")
    if len(value) > TEXT_LIMIT or not (value.isprintable() or not value):
        raise InvalidArgument(argument=argument, reason=f"it is at most {TEXT_LIMIT} printable characters")
    return value


def _checked_context(base_context: Mapping[str, Json] | None) -> dict[str, Json]:
    if base_context is None:
        return {}
    if not isinstance(base_context, Mapping):
        raise InvalidArgument(argument="base_context", reason=f"it is a dict, not {type(base_context).__name__}")
    checked: dict[str, Json] = json.decode(json.encode(dict(base_context), "base_context"))
    return checked
