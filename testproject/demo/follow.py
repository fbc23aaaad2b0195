"""An instance while it runs, out of the storage's events: for terminals, where there is no browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.errors import InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event
from jobs_flow.workflows.states import FINISHED

#: Seconds to wait for an event before the caller is asked whether to go on.
PATIENCE = 0.25


@dataclass
class State:
    """What is known of an instance."""

    #: Nested ``{"name", "description", "path", "children"}``.
    tree: list[dict[str, Any]]
    #: Task views by path, in the order of the tree.
    tasks: dict[str, dict[str, Any]]
    status: str
    error: dict[str, Any] | None
    seq: int
    #: The latest log line by path.
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return self.status in FINISHED

    def apply(self, event: Event) -> list[str]:
        """Bring it up to date with one event; the paths of the tasks that it changed."""
        self.seq = event.seq
        changes = event.data.get("tasks") or {}
        for path, change in changes.items():
            self.tasks[path].update(change)
        for path, added in (event.data.get("logs") or {}).items():
            if added["lines"]:
                self.logs[path] = added["lines"][-1]
        instance = event.data.get("instance") or {}
        self.status = instance.get("status", self.status)
        self.error = instance.get("error", self.error)
        return list(changes)


def read(storage: Storage, instance_id: str) -> State:
    """The instance as it stands. Raises ``InstanceNotFound``."""
    found = storage.snapshot(instance_id)
    if found is None:
        raise InstanceNotFound(instance_id=instance_id)
    last = storage.get_logs(instance_id, list(found.tasks), last=1)
    return State(
        tree=found.tree,
        tasks={path: dict(view) for path, view in found.tasks.items()},
        status=found.instance.status,
        error=found.instance.error,
        seq=found.seq,
        logs={path: lines[-1] for path, lines in last.items() if lines},
    )


def follow(storage: Storage, instance_id: str, check: Callable[[], None]) -> Iterator[tuple[State, list[str]]]:
    """The state and the paths that changed, again and again until the run is over.

    ``check`` is called at least every ``PATIENCE`` seconds; what it raises ends the loop.
    """
    state = read(storage, instance_id)
    yield state, list(state.tasks)
    while not state.finished:
        check()
        events = storage.wait_events(instance_id, state.seq, PATIENCE)
        if events is None or any(event.data.get("reset") or event.data.get("deleted") for event in events):
            # Too far behind, or another run: what was known of the tasks no longer holds.
            state = read(storage, instance_id)
            yield state, list(state.tasks)
            continue
        for event in events:
            yield state, state.apply(event)
