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

from jobs_flow.storages.bodies import MARK, Reference, size_of
from jobs_flow.storages.records import (
    ATTEMPT_FIELDS,
    ATTEMPT_LOG_LINES,
    ATTEMPTS_KEPT,
    EVENTS_KEPT,
    LOG_LINES_KEPT,
    VIEW_BODY_LIMIT,
    Grip,
    Instance,
    Json,
    JsonText,
    Started,
    Undone,
    Waiting,
)
from jobs_flow.workflows.states import FINISHED, InstanceStatus, TaskStatus

#: The content of an event, or a part of it.
Data = dict[str, Any]

#: What a timer of an instance is about: its kind, path and detail, as in ``records.Due``.
TimerKey = tuple[str, str, str]


@dataclass(slots=True)
class Place:
    """Where a queued task stands in its lane."""

    lane: str
    #: When its message was last published.
    published: int
    #: It is not given as overdue before.
    look_at: int
    #: When its message was first published.
    first: int
    #: Times it was given as overdue.
    given: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody was told of the outcome he recorded."""

    seq: int
    #: Final status of the instance if that ended the run.
    finished: str | None = None
    queued: tuple[str, ...] = ()


#: Of ``records.TASK_FIGURES``, the fields of a record.
_FIGURES = {
    "status": "status",
    "run": "run",
    "attempt": "attempt",
    "queuedAt": "queued_at",
    "executionTime": "execution_time",
    "finishedAt": "finished_at",
    "duration": "duration",
    "logCount": "log_count",
    "retries": "retries",
    "losses": "losses",
    "retryAt": "retry_at",
}


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
    #: What its holder was told of the outcome.
    answer: Answer | None = None
    #: The token that gave up the attempt before, and what its holder was told.
    gave_up: tuple[str, Answer] | None = None
    #: Its failure lets the flow go on: by its own policy, or by that of a block around it.
    tolerated: bool = False
    retries: int = 0
    losses: int = 0
    retry_at: int | None = None
    undo: str | None = None
    undo_error: JsonText | None = None
    #: How it waits whenever it is queued in this run.
    waiting: Waiting = field(default_factory=lambda: Waiting(""))
    #: Earlier attempts, each the JSON text of ``records.ATTEMPT_FIELDS``.
    attempts: deque[JsonText] = field(default_factory=lambda: deque(maxlen=ATTEMPTS_KEPT))
    #: Lines ever written in this run; ``logs`` holds the latest of them.
    log_count: int = 0
    logs: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES_KEPT))

    def figures(self, names: Iterable[str]) -> Data:
        """Some of ``records.TASK_FIGURES``."""
        known = {name: getattr(self, _FIGURES[name]) for name in names}
        return {name: value.value if isinstance(value, TaskStatus) else value for name, value in known.items()}

    def view(self) -> Data:
        """The fields of ``records.TASK_VIEW``; a body over the limit is left out."""
        size = byte_size(self.body)
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
            "retries": self.retries,
            "losses": self.losses,
            "retryAt": self.retry_at,
            "undo": self.undo,
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
            "undoError": decode(self.undo_error),
        }

    def keep(self, **changes: Any) -> None:
        """Keep what it says, but for ``changes``, as an earlier attempt at the task."""
        self.attempts.append(self.as_attempt(**changes))

    def set_aside(self) -> None:
        """Keep it as an earlier attempt; another record takes its place."""
        self.keep()

    def as_attempt(self, **changes: Any) -> JsonText:
        """What is kept of an attempt, with ``changes``: JSON of ``records.ATTEMPT_FIELDS``."""
        view = self.details() | changes
        if (view["bodySize"] or 0) > VIEW_BODY_LIMIT:
            view["body"] = None
        kept = {name: view[name] for name in ATTEMPT_FIELDS if name != "logs"}
        return encode(kept | {"logs": list(self.logs)[-ATTEMPT_LOG_LINES:]})

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
    key: str | None = None
    paused: bool = False
    cancelled: tuple[str, ...] = ()
    #: Whether this run has stages, the groups of heads that it has still to queue, and how they wait.
    staged: bool = False
    stages: list[tuple[str, ...]] = field(default_factory=list)
    lane: str = ""
    waiting: dict[str, Waiting] = field(default_factory=dict)
    #: The name of the latest start, and what its caller was told.
    call: tuple[str, Started] | None = None
    undo: str | None = None
    #: Paths to undo, the next one first; the one that is being undone, and the token of who does.
    undo_queue: list[str] = field(default_factory=list)
    undo_path: str | None = None
    undo_token: str | None = None
    #: Until when that token holds it; the timer may be put off by whoever sees to it.
    undo_until: int = 0
    #: How often the one that is being undone was given again because its lease had run out.
    undo_losses: int = 0
    #: Path and token of the latest end of an undo, and what its caller was told.
    undo_answer: tuple[str, str, Undone] | None = None
    #: When each timer comes due.
    timers: dict[TimerKey, int] = field(default_factory=dict)
    #: The queued tasks that wait for a worker, by path.
    places: dict[str, Place] = field(default_factory=dict)
    #: Milliseconds for which the instance is kept after its run; None: until somebody destroys it.
    keep: int | None = None
    #: Chunks of large values, by name and number.
    bodies: dict[str, dict[int, bytes]] = field(default_factory=dict)
    seq: int = 0
    #: Sequence number and JSON text.
    events: deque[tuple[int, JsonText]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))

    def counts(self) -> Counter[TaskStatus]:
        """Number of records by status."""
        return Counter(record.status for record in self.records.values())

    def has_untolerated(self) -> bool:
        """Whether there is a failure that does not let the flow go on."""
        return any(record.status in UNSUCCESSFUL and not record.tolerated for record in self.records.values())

    def updaters(self) -> dict[str, JsonText]:
        """The recorded updaters of the tasks that have any."""
        return {path: record.updaters for path, record in self.records.items() if record.updaters is not None}

    def header(self) -> Instance:
        """The header, made of fresh objects."""
        counts = self.counts()
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
            key=self.key,
            paused=self.paused,
            cancelled=self.cancelled,
            undo=self.undo,
        )

    def selected(self, paths: Iterable[str]) -> list[str]:
        """Those of the paths that this run may still execute or skip."""
        return [
            path
            for path in paths
            if (record := self.records.get(path)) and record.run == self.run and record.status is TaskStatus.INACTIVE
        ]

    def present(self, path: str, run: int) -> Record | None:
        """The record if ``run`` is the one that is going on, and has it."""
        record = self.records.get(path)
        if record is None or run != self.run or run != record.run or self.status is not InstanceStatus.WORKING:
            return None
        return record

    def held(self, path: str, run: int, token: str) -> Record | None:
        """The record if it runs under ``token``; one that ends in ``*`` stands for any that begins so."""
        record = self.present(path, run)
        running = record is not None and record.status is TaskStatus.RUNNING
        return record if running and record is not None and matches(token, record.token) else None

    def queued(self, path: str, run: int) -> Record | None:
        """The record if it is queued."""
        record = self.present(path, run)
        return record if record is not None and record.status is TaskStatus.QUEUED else None

    def stopping(self, path: str) -> bool:
        """Whether the task, or one above it, was asked to stop in this run."""
        return any(f"{path}.".startswith(f"{above}.") for above in self.cancelled)

    def grip(self, path: str, run: int, token: str) -> Grip:
        """What ``token`` still holds; it may end in ``*``."""
        if self.held(path, run, token) is None:
            return Grip.LOST
        return Grip.CANCELLED if self.stopping(path) else Grip.HELD

    def stands(self, path: str) -> bool:
        """Whether a task stands in its lane."""
        return path in self.places

    def stop_timers(self, path: str) -> None:
        """Remove all timers of a record, and its place in its lane."""
        self.places.pop(path, None)
        for kind in RECORD_TIMERS:
            self.timers.pop((kind, path, ""), None)

    def stop_end_timers(self) -> None:
        """Remove the timers that would have it deleted: its run is over no longer."""
        for kind in ("ephemeral", "expired"):
            self.timers.pop((kind, "#", ""), None)

    def rests(self, run: int) -> bool:
        """Whether it has finished ``run``, nothing began since, and nothing of it is to be undone."""
        return self.run == run and self.status in FINISHED and self.undo not in ("wanted", "running")


UNSUCCESSFUL = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})

#: Kinds of timers that are about a record; the others are about the instance.
RECORD_TIMERS = ("lease", "timeout", "waiting", "retry", "failed")


def matches(token: str, held: str | None) -> bool:
    """Whether ``token`` is, or with a ``*`` at its end begins, the one that is ``held``."""
    if held is None:
        return False
    return held.startswith(token[:-1]) if token.endswith("*") else held == token


def encode(value: Json) -> JsonText:
    """The JSON text of a value."""
    return json.dumps(value, ensure_ascii=False)


def decode(text: JsonText | None) -> Json:
    """A fresh value, a ``Reference`` where one stands for it; None for no text."""
    if text is None:
        return None
    return Reference.parse(text) if text.startswith(MARK) else json.loads(text)


def byte_size(text: JsonText | None) -> int | None:
    """Bytes of a JSON text, of that which a reference stands for; None for no text."""
    return None if text is None else size_of(text)
