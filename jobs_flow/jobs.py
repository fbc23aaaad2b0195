"""``Jobs``, the facade: declare, create, execute, read.

It knows a storage and a backend by their contracts only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs_flow import aio, debug
from jobs_flow.arguments import MISSING, Missing, check_definition, checked_context, checked_text, text_of
from jobs_flow.backends import Backend, Dispatch, create_backend
from jobs_flow.backends.runtime import Runtime
from jobs_flow.drawings import Drawings
from jobs_flow.errors import (
    BrokerUnavailable,
    CannotPublish,
    CannotStart,
    ConfigurationError,
    DefinitionChanged,
    DefinitionError,
    ExecutionFailed,
    InstanceExists,
    InstanceNotFound,
    JobsFlowError,
    StorageUnavailable,
    UnknownWorkflow,
    kind_of,
)
from jobs_flow.estimating import Estimating
from jobs_flow.hooks import Hook
from jobs_flow.index import Entry, InstanceIndex
from jobs_flow.listening import Listener
from jobs_flow.pruning import Pruning
from jobs_flow.queries import reason_of
from jobs_flow.starting import Start
from jobs_flow.storages import Storage, create_storage
from jobs_flow.storages.bodies import check_size
from jobs_flow.storages.body_stores import BodyStore, create_body_store
from jobs_flow.storages.records import Instance, Json, NewInstance
from jobs_flow.syncpoints import reach
from jobs_flow.workflows import json, paths
from jobs_flow.workflows.registry import NO_EXAMPLE, Registry, default_registry
from jobs_flow.workflows.retention import Keep
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

logger = logging.getLogger("jobs_flow.engine")

#: Seconds for which a caller waits for another one that is creating the instance of the same key.
KEY_PATIENCE = 2.0
#: Times a start is tried again because an update of the instance came first.
START_ATTEMPTS = 10
#: Refusals of ours that may be over later: a server is back, somebody has put a setting or a permission right, another
#: worker or later code knows the workflow, the creation that stands before a start in the outbox was done.
PASSING = (
    StorageUnavailable,
    BrokerUnavailable,
    ConfigurationError,
    UnknownWorkflow,
    DefinitionError,
    DefinitionChanged,
    InstanceNotFound,
)


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


class Jobs(Pruning, Estimating, Drawings):
    """Workflows on a Celery application's workers, or in this process.

    ``app``: the Celery application; None: Celery's current one. ``storage``: a URL or a ``Storage``; None:
    the application's ``jobs_flow_storage`` setting. ``backend``: ``celery`` or ``sync``. ``bodies``: where values go
    that are too long for a record, a URL (``s3://``, ``file://``) or a ``BodyStore``; None: as the setting
    ``jobs_flow_bodies`` says, else into the storage. Making one connects to nothing.
    """

    def __init__(
        self,
        app: Any = None,
        *,
        storage: str | Storage | None = None,
        backend: str | Backend = "celery",
        bodies: str | BodyStore | None = None,
        index: InstanceIndex | None = None,
        registry: Registry | None = None,
    ) -> None:
        debug.configure()
        # Made now, though it connects to nothing: a wrong URL is wrong here, not at the first task.
        self._storage = create_storage(storage) if storage is not None else None
        self._bodies = create_body_store(bodies)
        self._bodies_known = bodies is not None
        self._storage_lock = threading.Lock()
        self.index = index or InstanceIndex()
        self.registry = registry if registry is not None else default_registry
        self.on_start = Hook("on_start", "id, run")
        self.on_complete = Hook("on_complete", "id: a full run ended well")
        self.on_error = Hook("on_error", "id, path, payload: a task failed")
        self.on_delete = Hook("on_delete", "id")
        self.backend = create_backend(backend, app)
        self.runtime = Runtime(
            self._get_storage,
            self.registry,
            Listener(self),
            get_policy=lambda: self.backend.policy,
            lane_of=self.backend.lane_of,
            jobs=self,
            get_body_store=self._get_body_store,
        )
        self.backend.install(self.runtime)

    def _get_storage(self) -> Storage:
        # Without the lock where it is not needed: a child that is forked while another thread has it waits for ever.
        if self._storage is not None:
            return self._storage
        with self._storage_lock:
            if self._storage is None:
                url = self.backend.default_storage
                if url is None:
                    reason = "no storage is configured; give Jobs(storage=…) or set CELERY_JOBS_FLOW_STORAGE"
                    raise ConfigurationError(setting="storage", reason=reason)
                self._storage = create_storage(url)
            return self._storage

    def _get_body_store(self) -> BodyStore | None:
        if self._bodies is None and not self._bodies_known:
            # Twice by two threads is no harm: it connects to nothing.
            self._bodies = create_body_store(self.backend.default_bodies)
            self._bodies_known = True
        return self._bodies

    # -- declaring ---------------------------------------------------------------------------

    def register_workflow(
        self, name: str, generator_or_tasks: Any = None, *, keep: Keep = None, example: Any = NO_EXAMPLE
    ) -> Any:
        """Know a workflow: a generator ``fn(data)`` or a list of tasks. A decorator without one.

        ``keep``: its instances are removed so long after their run, in seconds or as a ``timedelta``; ``math.inf``: for
        ever; None: as the setting ``jobs_flow_keep`` says. ``example``: data that describes the workflow where there
        is no instance of it. Raises ``DefinitionError``.
        """
        if generator_or_tasks is not None:
            self.registry.register(name, generator_or_tasks, keep=keep, example=example)
            return generator_or_tasks

        def decorate(generator: Callable[..., Any]) -> Callable[..., Any]:
            self.registry.register(name, generator, keep=keep, example=example)
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
        key: str | None = None,
        base_context: Mapping[str, Json] | None = None,
        ephemeral: bool = False,
        execute: bool = False,
    ) -> str:
        """Make an instance, and start it when ``execute``; its id.

        With a ``key`` there is at most one instance of the workflow and realm that has it: the same call again,
        from any process, gives its id and starts nothing twice; the data of the first one stays. Destroying it
        frees the key.

        Inside a transaction of the index's database everything waits for the commit. With ``execute``
        the id is given whatever becomes of the start: an instance that could not be started stays
        ``inactive`` and its ``error`` says why. Raises ``UnknownWorkflow``, ``DefinitionError``, ``NotJson``,
        ``TooLarge`` (``data`` and ``base_context``), ``InvalidArgument``, ``ConfigurationError``,
        ``StorageUnavailable``; nothing is stored then.
        """
        # A setting that is wrong keeps every run from starting: said here, before anything is stored.
        _ = self.runtime.policy
        # As it will be read back, so that the generator sees the same here and in every worker.
        data = json.decode(json.encode(data, "data"))
        given_context = checked_context(base_context)
        check_definition(data, given_context)
        plan = self.registry.plan(workflow, data)
        realm, key = checked_text("realm", realm), None if key is None else checked_text("key", key)
        new = NewInstance(
            id=self.storage.new_id(realm=realm, key=key),
            workflow=workflow,
            data=data,
            base_context=given_context,
            fingerprint=plan.fingerprint,
            tree=plan.describe(),
            paths=tuple(plan.nodes),
            realm=realm,
            name=checked_text("name", name),
            ephemeral=bool(ephemeral),
            key=key,
        )
        existing = self.index.created(new, execute=execute)
        if existing is not None:
            return self._join_in(existing, execute)
        reach("jobs.create", new.id)
        if self.index.in_transaction():
            self.index.on_commit(lambda: self._create_after_commit(new, execute))
            return new.id
        try:
            self.index.changed(self.storage.create_instance(new))
        except InstanceExists as error:
            self.index.discard(new.id, taken=True)
            if error.instance_id == new.id or new.key is None:
                raise
            return self._join_in(error.instance_id, execute)
        except BaseException:
            self.index.discard(new.id)
            raise
        reach("jobs.created", new.id)
        if not execute or self._try_first(new.id):
            self.index.done(new.id)
        return new.id

    def _join_in(self, instance_id: str, execute: bool) -> str:
        """The instance of a key that somebody else made, or is making just now."""
        if self.index.in_transaction():
            return instance_id
        deadline = time.monotonic() + KEY_PATIENCE
        while (header := self.storage.get_instance(instance_id)) is None:
            if time.monotonic() > deadline:
                # Its maker has died: recovery will do what it has written down.
                return instance_id
            time.sleep(0.02)
        if execute and header.run == 0 and header.status == InstanceStatus.INACTIVE and header.error is None:
            self._try_first(instance_id)
        return instance_id

    def _create_after_commit(self, new: NewInstance, execute: bool) -> None:
        # The row is committed and the caller has its id: nobody is there to catch what goes wrong now.
        try:
            self._create_and_start(new, execute)
        except Exception as error:
            logger.error("%s was committed and could not be stored yet: %s", new.id, kind_of(error))

    def _create_and_start(self, new: NewInstance, execute: bool) -> None:
        """Do what an entry of the outbox asks for, whatever part of it is done already."""
        try:
            self.index.changed(self.storage.create_instance(new))
        except InstanceExists as error:
            if error.instance_id != new.id:
                logger.error("%s was not stored: %s has its key", new.id, error.instance_id)
                self.index.discard(new.id, taken=True)
                return
        reach("jobs.created", new.id)
        if execute:
            self._start_first(new.id, keep=True)
        self.index.done(new.id)

    def _try_first(self, instance_id: str) -> bool:
        """False when the storage was away and not even a reason could be recorded: an outbox has it started later."""
        try:
            self._start_first(instance_id)
        except StorageUnavailable as error:
            logger.error("%s was created and not started yet: %s", instance_id, kind_of(error))
            return False
        except Exception as error:
            logger.error("%s was created and not started: %s", instance_id, kind_of(error))
        return True

    def _start_first(self, instance_id: str, *, keep: bool = False) -> None:
        """Start the first run, unless somebody has."""
        try:
            self.start_now(instance_id, Start("all"), expect_run=1, call=f"first:{instance_id}", keep=keep)
        except CannotStart as error:
            logger.debug("%s is not started again: %s", instance_id, kind_of(error))

    def perform(self, entry: Entry) -> None:
        """Do what was committed and not done. Raises nothing; what may succeed later stays in the outbox."""
        try:
            match entry.action:
                case "create" if entry.new is not None:
                    self._create_and_start(entry.new, bool(entry.arguments.get("execute")))
                case "start":
                    expect = entry.arguments.get("expect_run")
                    start = Start.from_arguments(entry.arguments)
                    self.start_now(entry.instance_id, start, expect_run=expect, call=entry.token, keep=True)
                case "destroy":
                    self.destroy_now(entry.instance_id, rested=entry.arguments.get("rested"))
        except Exception as error:
            if not _is_final(error):
                logger.warning("%s: %s is tried again later: %s", entry.instance_id, entry.action, kind_of(error))
                return
            logger.error("%s: %s was committed and cannot be done: %s", entry.instance_id, entry.action, kind_of(error))
        self.index.done(entry.token)

    # -- executing ---------------------------------------------------------------------------

    def execute_all_tasks(
        self, instance_id: str, argument: Json | Missing = MISSING, *, from_path: str | None = None
    ) -> RunHandle:
        """Run every task again from the first, or from ``from_path`` on; ``argument`` goes to the first only.

        Raises ``InstanceNotFound``, ``TaskNotFound``, ``CannotStart`` (a run is going on, or an earlier task has not
        passed, or is older than what it builds on), ``DefinitionChanged``, ``TooLarge`` (the argument),
        ``BrokerUnavailable`` (the instance is ``inactive`` again and says so).
        """
        text = text_of(argument)
        if from_path in (None, paths.ROOT):
            return self._start(instance_id, Start("all", argument=text))
        return self._start(instance_id, Start("from", from_path, argument=text))

    def execute_one_task(self, instance_id: str, path: str, argument: Json | Missing = MISSING) -> RunHandle:
        """Run one task with what ran before it; ``#`` runs all.

        An explicit argument, falsy ones too, replaces the previous result. Raises as ``execute_all_tasks`` does.
        """
        paths.parse(path)
        if path == paths.ROOT:
            return self.execute_all_tasks(instance_id, argument)
        return self._start(instance_id, Start("one", path, argument=text_of(argument)), only=path)

    execute = execute_one_task

    def _start(self, instance_id: str, start: Start, *, only: str | None = None) -> RunHandle:
        if start.argument is not None:
            # Here: after a commit there is nobody to be told.
            check_size("the argument", start.argument, self.runtime.policy.bodies.limit)
        if not self.index.in_transaction():
            return RunHandle(self, instance_id, self.start_now(instance_id, start), only)
        # Also when the storage has it: a rolled-back transaction starts nothing.
        try:
            header = self.storage.get_instance(instance_id)
            expect = 1 if header is None else header.run + 1
        except StorageUnavailable:
            # By the commit it may be back; the request must not break the caller's transaction.
            expect = None
        arguments = {**start.to_arguments(), "expect_run": expect}
        token = self.index.requested(instance_id, "start", arguments)
        self.index.on_commit(lambda: self._start_after_commit(instance_id, start, token))
        return RunHandle(self, instance_id, None, only)

    def _start_after_commit(self, instance_id: str, start: Start, token: str) -> None:
        try:
            self.start_now(instance_id, start, call=token or None, keep=bool(token))
        except Exception as error:
            if not _is_final(error):
                logger.error("%s was not started yet after the commit: %s", instance_id, kind_of(error))
                return
            logger.error("%s was not started after the commit: %s", instance_id, kind_of(error))
        self.index.done(token)

    def start_now(
        self,
        instance_id: str,
        start: Start,
        *,
        expect_run: int | None = None,
        call: str | None = None,
        keep: bool = False,
    ) -> int:
        """Start a run whatever transaction is open; its number. Other callers want ``execute_all_tasks``.

        ``keep``: a broker that is away is no reason to give the run up, since recovery will publish it.
        """
        for attempt in range(START_ATTEMPTS):
            header, selected = self._select(instance_id, start)
            plan = self.runtime.plan_of(header)
            selected = self.runtime.lined_up(plan, selected)
            reach("jobs.start", instance_id)
            # The next run, and no other: what was selected rests on what the last one left.
            expected = header.run + 1 if expect_run is None else expect_run
            try:
                run = self.runtime.start_run(
                    instance_id, selected, expect_run=expected, revision=header.revision, call=call
                )
                break
            except CannotStart:
                # An update between the two is no reason to refuse, but one to select anew.
                present = self.runtime.header(instance_id)
                updated = present.revision != header.revision and present.run == header.run
                if not updated or attempt + 1 == START_ATTEMPTS:
                    raise
        reach("jobs.started", instance_id)
        self.runtime.listener.run_started(instance_id)
        if not selected.heads:
            self.runtime.listener.run_finished(instance_id, run, InstanceStatus.DONE)
            return run
        try:
            self.backend.dispatch(Dispatch(instance_id, run, plan, selected.heads, frozenset(selected.paths)))
        except (BrokerUnavailable, CannotPublish) as error:
            if keep and isinstance(error, BrokerUnavailable):
                logger.warning("%s run %s is published later: %s", instance_id, run, kind_of(error))
                return run
            wire = {"code": error.code, "message": error.message}
            if self.storage.revert_run(instance_id, run, wire):
                self.runtime.listener.run_reverted(instance_id)
            raise
        reach("jobs.published", instance_id)
        return run

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
        record = self.get_task(header.id, path, whole=False)
        if header.error and header.status == InstanceStatus.INACTIVE:
            self._result_or_raise(header)
        if record["status"] == TaskStatus.FAILED:
            error = record["error"] or {"message": "it failed"}
            raise ExecutionFailed(instance_id=header.id, path=path, reason=reason_of(error), payload=error)
        return self._in_full(header.id, record["body"])

    def close(self) -> None:
        """Free the storage's connections."""
        if self._storage is not None:
            self._storage.close()

    acreate_workflow_instance = aio.twin(create_workflow_instance)
    aexecute_all_tasks = aio.twin(execute_all_tasks)
    aexecute_one_task = aio.twin(execute_one_task)
    acanvas = aio.twin(canvas)


def _is_final(error: Exception) -> bool:
    """Whether trying again would not change it. What is not ours (a database that is away, a bug) may pass."""
    return isinstance(error, JobsFlowError) and not isinstance(error, PASSING)
