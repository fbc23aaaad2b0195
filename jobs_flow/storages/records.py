"""What a storage takes and gives: frozen records, the same for every storage.

Payloads of users (results, arguments, contexts) travel as ``JsonText``, the JSON text itself: it is
encoded once, by the step that produced it, and decoded once, by whoever wants the value. All times
are epoch milliseconds of the storage's own clock, never earlier than an earlier one of that instance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from jobs_flow.workflows.flow import Flow, RunSelection, Waiting

__all__ = [
    "ATTEMPTS_KEPT",
    "ATTEMPT_FIELDS",
    "ATTEMPT_LOG_LINES",
    "EPHEMERAL_KEPT",
    "EVENTS_KEPT",
    "LOG_LINES_KEPT",
    "NOTICE_DELAY",
    "REFUSALS",
    "TASK_DETAILS",
    "TASK_FIGURES",
    "TASK_VIEW",
    "TOMBSTONE_KEPT",
    "VIEW_BODY_LIMIT",
    "Claim",
    "Completed",
    "Due",
    "Event",
    "Flow",
    "Grip",
    "Hold",
    "Input",
    "Instance",
    "Json",
    "JsonText",
    "Lane",
    "Loss",
    "NewInstance",
    "Outcome",
    "Queued",
    "RunSelection",
    "Snapshot",
    "Started",
    "UndoClaim",
    "Undone",
    "Waiting",
]

#: A JSON document as text; or of a payload of users that is too long for a record, the text of a ``bodies.Reference``,
#: which no event, view or attempt ever shows: ``bodySize`` is then the length that it says.
JsonText = str
Json = Any

#: A body whose JSON text is longer than this many bytes is left out of events and snapshots;
#: ``bodySize`` says how long it is, and ``get_task`` gives it.
VIEW_BODY_LIMIT = 4096
#: Events kept per instance for watchers who come back (approximate, the storage may keep a few more).
EVENTS_KEPT = 2_000
#: Log lines kept per task; the oldest go first.
LOG_LINES_KEPT = 10_000
#: Earlier attempts kept per task, and log lines kept of each; the oldest go first.
ATTEMPTS_KEPT = 100
ATTEMPT_LOG_LINES = 100
#: Milliseconds after which recovery tells of an end or a failure, if whoever recorded it has not.
NOTICE_DELAY = 15_000
#: Milliseconds for which an ephemeral instance outlives its run, so that whoever waits for it reads its result. More
#: than NOTICE_DELAY: who recorded the end may have died, and recovery cannot tell of what is gone.
EPHEMERAL_KEPT = 20_000
#: Milliseconds for which the last event of a deleted instance stays, for watchers who reconnect.
TOMBSTONE_KEPT = 60_000


@dataclass(frozen=True, slots=True)
class NewInstance:
    """All that a storage needs to create an instance."""

    id: str
    workflow: str
    data: Json
    base_context: Mapping[str, Json]
    fingerprint: str
    #: Nested ``{"name", "description", "path", "children"}``, see ``Plan.describe()``.
    tree: Sequence[Mapping[str, Any]]
    #: Every task path, in pre-order.
    paths: Sequence[str]
    realm: str = ""
    name: str = ""
    ephemeral: bool = False
    #: At most one instance of a workflow and realm has a key; None: it has none.
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """The header of an instance as it stands in the storage."""

    id: str
    workflow: str
    data: Json
    base_context: dict[str, Json]
    fingerprint: str
    realm: str
    name: str
    ephemeral: bool
    status: str
    #: Number of the latest run; 0 before the first.
    run: int
    #: 1 at first; goes up when workflow, data or base context change; plans are cached under it.
    revision: int
    created_at: int
    updated_at: int
    started_at: int | None
    finished_at: int | None
    #: ``{"code", "message", "path"?}`` of the first failure of the latest run, or why it did not start.
    error: dict[str, Any] | None
    #: Number of tasks by status, always summing to the number of tasks.
    counts: dict[str, int]
    #: Sequence number of the latest event.
    seq: int
    key: str | None = None
    #: No task is started until this is taken back.
    paused: bool = False
    #: Paths of the present run that were asked to stop, with all below them; ``#`` is the whole run.
    cancelled: tuple[str, ...] = ()
    #: ``wanted`` (when the run has ended), ``running``, ``done``, ``failed``; None: never asked for.
    undo: str | None = None

    @property
    def total(self) -> int:
        """Number of tasks."""
        return sum(self.counts.values())

    @property
    def progress(self) -> float:
        """Share of tasks that have ended, 0.0 to 1.0; 0.0 when there are none."""
        ended = sum(self.counts.get(s, 0) for s in ("ok", "skipped", "failed", "cancelled"))
        return ended / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended."""

    #: ok, skipped, failed or cancelled.
    status: str
    body: JsonText | None = None
    #: Path of the record that holds what this task hands on: itself, or the one it passes through.
    source: str | None = None
    argument: JsonText | None = None
    context: JsonText | None = None
    updaters: JsonText | None = None
    #: ``{"code", "message", "type"?}``
    error: Mapping[str, Any] | None = None
    #: For operators; never sent to watchers.
    traceback: str | None = None
    #: Log lines written together with the record.
    logs: Sequence[str] = ()
    #: A failure that lets the flow go on.
    tolerated: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """What a task hands on: the raw material of later tasks' arguments and contexts."""

    #: Status of the task that was asked for.
    status: str
    #: Path of the record that holds the value; see ``Outcome.source``. None: nothing recorded.
    source: str | None
    #: ``executionTime`` of that record.
    execution_time: int | None
    #: None where the record has none, and for null.
    value: JsonText | None


