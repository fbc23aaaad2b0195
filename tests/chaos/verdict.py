"""What is right: the records of an undisturbed run, the invariants, and the ledger beside the records."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs_flow import Jobs
from jobs_flow.errors import ExecutionFailed
from jobs_flow.invariants import check_snapshot, invariants
from jobs_flow.storages import Storage
from jobs_flow.workflows.states import FINISHED, TaskStatus
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.shapes import Node, expected

Records = dict[str, tuple[str, Any]]


def undisturbed(tasks: list[Node], directory: Path) -> tuple[str, Records]:
    """Status and records of a run in this process, in which nothing goes wrong but what the tasks themselves do."""
    directory.mkdir(exist_ok=True)
    jobs = Jobs(storage="memory://", backend="sync")
    context = {"ledger": str(directory), "pace": 0.0, "gate": str(directory)}
    try:
        data = {"tasks": tasks, "hurry": True}
        id = jobs.create_workflow_instance("chaos_tree", data, base_context=context, execute=True)
        with contextlib.suppress(ExecutionFailed):
            jobs.wait(id, 60)
        return str(jobs.get_workflow(id)["status"]), records_of(jobs.storage, id)
    finally:
        jobs.close()


def records_of(storage: Storage, instance_id: str) -> Records:
    """Status and body by path. That a task failed is compared, not the words in which it is said."""
    snapshot = storage.snapshot(instance_id)
    assert snapshot is not None, f"{instance_id} is gone"
    return {
        path: (str(record["status"]), record["body"] if record["status"] == TaskStatus.OK else None)
        for path, record in snapshot.tasks.items()
    }


@dataclass
class Account:
    """What was found about many instances."""

    violations: list[str] = field(default_factory=list)
    workflows: int = 0
    tasks: int = 0
    executions: int = 0
    retried: int = 0
    #: Executions beyond the first of a task in a run that no retry asked for.
    repeated: int = 0
    #: Why: attempts given to somebody else, by whether they came to their end all the same.
    cut_off: int = 0
    outlived: int = 0
    poisoned: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


class Judge:
    """Compares instances of ``tree`` with what must have become of them."""

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        self._storage = storage
        self._ledger = ledger
        self.account = Account()

    def judge(self, instance_id: str, tasks: list[Node]) -> None:
        """Look at one instance that ought to have ended, in its first run."""
        account, snapshot = self.account, self._storage.snapshot(instance_id)
        account.workflows += 1
        if snapshot is None:
            account.violations.append(f"GONE {instance_id}")
            return
        status, statuses = expected(tasks)
        header = snapshot.instance
        account.statuses[str(header.status)] += 1
        if header.status not in FINISHED:
            active = [path for path, record in snapshot.tasks.items() if record["status"] in ("queued", "running")]
            self._wrong("STUCK", instance_id, f"it is {header.status}, with {active}")
        elif header.status != status:
            self._wrong("STATUS", instance_id, f"it is {header.status} and should be {status}: {header.error}")
        for path, record in snapshot.tasks.items():
            account.tasks += 1
            if record["status"] != statuses[path] and header.status in FINISHED:
                self._wrong("TASK", instance_id, f"{path} is {record['status']} and should be {statuses[path]}")
            if (record["error"] or {}).get("code") == "POISONED":
                account.poisoned += 1
        reference_status, reference = undisturbed(tasks, self._ledger.directory / "undisturbed")
        if reference_status != status:
            self._wrong("MODEL", instance_id, f"the model says {status}, an undisturbed run {reference_status}")
        found = records_of(self._storage, instance_id)
        for path, record in reference.items():
            if header.status in FINISHED and found[path] != record:
                self._wrong("RECORD", instance_id, f"{path} is {found[path]}, undisturbed {record}")
        account.violations += [str(violation) for violation in check_snapshot(snapshot)]
        account.violations += [
            str(violation) for violation in invariants(self._storage, [instance_id]) if violation.code == "OK_TWICE"
        ]
        self._events(instance_id)
        self._executions(instance_id, snapshot.tasks)

    def _events(self, instance_id: str) -> None:
        """Each task is recorded once in a run, also by what watchers were told."""
        run, told = 0, Counter[tuple[int, str]]()
        for event in self._storage.events(instance_id, 0) or []:
            run = event.data.get("run", run)
            for path, change in event.data.get("tasks", {}).items():
                told[run, path] += change.get("status") == TaskStatus.OK
        for (run, path), times in told.items():
            if times > 1:
                self._wrong("OK_TWICE", instance_id, f"{path} was recorded ok {times} times in run {run}")

    def _executions(self, instance_id: str, tasks: dict[str, dict[str, Any]]) -> None:
        entries = self._ledger.read(instance_id)
        starts = Counter((entry.run, entry.path) for entry in entries if entry.what == "start")
        raised = Counter((entry.run, entry.path) for entry in entries if entry.what == "raise")
        ended = {(entry.run, entry.path, entry.attempt) for entry in entries if entry.what == "end"}
        self.account.executions += starts.total()
        for (run, path), times in starts.items():
            retried = min(times - 1, tasks[path]["retries"], raised[run, path])
            self.account.retried += retried
            self.account.repeated += times - 1 - retried
            for attempt in self._storage.get_attempts(instance_id, path) if times > 1 else ():
                if attempt["status"] == "lost":
                    outlived = (attempt["run"], path, attempt["attempt"]) in ended
                    self.account.outlived += outlived
                    self.account.cut_off += not outlived
        for what in executed_again(tasks, entries):
            self._wrong("AGAIN", instance_id, what)

    def _wrong(self, code: str, instance_id: str, message: str) -> None:
        self.account.violations.append(f"{code} {instance_id}: {message}")


def executed_again(tasks: dict[str, dict[str, Any]], entries: Iterable[Entry]) -> Iterator[str]:
    """Executions that began after the task had its outcome; storage and ledger share the machine's clock."""
    for entry in entries:
        record = tasks[entry.path]
        over = record["finishedAt"]
        if entry.what == "start" and over is not None and entry.run == record["run"] and entry.at > over:
            yield f"{entry.path} started {entry.at - over} ms after it was recorded {record['status']}"


def problems(storage: Storage, ledger: Ledger, instance_id: str, tasks: list[Node]) -> Iterator[str]:
    """How the records differ from those of an undisturbed run, and what else is wrong."""
    status, reference = undisturbed(tasks, ledger.directory / "undisturbed")
    header = storage.get_instance(instance_id)
    if header is None or header.status != status:
        yield f"{instance_id} is {header.status if header else 'gone'}, undisturbed {status}"
    found = records_of(storage, instance_id)
    yield from (
        f"{instance_id} {path} is {found.get(path)}, undisturbed {record}"
        for path, record in reference.items()
        if found.get(path) != record
    )
    yield from map(str, invariants(storage, [instance_id]))
    snapshot = storage.snapshot(instance_id)
    yield from executed_again(snapshot.tasks if snapshot else {}, ledger.read(instance_id))
