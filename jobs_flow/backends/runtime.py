"""What every backend executes with: storage, registry, plans, and who is told what happened."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.errors import DefinitionChanged, InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Completed, Instance, Outcome
from jobs_flow.workflows import context
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan, first_difference
from jobs_flow.workflows.registry import Registry

#: Plans kept per process.
PLANS_KEPT = 256


class RunListener:
    """Told of what a step recorded; the facade's hooks and the index hang on it."""

    def run_started(self, instance_id: str) -> None:
        """A run began."""

    def task_ended(self, instance_id: str, path: str, outcome: Outcome) -> None:
        """The outcome of a task was recorded."""

    def run_finished(self, instance_id: str, status: str) -> None:
        """A run is over."""


@dataclass
class Runtime:
    """Shared by the facade, the backend and every step of one process."""

    get_storage: Callable[[], Storage]
    registry: Registry
    listener: RunListener = field(default_factory=RunListener)
    _plans: OrderedDict[str, tuple[Instance, Plan]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def storage(self) -> Storage:
        """The storage; made on first use, so that importing a project connects to nothing."""
        return self.get_storage()

    def header(self, instance_id: Any) -> Instance:
        """The stored header. Raises ``InstanceNotFound``."""
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
        return context.result_of(plan, last, self.storage.get_inputs(header.id, [last, *plan.descendants(last)]))[0]

    def report(self, instance_id: str, path: str, outcome: Outcome, completed: Completed) -> None:
        """Tell the listener of a recorded outcome."""
        self.listener.task_ended(instance_id, path, outcome)
        if completed.finished is not None:
            self.listener.run_finished(instance_id, completed.finished)


def _shape(node: dict[str, Any]) -> Task:
    return Task(node["name"], _unknown, subtasks=[_shape(child) for child in node["children"]])


def _unknown() -> None:
    """Stands in for a function that this process does not have."""