#: Answers of ``Storage.claim`` other than ``granted``.
REFUSALS = ("header", "gone", "stale", "halted", "early", "running", "ended", "cancelled", "paused")


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim.

    ``state`` is ``granted``; or ``header``: the caller's revision is not the stored one, here is the
    present header, claim again; or a refusal: ``gone`` (no such instance or path), ``stale`` (another
    run), ``halted`` (the instance is not working), ``early`` (not queued yet, or waiting for its retry),
    ``running`` (someone holds it), ``ended`` (has its outcome), ``cancelled`` (queued, but it or a task
    above it was asked to stop: end it as cancelled), ``paused`` (queued, and stays so).
    """

    state: str
    header: Instance | None = None
    #: Explicit argument of a head, None when none was given.
    argument: JsonText | None = None
    inputs: Mapping[str, Input] = field(default_factory=dict)
    attempt: int = 0
    execution_time: int = 0
    #: How often the task was tried again in this run because it failed.
    retries: int = 0
    #: Recorded context updaters of the instance's tasks, those that have any: a JSON list by path.
    updaters: Mapping[str, JsonText] = field(default_factory=dict)


class Grip(StrEnum):
    """What a token still holds."""

    #: The task, as before.
    HELD = "held"
    #: The task, but it was asked to stop.
    CANCELLED = "cancelled"
    #: Nothing: it has an outcome, was given to somebody else, or is gone.
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Hold:
    """A running task that a worker says it executes."""

    instance_id: str
    path: str
    run: int


class Loss(StrEnum):
    """What became of a task whose worker is gone."""

    #: It is queued again; its message is the caller's to publish.
    REQUEUED = "requeued"
    #: It lost its worker too often: still held, the caller records the failure.
    POISONED = "poisoned"
    #: It was asked to stop: still held, the caller records that.
    CANCELLED = "cancelled"
    #: It was not held by that token; nothing changed.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Due:
    """A timer whose time has come.

    ``kind`` is one of: ``lease`` (nobody renewed it), ``timeout`` (runs for too long), ``waiting`` (queued for
    too long), ``retry`` (time to try again), ``failed`` and ``ended`` (a failure, the end of a run, of
    which nobody was told yet), ``ephemeral`` (to be deleted), ``expired`` (kept for as long as its workflow says),
    ``undo`` (the undoing has no worker).
    """

    kind: str
    instance_id: str
    #: ``#`` for what concerns the instance.
    path: str
    #: Run and token of the record (of the instance, for ``#``) as they are now.
    run: int
    token: str | None
    #: For ``ended``: the run's number and final status, ``"3 done"``. Else empty.
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of queued tasks."""

    name: str
    #: Tasks that are queued in it.
    length: int
    #: When the first of them was queued, None when there are none.
    oldest: int | None
    #: When the latest task that anybody has claimed from it was queued.
    mark: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A queued task whose message seems lost, to be published again."""

    instance_id: str
    path: str
    run: int


@dataclass(frozen=True, slots=True)
class UndoClaim:
    """The answer to ``Storage.claim_undo``.

    ``state``: ``granted``; ``running`` (somebody holds a live lease); ``over`` (no such run, or nothing is left).
    """

    state: str
    path: str = ""
    #: The result of the task, as JSON text; None where there is none, and for null.
    body: JsonText | None = None
    header: Instance | None = None
    #: How often whoever undid this very task before let the lease run out.
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Undone:
    """The answer to ``Storage.end_undo``."""

    recorded: bool
    #: Whether another task is to be undone.
    more: bool = False
    #: Final status of the instance when that was the last.
    finished: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer to ``Storage.complete``."""

    #: False: the token, run or status did not match; nothing was written.
    recorded: bool
    #: Paths that this outcome put into ``queued``; their messages are the caller's to publish.
    queued: Sequence[str] = ()
    #: Final status of the instance when this outcome ended the run.
    finished: str | None = None
    seq: int = 0


