"""``Jobs``, the facade, put together: what it is made with, declaring, creating, and what was committed for later.

It knows a storage and a backend by their contracts only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from jobs_flow import aio, debug
from jobs_flow.arguments import check_definition, checked_context, checked_text
from jobs_flow.backends import Backend, create_backend
from jobs_flow.backends.runtime import Runtime
from jobs_flow.drawings import Drawings
from jobs_flow.errors import CannotStart, ConfigurationError, InstanceExists, StorageUnavailable, kind_of
from jobs_flow.estimating import Estimating
from jobs_flow.executing import RunHandle
from jobs_flow.hooks import Hook
from jobs_flow.index import Entry, InstanceIndex, is_final
from jobs_flow.lifecycle import Lifecycle
from jobs_flow.listening import Listener
from jobs_flow.pruning import Pruning
from jobs_flow.starting import Start
from jobs_flow.storages import Storage, create_storage
from jobs_flow.storages.body_stores import BodyStore, create_body_store
from jobs_flow.storages.records import Json, NewInstance
from jobs_flow.syncpoints import reach
from jobs_flow.workflows import json
from jobs_flow.workflows.registry import NO_EXAMPLE, Registry, default_registry
from jobs_flow.workflows.retention import Keep
from jobs_flow.workflows.states import InstanceStatus

__all__ = ["Jobs", "RunHandle"]

logger = logging.getLogger("jobs_flow.engine")

#: Seconds for which a caller waits for another one that is creating the instance of the same key.
KEY_PATIENCE = 2.0


class Jobs(Lifecycle, Pruning, Estimating, Drawings):
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
            if not is_final(error):
                logger.warning("%s: %s is tried again later: %s", entry.instance_id, entry.action, kind_of(error))
                return
            logger.error("%s: %s was committed and cannot be done: %s", entry.instance_id, entry.action, kind_of(error))
        self.index.done(entry.token)

    def close(self) -> None:
        """Free the storage's connections."""
        if self._storage is not None:
            self._storage.close()

    acreate_workflow_instance = aio.twin(create_workflow_instance)
