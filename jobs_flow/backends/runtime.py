"""What every backend executes with: storage, registry, plans, policy, and who is told what happened."""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from jobs_flow.backends.policy import Policy
from jobs_flow.errors import CannotStart, DefinitionChanged, InstanceNotFound, InvalidArgument
from jobs_flow.storages.base import Storage
from jobs_flow.storages.bodies import SHARED, Bodies
from jobs_flow.storages.body_stores import BodyStore
from jobs_flow.storages.records import Completed, Flow, Instance, Outcome, RunSelection, Waiting
from jobs_flow.workflows import context
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan, first_difference
from jobs_flow.workflows.registry import Registry
from jobs_flow.workflows.retention import keep_milliseconds
from jobs_flow.workflows.states import TaskStatus

#: Plans kept per process.
PLANS_KEPT = 256


class RunListener:
    """Told of what was recorded, and asked for what the storage does not know: the facade's hooks and index.

    Each is told once, and again only if the process died, or took very long, in the middle of telling.
    """

    def run_started(self, instance_id: str) -> None:
        """A run began."""

    def task_failed(self, instance_id: str, path: str, run: int, error: dict[str, Any]) -> None:
        """The failure of a task was recorded."""

    def run_finished(self, instance_id: str, run: int, status: str) -> bool:
        """A run is over; False when it should be told again later."""
        return True

    def run_reverted(self, instance_id: str) -> None:
        """Something about an instance changed that is neither a start nor an end."""

    def outlived(self, instance_id: str, run: int) -> bool:
        """An instance is to be deleted, if it still rests after that run; False when it is not gone."""
        return True

    def catch_up(self) -> int:
        """Do what was committed and never done; how many such things there were."""
        return 0