class Started(NamedTuple):
    """The answer to ``Storage.start_run``."""

    run: int
    seq: int


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of an instance's event stream, as ``data`` plus its sequence number.

    ``data`` has any of: ``run`` (int), ``reset`` (true: a new run began or the definition changed,
    read a snapshot), ``tasks`` ({path: partial task view, to be merged}), ``instance`` (partial
    instance view), ``logs`` ({path: {"from": index of the first line, "lines": [...]}}), ``error``
    ({"type", "payload"}), ``tree`` (true, with ``reset``: the description changed too), ``deleted`` (true,
    the last event of all).
    """

    seq: int
    data: Mapping[str, Any]

    @classmethod
    def parse(cls, seq: int, text: str | bytes) -> Event:
        """The event whose JSON text is ``text``."""
        return cls(seq, json.loads(text))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent view of an instance: events after ``seq`` bring it up to date."""

    instance: Instance
    tree: list[dict[str, Any]]
    #: Task views by path in pre-order; see ``TASK_VIEW``.
    tasks: dict[str, dict[str, Any]]

    @property
    def seq(self) -> int:
        """Sequence number of the last event that the snapshot includes."""
        return self.instance.seq


#: Fields of a task view, the camelCase record of the wire. ``body`` is present up to
#: VIEW_BODY_LIMIT, ``bodySize`` (bytes of JSON) always once there is one.
TASK_VIEW = (
    "status",
    "run",
    "attempt",
    "queuedAt",
    "executionTime",
    "finishedAt",
    "duration",
    "progress",
    "progressText",
    "error",
    "body",
    "bodySize",
    "logCount",
    #: Times it was tried again in this run because it failed, and because its worker was lost.
    "retries",
    "losses",
    #: When a failed task is tried again; None otherwise.
    "retryAt",
    #: ``queued``, ``running``, ``ok``, ``failed``; None: not to be undone.
    "undo",
)

#: Fields of a task view that are a number or a word, whatever the task worked on; what ``Storage.get_figures`` gives.
TASK_FIGURES = (
    *("status", "run", "attempt", "queuedAt", "executionTime", "finishedAt", "duration"),
    *("logCount", "retries", "losses", "retryAt"),
)

#: Fields of a full record beyond the view; what ``Storage.get_task`` adds.
TASK_DETAILS = ("argument", "context", "updaters", "source", "traceback", "worker", "undoError")

#: Fields of an earlier attempt. ``status`` is that of a task, or ``lost`` (its worker was). ``body`` up to
#: VIEW_BODY_LIMIT, else None; ``logs`` the last ATTEMPT_LOG_LINES.
ATTEMPT_FIELDS = (
    "run",
    "attempt",
    "status",
    "queuedAt",
    "executionTime",
    "finishedAt",
    "duration",
    "worker",
    "error",
    "body",
    "bodySize",
    "logs",
)
