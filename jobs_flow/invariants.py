"""What must be true of the records at any moment, whatever has died meanwhile.

The same rules serve the tests, the chaos runs and ``celery -A proj flow doctor``. They read snapshots, each of
which is of one moment, so they may be asked while everything is running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows import paths
from jobs_flow.workflows.states import ENDED, FINISHED, InstanceStatus, TaskStatus

#: Instances read between two looks at the list of ids.
BATCH = 500

_ACTIVE = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class Violation:
    """A record that cannot be as it is."""

    #: COUNTS, STUCK, NOT_OVER, STATUS, OK_TWICE, ORDER.
    code: str
    instance_id: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.code} {self.instance_id} {self.path}: {self.message}"


def invariants(storage: Storage, instance_ids: Iterable[str] | None = None) -> list[Violation]:
    """What is wrong with the given instances, or with all; nothing, if this package keeps its promises.

    Raises ``StorageUnavailable``.
    """
    return [violation for instance_id in _ids(storage, instance_ids) for violation in _check(storage, instance_id)]


def check_snapshot(snapshot: Snapshot) -> Iterator[Violation]:
    """What is wrong with one instance, as far as its present records tell."""
    header, records = snapshot.instance, snapshot.tasks

    def wrong(code: str, message: str, path: str = paths.ROOT) -> Violation:
        return Violation(code, header.id, path, message)

    counted = Counter(str(record["status"]) for record in records.values())
    if {status: count for status, count in header.counts.items() if count} != dict(counted):
        yield wrong("COUNTS", f"the header counts {header.counts}, the records are {dict(counted)}")
    active = [path for path, record in records.items() if record["status"] in _ACTIVE]
    if header.status == InstanceStatus.WORKING and not active and header.undo != "running":
        yield wrong("STUCK", f"run {header.run} is working, and no task is queued or running")
    if header.status != InstanceStatus.WORKING:
        for path in active:
            yield wrong("NOT_OVER", f"it is {records[path]['status']} in a run that is {header.status}", path)
    # Those of no run came with an update.
    left = [record for record in records.values() if record["status"] == TaskStatus.INACTIVE and record["run"]]
    if header.status == InstanceStatus.DONE and left:
        yield wrong("STATUS", f"it is done, and {len(left)} of its tasks never ran")
    unsuccessful = counted[TaskStatus.FAILED] + counted[TaskStatus.CANCELLED]
    if header.status in FINISHED and header.status != InstanceStatus.DONE and not unsuccessful and header.undo is None:
        yield wrong("STATUS", f"it is {header.status}, and no task is")
    yield from (wrong("ORDER", message, path) for path, message in _order(records))


def _ids(storage: Storage, instance_ids: Iterable[str] | None) -> Iterator[str]:
    if instance_ids is not None:
        yield from instance_ids
        return
    after: str | None = None
    while page := storage.list_ids(after=after, limit=BATCH):
        yield from page
        after = page[-1]


def _check(storage: Storage, instance_id: str) -> Iterator[Violation]:
    snapshot = storage.snapshot(instance_id)
    if snapshot is None:
        return
    yield from check_snapshot(snapshot)
    for path, record in snapshot.tasks.items():
        if record["attempt"] < 2 or record["undo"] is not None:
            continue
        for attempt in storage.get_attempts(instance_id, path):
            if attempt["run"] == record["run"] and attempt["status"] == TaskStatus.OK:
                message = f"it was ok in run {record['run']} and was executed again in it"
                yield Violation("OK_TWICE", instance_id, path, message)


def _order(records: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """A task of a run begins when what comes before it in that run has ended."""
    before: dict[int, int] = {}
    ends: dict[int, int] = {}
    for path, record in records.items():
        parent = paths.parent(path)
        if parent == paths.ROOT:
            # The block before this one is over: what it ended at, by run, is what this one may not precede.
            before, ends = {run: max(end, before.get(run, 0)) for run, end in ends.items()}, {}
        if record["finishedAt"] is not None:
            ends[record["run"]] = max(record["finishedAt"], ends.get(record["run"], 0))
        begun, above = record["executionTime"], records.get(parent or paths.ROOT)
        if begun is None:
            continue
        if above is None:
            if begun < before.get(record["run"], 0):
                yield path, "it began before the tasks before it had ended"
        elif above["run"] == record["run"] and (above["status"] not in ENDED or (above["finishedAt"] or 0) > begun):
            yield path, f"it began before {parent} had ended"