@dataclass
class Runtime:
    """Shared by the facade, the backend and every step of one process."""

    get_storage: Callable[[], Storage]
    registry: Registry
    listener: RunListener = field(default_factory=RunListener)
    #: Read when it is first needed: importing a project must not read its settings.
    get_policy: Callable[[], Policy] = Policy
    #: See ``Backend.lane_of``.
    lane_of: Callable[[Plan, str], str] = field(default=lambda plan, path: "")
    #: The facade that made this, for the command line.
    jobs: Any = None
    #: An external store of large values, if there is one.
    get_body_store: Callable[[], BodyStore | None] = lambda: None
    #: What keeps large values, and loads them.
    bodies: Bodies = field(init=False)
    _plans: OrderedDict[str, tuple[Instance, Plan]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.bodies = Bodies(lambda: self.storage, lambda: self.policy.bodies, lambda: self.get_body_store())
        # A child that was forked while another thread of its parent held the lock would wait for ever.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()

    @property
    def storage(self) -> Storage:
        """The storage; made on first use, so that importing a project connects to nothing."""
        return self.get_storage()

    @property
    def policy(self) -> Policy:
        """How patient this engine is."""
        return self.get_policy()

    def header(self, instance_id: Any) -> Instance:
        """The stored header. Raises ``InstanceNotFound``, and ``InvalidArgument`` for a ``UUID``."""
        if isinstance(instance_id, UUID):
            # Which would look, in a message that there is none, just like the id of one that there is.
            reason = f"it is a UUID, and ids are text: str(id), or <str:id> in the route of a view, not {instance_id!r}"
            raise InvalidArgument(argument="instance_id", reason=reason)
        header = self.storage.get_instance(instance_id) if isinstance(instance_id, str) else None
        if header is None:
            raise InstanceNotFound(instance_id=str(instance_id))
        return header

    def plan_of(self, header: Instance) -> Plan:
        """The plan of an instance, from this process's code.

        Raises ``UnknownWorkflow``, ``DefinitionError``, or ``DefinitionChanged`` naming the first path
        at which the code's tree is not the one the instance was made with.
        """
        known = self.cached(header.id)
        if known is not None and known[0].revision == header.revision:
            return known[1]
        plan = self.registry.plan(header.workflow, header.data)
        if plan.fingerprint != header.fingerprint:
            tree = self.storage.get_tree(header.id) or []
            raise DefinitionChanged(workflow=header.workflow, instance_id=header.id, path=first_difference(plan, tree))
        with self._lock:
            self._plans[header.id] = (header, plan)
            self._plans.move_to_end(header.id)
            while len(self._plans) > PLANS_KEPT:
                self._plans.popitem(last=False)
        return plan

    def cached(self, instance_id: str) -> tuple[Instance, Plan] | None:
        """The header and plan this process last used for an instance, if it still has them."""
        with self._lock:
            if instance_id in self._plans:
                self._plans.move_to_end(instance_id)
            return self._plans.get(instance_id)

    def any_plan(self, header: Instance) -> Plan:
        """The plan, or its shape where this process's code does not give it."""
        try:
            return self.plan_of(header)
        except Exception:
            return self.shape_of(header)

    def flow(self, plan: Plan, path: str, status: str) -> Flow:
        """What an outcome of ``status`` at ``path`` leads to, with how each of it waits."""
        flow = plan.flow(path, status)
        after = flow.children if flow.following is None else (*flow.children, flow.following)
        lane, waiting = self._waiting(plan, after)
        return replace(flow, lane=lane, waiting=waiting)

    def lined_up(self, plan: Plan, selection: RunSelection) -> RunSelection:
        """A selection with how each of its heads waits, and for how long the instance is kept."""
        heads = [*selection.heads, *(path for stage in selection.stages for path in stage)]
        lane, waiting = self._waiting(plan, heads)
        return replace(selection, lane=lane, waiting=waiting, keep=self.keep_of(plan.workflow))

    def keep_of(self, workflow: str) -> int | None:
        """Milliseconds for which instances of a workflow are kept after their run, None for ever.

        As the present code and settings say. Raises ``UnknownWorkflow``.
        """
        keep = self.registry.keep(workflow)
        return keep_milliseconds(self.policy.keep if keep is None else keep)

    def _waiting(self, plan: Plan, paths: Iterable[str]) -> tuple[str, dict[str, Waiting]]:
        ways: dict[str, Waiting] = {}
        for path in paths:
            timeout = plan.nodes[path].task.queue_timeout
            ways[path] = Waiting(self.lane_of(plan, path), None if timeout is None else int(timeout * 1000))
        if not ways:
            return "", {}
        usual = Counter(way.lane for way in ways.values()).most_common(1)[0][0]
        plain = Waiting(usual)
        return usual, {path: way for path, way in ways.items() if way != plain}

    def shape_of(self, header: Instance) -> Plan:
        """A plan without functions, from the stored tree: order and blocks where the code is not to be had."""
        tree = self.storage.get_tree(header.id) or []
        return Plan.of(Workflow.parse(header.workflow, [_shape(node) for node in tree]))

    def last_result(self, header: Instance) -> Any:
        """What the last root task handed on; None before it did, and for a workflow of no tasks."""
        plan = self.shape_of(header)
        if not plan.roots:
            return None
        last = plan.roots[-1]
        handed = self.storage.get_inputs(header.id, [last, *plan.descendants(last)])
        return context.result_of(plan, last, self.bodies.inputs(header.id, handed))[0]

    def start_run(
        self,
        instance_id: str,
        selection: RunSelection,
        *,
        expect_run: int,
        revision: int | None = None,
        call: str | None = None,
    ) -> int:
        """``Storage.start_run`` with an argument of any size; the run's number.

        What earlier runs have kept beside the records that are reset is removed. Raises also ``TooLarge``.
        """
        path = selection.heads[0] if len(selection.heads) == 1 else SHARED
        kept, new = self.bodies.keep(instance_id, expect_run, path, {"argument": selection.argument})
        selection = replace(selection, argument=kept["argument"]) if new else selection
        try:
            started = self.storage.start_run(
                instance_id, selection, expect_run=expect_run, revision=revision, call=call
            )
        except (CannotStart, InstanceNotFound):
            self.bodies.drop(instance_id, new)
            raise
        if started.run > 1:
            self.bodies.tidy(instance_id, started.run, selection.paths)
        return started.run

    def report(self, instance_id: str, path: str, run: int, outcome: Outcome, completed: Completed) -> None:
        """Tell the listener of a recorded outcome."""
        if outcome.status == TaskStatus.FAILED:
            self.listener.task_failed(instance_id, path, run, dict(outcome.error or {}))
        if completed.finished is not None:
            self.listener.run_finished(instance_id, run, completed.finished)


def is_shape(plan: Plan) -> bool:
    """Whether a plan is what ``Runtime.shape_of`` gives: it does not say how its tasks are executed."""
    return any(node.task.task is _unknown for node in plan.nodes.values())


def _shape(node: dict[str, Any]) -> Task:
    return Task(node["name"], _unknown, subtasks=[_shape(child) for child in node["children"]])


def _unknown() -> None:
    """Stands in for a function that this process does not have."""
