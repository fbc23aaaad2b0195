"""The part of the facade that steers what there is: resume, cancel, pause, reset, update."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, overload

from jobs_flow import aio
from jobs_flow.arguments import check_definition, checked_context, checked_text
from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.perform import cancelled
from jobs_flow.backends.step import end_queued
from jobs_flow.errors import (
    BrokerUnavailable,
    CannotStart,
    DefinitionChanged,
    InvalidArgument,
    JobsFlowError,
    TaskNotFound,
    kind_of,
)
from jobs_flow.executing import Executing, RunHandle
from jobs_flow.queries import instance_view
from jobs_flow.recovery import Recovery
from jobs_flow.starting import Start
from jobs_flow.storages.records import Instance, NewInstance
from jobs_flow.workflows import json, paths, selection, updaters
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

logger = logging.getLogger("jobs_flow.engine")

#: Times an update is tried again because somebody else's came first.
UPDATE_ATTEMPTS = 10
#: Bytes that the record of new updaters is taken to have already: what it has is not known.
UPDATERS_SPENT = 192 * 1024
#: What an updater may change.
UPDATABLE = ("workflow", "data", "base_context", "name")

Updater = Callable[[dict[str, Any]], Mapping[str, Any] | None] | Mapping[str, Any]


class Lifecycle(Executing):
    """See above. Mixed into ``Jobs``."""

    # -- going on ----------------------------------------------------------------------------

    @overload
    def resume(
        self, instance_id: str, mode: str = ..., *, path: str | None = ..., preview: Literal[False] = ...
    ) -> RunHandle: ...
    @overload
    def resume(
        self, instance_id: str, mode: str = ..., *, path: str | None = ..., preview: Literal[True]
    ) -> list[str]: ...
    def resume(
        self, instance_id: str, mode: str = "failed", *, path: str | None = None, preview: bool = False
    ) -> RunHandle | list[str]:
        """Run again what has not passed, in a new run of the same instance; results of other tasks stay as they are.

        ``mode``: ``failed``, what failed, was cancelled, or never ran; ``failed_and_downstream``, that and all that
        comes after it; ``all``. With ``path``: from there on, whatever has passed. ``preview=True`` starts nothing
        and gives the paths that would run. What ran before stays readable (``get_attempts``).

        Raises ``CannotStart`` when nothing is to be resumed or a run is going on, and as ``execute_all_tasks``.
        """
        start = Start.resumption(mode, path)
        if preview:
            return self._paths(instance_id, start)
        return self._start(instance_id, start)

    def preview(self, instance_id: str, mode: str = "failed", *, path: str | None = None) -> list[str]:
        """The paths that ``resume`` would run, in order; conditions may still skip some. Raises as it does."""
        return self._paths(instance_id, Start.resumption(mode, path))

    def _paths(self, instance_id: str, start: Start) -> list[str]:
        header, selected = self._select(instance_id, start)
        if header.status == InstanceStatus.WORKING:
            raise CannotStart(instance_id=instance_id, path=paths.ROOT, reason="a run is going on")
        chosen = frozenset(selected.paths)
        return [path for path in self.runtime.plan_of(header).nodes if path in chosen]

    # -- stopping ----------------------------------------------------------------------------

    def cancel(self, instance_id: str, path: str = paths.ROOT, *, undo: bool = False) -> bool:
        """Stop the present run, or the task at ``path`` with all below it; False when there is nothing to stop.

        Queued tasks are recorded as cancelled at once and none starts later. Running functions see it in
        ``job.progress()``, ``job.log()``, ``job.heartbeat()`` (``Cancelled`` is raised) and ``job.cancelled``; one that
        asks nothing runs to its end, and what comes after it does not start. With ``undo``, when everything has
        stopped, the ``undo`` functions of finished tasks are called, the latest first; also for a run that is over.
        Takes effect at once, in a transaction too. Raises ``InstanceNotFound``, ``TaskNotFound``.
        """
        header = self.runtime.header(instance_id)
        plan = self.runtime.any_plan(header)
        self._check_path(header, plan, path)
        stopping = self.storage.cancel(instance_id, path, undo=undo)
        if stopping is None:
            return undo and self.begin_undo(self.runtime.header(instance_id))
        queued = self._queued(stopping, set(selection.subtree(plan, path)))
        # Workers may drop these at once; if they do not, their claims are answered ``cancelled``.
        self.backend.revoke(instance_id, stopping.run, queued)
        self._end_queued(stopping, plan, path, queued)
        self.runtime.listener.run_reverted(instance_id)
        return True

    def _end_queued(self, header: Instance, plan: Plan, top: str, queued: Iterable[str]) -> None:
        """Record queued tasks as cancelled, and those that come to be queued by it, below ``top``."""
        below = set(selection.subtree(plan, top))
        waiting: deque[str] = deque(queued)
        others: list[str] = []
        while waiting:
            step = end_queued(self.runtime, header.id, plan, waiting.popleft(), header.run, cancelled())
            for following in step.queued:
                (waiting if following in below else others).append(following)
        self._publish(header, plan, others)

    def begin_undo(self, header: Instance) -> bool:
        """Begin to undo an instance that is not working; False when there is nothing to undo.

        Raises ``DefinitionChanged`` or ``UnknownWorkflow`` where the functions are not to be had.
        """
        plan = self.runtime.plan_of(header)
        started = self.storage.begin_undo(header.id, plan.undoable())
        if started is None:
            return False
        self.runtime.listener.run_reverted(header.id)
        try:
            self.backend.dispatch_undo(header.id, started.run)
        except BrokerUnavailable as error:
            logger.warning("%s: undoing it begins later: %s", header.id, kind_of(error))
        return True

    def pause(self, instance_id: str) -> bool:
        """Start no further task of this run until ``unpause``; running ones go on.

        False when it is paused already, or not working. Survives restarts; ends with the run. Raises
        ``InstanceNotFound``.
        """
        if self.runtime.header(instance_id).status != InstanceStatus.WORKING:
            return False
        return self._set_paused(instance_id, True)

    def unpause(self, instance_id: str) -> bool:
        """Go on where ``pause`` stopped; False when it was not paused."""
        changed = self._set_paused(instance_id, False)
        header = self.runtime.header(instance_id)
        if header.status == InstanceStatus.WORKING:
            # Messages that came in the meantime are used up.
            self._publish(header, self.runtime.any_plan(header), self._queued(header))
        return changed

    def _set_paused(self, instance_id: str, paused: bool) -> bool:
        before = self.runtime.header(instance_id).paused
        self.storage.pause(instance_id, paused)
        self.runtime.listener.run_reverted(instance_id)
        return before != paused

    def _queued(self, header: Instance, among: set[str] | None = None) -> list[str]:
        """The queued tasks of the present run, those that wait for a retry left out unless they are asked for."""
        return [
            path
            for path, record in self.snapshot(header.id).tasks.items()
            if record["status"] == TaskStatus.QUEUED
            and record["run"] == header.run
            and (path in among if among is not None else record["retryAt"] is None)
        ]

    def _publish(self, header: Instance, plan: Plan, queued: Sequence[str]) -> None:
        if not queued:
            return
        try:
            self.backend.dispatch(Dispatch(header.id, header.run, plan, queued))
        except BrokerUnavailable as error:
            logger.warning("%s: %d tasks are published later: %s", header.id, len(queued), kind_of(error))

    # -- changing ----------------------------------------------------------------------------

    def reset(self, instance_id: str, path: str = paths.ROOT, *, subtree: bool = True) -> None:
        """Put tasks back to ``inactive``: that at ``path``, with all below it if ``subtree``; ``#`` is all of them.

        Raises ``InstanceNotFound``, ``TaskNotFound``, ``InstanceBusy``.
        """
        header = self.runtime.header(instance_id)
        plan = self.runtime.any_plan(header)
        self._check_path(header, plan, path)
        chosen = selection.subtree(plan, path) if subtree or path == paths.ROOT else (path,)
        after = self.storage.reset(instance_id, chosen)
        self.runtime.bodies.tidy(instance_id, after.run + 1, chosen)
        self.runtime.listener.run_reverted(instance_id)

    def update_workflow(self, instance_id: str, updater: Updater) -> dict[str, Any]:
        """Change an instance's ``workflow``, ``data``, ``base_context`` or ``name``; its new view.

        ``updater``: a function that is given these four in a dict and changes it, or gives another; or an updater
        of it (``workflows/updaters.py``). Records of paths that stay are untouched, ok ones stay ok. The function
        is called again when somebody else's update came first.

        Raises ``InstanceNotFound``; ``InstanceBusy`` when it is working and its paths would change; ``InvalidUpdater``,
        ``UnknownWorkflow``, ``DefinitionError``, ``NotJson``, ``InvalidArgument``.
        """
        for _ in range(UPDATE_ATTEMPTS):
            header = self.runtime.header(instance_id)
            new = self._updated(header, updater)
            updated = self.storage.update_instance(new, revision=header.revision)
            if updated is not None:
                if updated.fingerprint != header.fingerprint:
                    self.runtime.bodies.tidy_others(instance_id, updated.run, new.paths)
                self.runtime.listener.run_reverted(instance_id)
                return instance_view(updated)
        raise InvalidArgument(argument="updater", reason="others kept updating the instance; try again")

    def _updated(self, header: Instance, updater: Updater) -> NewInstance:
        state: dict[str, Any] = {name: getattr(header, name) for name in UPDATABLE}
        state = json.decode(json.encode(state))
        if callable(updater):
            given = updater(state)
            state = dict(state if given is None else given)
        else:
            state = updaters.apply(state, updaters.check(updater))
        wrong = sorted(set(state) ^ set(UPDATABLE))
        if wrong:
            what = "adds" if wrong[0] in state else "leaves out"
            reason = f"it {what} {wrong[0]!r}; an instance has {', '.join(UPDATABLE)}"
            raise InvalidArgument(argument="updater", reason=reason)
        data = json.decode(json.encode(state["data"], "data"))
        base_context = checked_context(state["base_context"])
        check_definition(data, base_context)
        plan = self.runtime.registry.plan(state["workflow"], data)
        return NewInstance(
            id=header.id,
            workflow=state["workflow"],
            data=data,
            base_context=base_context,
            fingerprint=plan.fingerprint,
            tree=plan.describe(),
            paths=tuple(plan.nodes),
            realm=header.realm,
            name=checked_text("name", state["name"]),
            ephemeral=header.ephemeral,
            key=header.key,
        )

    def set_context_updaters(self, instance_id: str, path: str, recorded: Sequence[Mapping[str, Any]]) -> None:
        """Replace the updaters that a finished task has recorded; later tasks see the context they give.

        Raises ``InstanceNotFound``, ``TaskNotFound``, ``InvalidUpdater``; ``InvalidArgument`` for a task that is
        not ok.
        """
        header = self.runtime.header(instance_id)
        self._check_path(header, self.runtime.any_plan(header), path)
        checked: str | None = json.encode(updaters.check_all(recorded))
        bodies = self.runtime.bodies
        # Of the next run: one that starts now removes what is of earlier ones, also while it is still being written.
        kept, new = bodies.keep(instance_id, header.run + 1, path, {"updaters": checked}, spent=UPDATERS_SPENT)
        text = kept["updaters"]
        if path == paths.ROOT or text is None or not self.storage.set_updaters(instance_id, path, text):
            bodies.drop(instance_id, new)
            raise InvalidArgument(argument="path", reason=f"{path} is not ok, so it has no updaters to replace")

    # -- looking after -----------------------------------------------------------------------

    def changed_definitions(self) -> list[tuple[str, str, str]]:
        """``(id, workflow, path)`` of the instances that are not over and that the present code no longer fits."""
        changed, after = [], None
        while ids := self.storage.list_ids(after=after, limit=1000):
            for header in self.storage.get_instances(ids):
                if header is None or header.status in (InstanceStatus.DONE, InstanceStatus.CANCELLED):
                    continue
                try:
                    self.runtime.plan_of(header)
                except DefinitionChanged as error:
                    changed.append((header.id, header.workflow, error.path))
                except JobsFlowError:
                    changed.append((header.id, header.workflow, paths.ROOT))
            after = ids[-1]
        return changed

    def recover(self) -> int:
        """Put right at once what recovery in the workers would find; how many things there were."""
        return Recovery(self.runtime, self.backend).sweep(everything=True)

    def _check_path(self, header: Instance, plan: Plan, path: str) -> None:
        paths.parse(path)
        if path != paths.ROOT and path not in plan:
            raise TaskNotFound(instance_id=header.id, workflow=header.workflow, path=path)

    apreview = aio.twin(preview)
    aresume = aio.twin(resume)
    acancel = aio.twin(cancel)
    apause = aio.twin(pause)
    aunpause = aio.twin(unpause)
    areset = aio.twin(reset)
    aupdate_workflow = aio.twin(update_workflow)
    aset_context_updaters = aio.twin(set_context_updaters)
