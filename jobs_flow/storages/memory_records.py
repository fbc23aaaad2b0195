"""The records of one instance as ``MemoryStorage`` holds them, and the views it gives of them.

Payloads stay JSON text here, as they do in a server: nobody shares an object with the storage, and
every read gives fresh ones.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.storages.records import EVENTS_KEPT, LOG_LINES_KEPT, VIEW_BODY_LIMIT, Instance, Json, JsonText
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

#: The content of an event, or a part of it.
Data = dict[str, Any]


@dataclass(slots=True)
class Record:
    """One task. Payloads stay JSON text, so nobody shares an object with the storage."""

    status: TaskStatus = TaskStatus.INACTIVE
    run: int = 0
    attempt: int = 0
    queued_at: int | None = None
    execution_time: int | None = None
    finished_at: int | None = None
    duration: int | None = None
    progress: float | None = None
    progress_text: str | None = None
    error: JsonText | None = None
    body: JsonText | None = None
    argument: JsonText | None = None
    context: JsonText | None = None
    updaters: JsonText | None = None
    source: str | None = None
    traceback: str | None = None
    worker: str | None = None
    token: str | None = None
    #: Number of the event of its outcome, and the final status of the instance if it ended the run.
    answer: tuple[int, str | None] | None = None
    #: Its failure lets the flow go on: by its own policy, or by that of a block around it.
    tolerated: bool = False
    #: Lines ever written in this run; ``logs`` holds the latest of them.
    log_count: int = 0
    logs: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES_KEPT))

    def view(self) -> Data:
        """The fields of ``records.TASK_VIEW``; a body over the limit is left out."""
        size = _size(self.body)
        view: Data = {
            "status": self.status.value,
            "run": self.run,
            "attempt": self.attempt,
            "queuedAt": self.queued_at,
            "executionTime": self.execution_time,
            "finishedAt": self.finished_at,
            "duration": self.duration,
            "progress": self.progress,
            "progressText": self.progress_text,
            "error": decode(self.error),
            "bodySize": size,
            "logCount": self.log_count,
        }
        if size is None or size <= VIEW_BODY_LIMIT:
            view["body"] = decode(self.body)
        return view

    def details(self) -> Data:
        """The whole record: ``TASK_VIEW`` with the body at any size, and ``records.TASK_DETAILS``."""
        return self.view() | {
            "body": decode(self.body),
            "argument": decode(self.argument),
            "context": decode(self.context),
            "updaters": [] if self.updaters is None else decode(self.updaters),
            "source": self.source,
            "traceback": self.traceback,
            "worker": self.worker,
        }

    def write_logs(self, lines: Iterable[str]) -> Data:
        """Append lines; gives the entry for ``logs`` of the event."""
        new = list(lines)
        first, self.log_count = self.log_count, self.log_count + len(new)
        self.logs.extend(new)
        return {"from": first, "lines": new}


@dataclass(slots=True)
class State:
    """One instance: its header, its records in pre-order, the joins of its run, its latest events."""

    id: str
    workflow: str
    data: JsonText
    base_context: JsonText
    fingerprint: str
    tree: JsonText
    realm: str
    name: str
    ephemeral: bool
    created_at: int
    updated_at: int
    records: dict[str, Record]
    status: InstanceStatus = InstanceStatus.INACTIVE
    run: int = 0
    revision: int = 1
    started_at: int | None = None
    finished_at: int | None = None
    error: JsonText | None = None
    #: Block path -> subtrees that must still end before it joins.
    outstanding: dict[str, int] = field(default_factory=dict)
    #: Block path -> the records whose failure made a subtree of it fail.
    failures: dict[str, list[str]] = field(default_factory=dict)
    seq: int = 0
    #: Sequence number and JSON text.
    events: deque[tuple[int, JsonText]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))

    def header(self) -> Instance:
        """The header, made of fresh objects."""
        counts = Counter(record.status for record in self.records.values())
        return Instance(
            id=self.id,
            workflow=self.workflow,
            data=decode(self.data),
            base_context=decode(self.base_context),
            fingerprint=self.fingerprint,
            realm=self.realm,
            name=self.name,
            ephemeral=self.ephemeral,
            status=self.status.value,
            run=self.run,
            revision=self.revision,
            created_at=self.created_at,
            updated_at=self.updated_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            error=decode(self.error),
            counts={status.value: counts[status] for status in TaskStatus},
            seq=self.seq,
        )

    def selected(self, paths: Iterable[str]) -> list[str]:
        """Those of the paths that this run may still execute or skip."""
        return [
            path
            for path in paths
            if (record := self.records.get(path)) and record.run == self.run and record.status is TaskStatus.INACTIVE
        ]

    def held(self, path: str, run: int, token: str | None) -> Record | None:
        """The record if the holder of ``token`` may write it; None as token: whoever holds it, or nobody yet."""
        record = self.records.get(path)
        if record is None or run != self.run or run != record.run or self.status is not InstanceStatus.WORKING:
            return None
        if token is None:
            return record if record.status in (TaskStatus.QUEUED, TaskStatus.RUNNING) else None
        return record if record.status is TaskStatus.RUNNING and record.token == token else None


def encode(value: Json) -> JsonText:
    """The JSON text of a value."""
    return json.dumps(value, ensure_ascii=False)


def decode(text: JsonText | None) -> Json:
    """A fresh value; None for no text."""
    return None if text is None else json.loads(text)


def _size(text: JsonText | None) -> int | None:
    return None if text is None else len(text.encode())
