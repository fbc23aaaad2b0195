"""What the tests of the suite have in common: one instance of one plan, and answers without their times."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import (
    Claim,
    Completed,
    Due,
    Event,
    Grip,
    Hold,
    Instance,
    Loss,
    NewInstance,
    Outcome,
    RunSelection,
    Snapshot,
    Started,
)
from jobs_flow.testing.lag import Soon, soon
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.selection import select_all

#: A task view before the first run.
INITIAL: dict[str, Any] = {
    "status": "inactive",
    "run": 0,
    "attempt": 0,
    "queuedAt": None,
    "executionTime": None,
    "finishedAt": None,
    "duration": None,
    "progress": None,
    "progressText": None,
    "error": None,
    "body": None,
    "bodySize": None,
    "logCount": 0,
    "retries": 0,
    "losses": 0,
    "retryAt": None,
    "undo": None,
}

#: What ``get_task`` has beyond the view, before the first run.
INITIAL_DETAILS: dict[str, Any] = {
    "argument": None,
    "context": None,
    "updaters": [],
    "source": None,
    "traceback": None,
    "worker": None,
    "undoError": None,
}

#: A lease that does not run out while a test runs, and one that has at once.
LEASE = 600_000
GONE = 0

ERROR = {"code": "EXECUTION_FAILED", "message": "it broke"}
LOST = {"code": "WORKER_LOST", "message": "its worker is gone"}


def task(name: str, *subtasks: Task, on_failure: str = "stop") -> Task:
    """A declared task; storages never call its function."""
    return Task(name, lambda: None, subtasks=subtasks, on_failure=on_failure)


def ok(path: str, value: Any = None, **fields: Any) -> Outcome:
    """The outcome of a task that returned ``value``."""
    return Outcome("ok", body=json.dumps(value), source=path, **fields)


def failed(error: Mapping[str, Any] = ERROR, **fields: Any) -> Outcome:
    return Outcome("failed", error=error, **fields)


def cancelled(**fields: Any) -> Outcome:
    return Outcome("cancelled", error={"code": "CANCELLED", "message": "asked to stop"}, **fields)


def skipped(source: str | None = None, **fields: Any) -> Outcome:
    return Outcome("skipped", source=source, **fields)


def lengths(storage: Storage) -> dict[str, int]:
    """How many tasks stand in each lane that has any."""
    return {lane.name: lane.length for lane in storage.lanes() if lane.length}


#: Milliseconds by which a timer may be off.
_LEEWAY = 1_000


def pass_time(milliseconds: int = 2) -> None:
    """Returns when the clock, which is that of local servers too, shows so much later a time."""
    until = time.time_ns() // 1_000_000 + milliseconds
    while time.time_ns() // 1_000_000 < until:
        pass


def comes_due(storage: Storage, delay: int, first: int | None, last: int | None = None) -> bool:
    """Whether the earliest timer is one for ``delay`` milliseconds after a moment between ``first`` and ``last``.

    Both are times of the storage, one moment if there is no ``last``. However long ago that is by now.
    """
    assert first is not None
    earliest, latest = first + delay - _LEEWAY, (last or first) + delay + _LEEWAY

    def right(asked: tuple[int, int | None, int]) -> bool:
        before, left, after = asked
        return left is not None and earliest <= after + left and (not left or before + left <= latest)

    return right(soon(lambda: (storage.now(), storage.next_due(), storage.now())).when(right))


class Scenario:
    """One instance of one plan in a storage, and the calls that a backend makes of it.

    Without ``instance_id`` it gets an id of the storage; ``header`` has other fields of ``NewInstance``.
    """

    def __init__(self, storage: Storage, *tasks: Task, instance_id: str | None = None, **header: Any) -> None:
        self.storage = storage
        self.id = instance_id or storage.new_id(realm=header.get("realm", ""), key=header.get("key"))
        self.plan = Plan.of(Workflow.parse("scenario", tasks))
        fields: dict[str, Any] = {
            "workflow": "scenario",
            "data": {},
            "base_context": {},
            "fingerprint": self.plan.fingerprint,
            "tree": self.plan.describe(),
            "paths": tuple(self.plan.nodes),
        }
        self.new = NewInstance(self.id, **(fields | header))
        self.created = storage.create_instance(self.new)
        self.run = 0

    @classmethod
    def there(cls, storage: Storage, instance_id: str, *tasks: Task) -> Scenario:
        """One that somebody else has created of these tasks, in its present run."""
        scenario = cls.__new__(cls)
        scenario.storage, scenario.id = storage, instance_id
        scenario.plan = Plan.of(Workflow.parse("scenario", tasks))
        scenario.created = scenario.instance
        scenario.run = scenario.created.run
        return scenario

    # -- steps -------------------------------------------------------------------------------

    def start(
        self, selection: RunSelection | None = None, *, argument: str | None = None, call: str | None = None
    ) -> Started:
        """Start a run, of all tasks unless told otherwise; later steps are of that run."""
        started = self.storage.start_run(self.id, selection or select_all(self.plan, argument), call=call)
        self.run = started.run
        return started

    def claim(self, path: str, token: str = "token", inputs: Sequence[str] = (), **changes: Any) -> Claim:
        call: dict[str, Any] = {
            "run": self.run,
            "worker": "worker",
            "revision": self.created.revision,
            "lease": LEASE,
        }
        return self.storage.claim(self.id, path, token=token, inputs=inputs, **(call | changes))

    def complete(self, path: str, outcome: Outcome, token: str | None = "token", run: int | None = None) -> Completed:
        flow = self.plan.flow(path)
        run = self.run if run is None else run
        return self.storage.complete(self.id, path, run, token=token, outcome=outcome, flow=flow)

    def retry(self, path: str, delay: int = 0, outcome: Outcome | None = None, token: str = "token") -> Completed:
        return self.storage.retry(self.id, path, self.run, token=token, outcome=outcome or failed(), delay=delay)

    def lose(self, path: str, token: str = "token", max_losses: int = 3) -> Loss:
        return self.storage.lose(self.id, path, self.run, token=token, max_losses=max_losses, error=LOST)

    def bring_due(self, kind: str, path: str = "#", detail: str = "") -> None:
        """Have a timer come due now, if it exists."""
        self.storage.postpone(Due(kind, self.id, path, self.run, None, detail), 0)

    def grip(self, path: str, token: str = "token", run: int | None = None) -> Grip:
        return self.storage.grip(self.id, path, self.run if run is None else run, token=token)

    def renew(self, *paths: str, holder: str = "token", lease: int = LEASE) -> list[Grip]:
        return self.storage.renew([Hold(self.id, path, self.run) for path in paths], holder=holder, lease=lease)

    def do(self, path: str, outcome: Outcome | None = None, token: str = "token") -> Completed:
        """Claim and complete a queued task, as ok unless told otherwise."""
        claim = self.claim(path, token)
        assert claim.state == "granted", f"{path}: {claim.state}"
        completed = self.complete(path, outcome or ok(path, path), token)
        assert completed.recorded
        return completed

    # -- what came of them -------------------------------------------------------------------

    @property
    def instance(self) -> Instance:
        found = self.storage.get_instance(self.id)
        assert found is not None
        return found

    @property
    def snapshot(self) -> Snapshot:
        found = self.storage.snapshot(self.id)
        assert found is not None
        return found

    @property
    def statuses(self) -> dict[str, str]:
        return {path: view["status"] for path, view in self.snapshot.tasks.items()}

    def task(self, path: str) -> dict[str, Any]:
        found = self.storage.get_task(self.id, path)
        assert found is not None
        return found

    def attempts(self, path: str) -> list[dict[str, Any]]:
        return self.storage.get_attempts(self.id, path)

    def due(self) -> Soon:
        """What is due of this instance."""
        return soon(lambda: [due for due in self.storage.due() if due.instance_id == self.id])

    def kinds(self) -> Soon:
        """Kind and path of what is due of this instance."""
        return soon(lambda: {(due.kind, due.path) for due in self.storage.due() if due.instance_id == self.id})

    def events(self, since: int = 0) -> list[Event]:
        found = self.storage.events(self.id, since)
        assert found is not None
        return found

    def last_event(self) -> dict[str, Any]:
        """What the latest event says, without its times."""
        said: dict[str, Any] = plain(self.events(self.instance.seq - 1)[-1].data)
        return said


#: Stands for every time and duration that is set.
TIME = "<time>"

_TIMES = frozenset(
    [
        *("queuedAt", "executionTime", "finishedAt", "duration", "retryAt"),
        *("created_at", "updated_at", "started_at", "finished_at", "execution_time"),
    ]
)


#: What is the users' own, whatever its members are called.
_PAYLOADS = frozenset({"body", "argument", "context", "updaters", "value"})


def plain(answer: Any, key: str = "") -> Any:
    """Any answer of a storage as dicts, lists and scalars, with ``TIME`` for times."""
    if key in _TIMES and answer:
        return TIME
    if key == "duration" and answer == 0:
        return TIME
    if isinstance(answer, Instance):
        times = {name: plain(getattr(answer, name), name) for name in _TIMES if hasattr(answer, name)}
        return dataclasses.asdict(answer) | times
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return {field.name: plain(getattr(answer, field.name), field.name) for field in dataclasses.fields(answer)}
    if key in _PAYLOADS:
        return answer
    if isinstance(answer, Mapping):
        return {name: plain(member, name) for name, member in answer.items()}
    if isinstance(answer, list | tuple):
        return [plain(member) for member in answer]
    return answer


def merge(tasks: Mapping[str, Mapping[str, Any]], events: Sequence[Event]) -> dict[str, dict[str, Any]]:
    """The task views of a watcher who had ``tasks`` and got ``events``."""
    merged = {path: dict(view) for path, view in tasks.items()}
    for event in events:
        assert "reset" not in event.data, "a reset asks for a new snapshot"
        for path, change in event.data.get("tasks", {}).items():
            # Updaters are no part of a view: who shows them reads the task.
            merged[path] |= {name: value for name, value in change.items() if name != "updaters"}
    return merged
