"""The part of the facade that starts runs: at once, or when the caller's transaction is committed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jobs_flow import aio
from jobs_flow.arguments import MISSING, Missing, text_of
from jobs_flow.backends import Backend, Dispatch
from jobs_flow.errors import BrokerUnavailable, CannotPublish, CannotStart, StorageUnavailable, kind_of
from jobs_flow.index import is_final
from jobs_flow.results import Results
from jobs_flow.starting import Start
from jobs_flow.storages.bodies import check_size
from jobs_flow.storages.records import Instance, Json, RunSelection
from jobs_flow.syncpoints import reach
from jobs_flow.workflows import paths, selection
from jobs_flow.workflows.states import InstanceStatus

if TYPE_CHECKING:
    from jobs_flow.jobs import Jobs

logger = logging.getLogger("jobs_flow.engine")

#: Times a start is tried again because an update of the instance came first.
START_ATTEMPTS = 10


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


class Executing(Results):
    """What executes a whole instance, from a path on, or one task of it."""

    backend: Backend

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
            return RunHandle(cast("Jobs", self), instance_id, self.start_now(instance_id, start), only)
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
        return RunHandle(cast("Jobs", self), instance_id, None, only)

    def _start_after_commit(self, instance_id: str, start: Start, token: str) -> None:
        try:
            self.start_now(instance_id, start, call=token or None, keep=bool(token))
        except Exception as error:
            if not is_final(error):
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

    def _select(self, instance_id: str, start: Start) -> tuple[Instance, RunSelection]:
        """The present header, and what would run."""
        if start.kind == "all":
            # Needs no record, of which there may be very many.
            header = self.runtime.header(instance_id)
            return header, selection.select_all(self.runtime.plan_of(header), start.argument)
        snapshot = self.snapshot(instance_id)
        return snapshot.instance, start.select(self.runtime.plan_of(snapshot.instance), snapshot)

    aexecute_all_tasks = aio.twin(execute_all_tasks)
    aexecute_one_task = aio.twin(execute_one_task)
    acanvas = aio.twin(canvas)
