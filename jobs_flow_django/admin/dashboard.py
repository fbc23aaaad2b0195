"""What the last 24 hours were like, from the rows, and what goes on now, from the storage. Every read is bounded.

*Stuck* is an instance at work that nothing moves any more, as far as records tell:

- a timer of it has come due that recovery, in some worker, should have seen to (a lease that nobody renews, a retry,
  a time-out, an undoing without a worker), and nothing was recorded of it for a lease;
- or none of its tasks runs and nothing was recorded for three leases, though no retry is being waited for: its
  tasks are queued and no worker takes them, or nothing is queued at all.

One that is paused is not stuck, nor one whose task runs under a lease that is being renewed, however long it takes.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Instance, Lane, Snapshot
from jobs_flow.workflows.states import InstanceStatus, TaskStatus
from jobs_flow_django import jobs
from jobs_flow_django.database import alias
from jobs_flow_django.models import Status, WorkflowInstance, WorkflowInstanceQuerySet
from jobs_flow_django.paging import page

HOURS = 24
#: Runs that ended lately and are read, the latest; instances at work that are looked at, the oldest.
ENDED = 10_000
WORKING = 500
#: Runs whose tasks are looked at, and tasks of one at most.
SAMPLED = 20
WIDEST = 500
#: Timers that are asked for, and instances that may be stuck whose tasks are looked at.
TIMERS = 200
DOUBTFUL = 20
#: Lists on the page.
SHOWN = 10
#: Records of tasks read to find out who executed them, and how long their result may be, in bytes.
RECORDS = 30
RECORD_SIZE = 16_384
#: Leases for which nothing is recorded before an instance is called stuck.
QUIET_LEASES = 3
#: Seconds for which what was read serves all that look.
KEPT = 3.0

_TIMERS = frozenset({"lease", "timeout", "waiting", "retry", "undo"})


@dataclass(slots=True)
class Hour:
    """Runs that ended in an hour of the clock."""

    start: datetime
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the runs of a workflow took that ended well, in milliseconds."""

    workflow: str
    ended: int
    failed: int
    p50: int | None
    p95: int | None


@dataclass(frozen=True, slots=True)
class SlowTask:
    """A task of a workflow in the runs that were looked at."""

    workflow: str
    path: str
    runs: int
    median: int
    longest: int
    #: The instance in which it took longest.
    instance_id: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker that recorded something lately."""

    name: str
    #: Epoch milliseconds of the latest start or end of a task that was looked at.
    last: int
    #: Tasks that it executes now, of those that were looked at.
    running: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """An instance that nothing moves any more, and why it is thought so."""

    instance_id: str
    #: ``timer``, ``waiting`` or ``halted``.
    reason: str
    #: Milliseconds since anything was recorded.
    quiet: int


@dataclass(slots=True)
class Dashboard:
    """All of it; times in epoch milliseconds."""

    since: datetime
    hours: list[Hour] = field(default_factory=list)
    durations: list[Durations] = field(default_factory=list)
    #: Ids of runs that failed, the latest first.
    failed: list[str] = field(default_factory=list)
    #: Whether more runs ended than were read.
    more_ended: bool = False
    working: int = 0
    more_working: bool = False
    running: int = 0
    waiting: int = 0
    paused: int = 0
    stuck: list[Stuck] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    slow: list[SlowTask] = field(default_factory=list)
    sampled: int = 0
    workers: list[Seen] = field(default_factory=list)
    #: Of the storage's clock.
    now: int = 0
    #: Milliseconds after which silence is suspicious.
    quiet: int = 0
    #: Why what goes on now is not known.
    problem: str = ""

    @property
    def done(self) -> int:
        """Runs that ended well."""
        return sum(hour.done for hour in self.hours)

    @property
    def failures(self) -> int:
        """Runs that failed."""
        return sum(hour.failed for hour in self.hours)

    @property
    def success(self) -> float | None:
        """Share of runs that ended well of those that did or failed; None without any."""
        ended = self.done + self.failures
        return self.done / ended if ended else None


_kept: dict[tuple[str, str, str], tuple[float, Dashboard]] = {}


def read(realm: str = "") -> Dashboard:
    """The present dashboard, of all realms or of one; a few seconds old at most. Raises nothing for the storage."""
    key = (alias(), str(jobs.storage.label), realm)
    if (kept := _kept.get(key)) and time.monotonic() - kept[0] < KEPT:
        return kept[1]
    found = _read(realm)
    if len(_kept) > 100:
        _kept.clear()
    _kept[key] = time.monotonic(), found
    return found


def forget() -> None:
    """Read anew at the next look."""
    _kept.clear()


def _read(realm: str) -> Dashboard:
    rows = WorkflowInstance.objects.using(alias()).all()
    hour = timezone.localtime().replace(minute=0, second=0, microsecond=0) if _aware() else _naive_hour()
    board = Dashboard(since=hour - timedelta(hours=HOURS - 1))
    board.hours = [Hour(board.since + timedelta(hours=number)) for number in range(HOURS)]
    since = board.since
    if realm:
        # Of a rare realm a whole day would be looked through: it is looked for among the latest runs only.
        latest = rows.filter(finished_at__gte=since).order_by("-finished_at").values_list("finished_at", flat=True)
        if bound := list(latest[ENDED : ENDED + 1]):
            since, board.more_ended = bound[0], True
        rows = rows.in_realm(realm)
    ended = _read_ended(board, rows.filter(finished_at__gte=since))
    at_work = page(rows.with_status(Status.WORKING), limit=WORKING + 1, newest_first=False)
    board.more_working, at_work = len(at_work) > WORKING, at_work[:WORKING]
    board.working = len(at_work)
    try:
        _read_present(board, at_work, ended, everything=not realm)
    except JobsFlowError as error:
        board.problem = error.message
    return board


def _aware() -> bool:
    return timezone.is_aware(timezone.now())


def _naive_hour() -> datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0)


# -- what has ended --------------------------------------------------------------------------


def _read_ended(board: Dashboard, rows: WorkflowInstanceQuerySet) -> list[str]:
    """Count the latest of ``rows`` by hours and workflows; the ids of those that ended well last."""
    columns = ("id", "status", "workflow", "started_at", "finished_at")
    found = list(rows.order_by("-finished_at").values_list(*columns)[: ENDED + 1])
    board.more_ended = board.more_ended or len(found) > ENDED
    durations: defaultdict[str, list[int]] = defaultdict(list)
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    well: list[str] = []
    for instance_id, status, workflow, started, finished in found[:ENDED]:
        if status not in (Status.DONE, Status.FAILED, Status.CANCELLED) or finished is None:
            continue
        hour = board.hours[min(HOURS - 1, max(0, int((finished - board.since) / timedelta(hours=1))))]
        setattr(hour, status, getattr(hour, status) + 1)
        counts[workflow][0] += 1
        if status == Status.FAILED:
            counts[workflow][1] += 1
            board.failed += [instance_id] if len(board.failed) < SHOWN else []
        elif status == Status.DONE:
            well += [instance_id] if len(well) < SAMPLED else []
            if started is not None:
                durations[workflow].append(max(0, round((finished - started) / timedelta(milliseconds=1))))
    board.durations = [
        Durations(workflow, ended, failed, *(quantile(durations[workflow], share) for share in (0.5, 0.95)))
        for workflow, (ended, failed) in sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
    ][: 2 * SHOWN]
    return well


def quantile(values: Sequence[int], share: float) -> int | None:
    """The least of ``values`` that a ``share`` of them does not exceed (nearest rank); None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


# -- what goes on ----------------------------------------------------------------------------


def _read_present(board: Dashboard, at_work: Sequence[str], ended: Sequence[str], *, everything: bool) -> None:
    storage = jobs.storage
    board.now = storage.now()
    headers = [header for header in storage.get_instances(at_work) if header is not None] if at_work else []
    going = [header for header in headers if header.status == InstanceStatus.WORKING]
    if not board.more_working:
        board.working = len(going)
    for header in going:
        board.paused += header.paused
        board.running += _runs(header)
        board.waiting += not _runs(header) and not header.paused
    lease = jobs.runtime.policy.lease_ms
    board.quiet = QUIET_LEASES * lease
    board.stuck = _find_stuck(board, going, lease)
    if everything:
        board.lanes = sorted(storage.lanes(), key=lambda lane: -lane.length)[:SHOWN]
    newest = sorted(going, key=lambda header: -header.updated_at)[: SAMPLED // 2]
    snapshots = _snapshots([*ended, *(header.id for header in newest if header.total <= WIDEST)])
    of_ended = [each for each in snapshots if each.instance.id in set(ended)]
    board.slow, board.sampled = _slowest(of_ended), len(of_ended)
    board.workers = _workers(snapshots)


def _runs(header: Instance) -> bool:
    return bool(header.counts.get(TaskStatus.RUNNING)) or header.undo == "running"


def _find_stuck(board: Dashboard, going: Iterable[Instance], lease: int) -> list[Stuck]:
    due = {timer.instance_id for timer in jobs.storage.due(TIMERS) if timer.kind in _TIMERS}
    found: list[Stuck] = []
    looked_at = 0
    for header in going:
        quiet = board.now - header.updated_at
        if header.paused or quiet <= lease:
            continue
        if header.id in due:
            found.append(Stuck(header.id, "timer", quiet))
        elif not _runs(header) and quiet > board.quiet and looked_at < DOUBTFUL:
            looked_at += 1
            if not _waits_for_a_retry(header, board.now):
                reason = "waiting" if header.counts.get(TaskStatus.QUEUED) else "halted"
                found.append(Stuck(header.id, reason, quiet))
    return sorted(found, key=lambda each: -each.quiet)


def _waits_for_a_retry(header: Instance, now: int) -> bool:
    snapshot = jobs.storage.snapshot(header.id) if header.total <= WIDEST else None
    if snapshot is None:
        return False
    return any((view.get("retryAt") or 0) > now - 1000 for view in snapshot.tasks.values())


def _snapshots(ids: Sequence[str]) -> list[Snapshot]:
    """Of those that are not too wide."""
    headers = jobs.storage.get_instances(ids) if ids else []
    narrow = [header.id for header in headers if header is not None and header.total <= WIDEST]
    return [snapshot for each in narrow if (snapshot := jobs.storage.snapshot(each)) is not None]


def _slowest(snapshots: Iterable[Snapshot]) -> list[SlowTask]:
    taken: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for snapshot in snapshots:
        header = snapshot.instance
        for path, view in snapshot.tasks.items():
            if view.get("duration") is not None and view["status"] == TaskStatus.OK:
                taken[header.workflow, path].append((view["duration"], header.id))
    slow = [
        SlowTask(workflow, path, len(each), quantile([ms for ms, _ in each], 0.5) or 0, *max(each))
        for (workflow, path), each in taken.items()
    ]
    return sorted(slow, key=lambda task: (-task.longest, task.workflow, task.path))[:SHOWN]


def _workers(snapshots: Iterable[Snapshot]) -> list[Seen]:
    """Who executes what runs, and who executed what came last in each of the instances."""
    asked: list[tuple[str, str, dict[str, Any]]] = []
    for snapshot in snapshots:
        small = [item for item in snapshot.tasks.items() if (item[1].get("bodySize") or 0) <= RECORD_SIZE]
        running = [item for item in small if item[1]["status"] == TaskStatus.RUNNING]
        ended = [item for item in small if item[1].get("executionTime") is not None and item not in running]
        latest = sorted(ended, key=lambda item: item[1]["executionTime"])[-1:]
        asked += [(snapshot.instance.id, path, view) for path, view in (*running, *latest)]
    found: dict[str, Seen] = {}
    for instance_id, path, view in asked[:RECORDS]:
        worker = (jobs.storage.get_task(instance_id, path) or {}).get("worker")
        if not worker:
            continue
        at = max(view.get("executionTime") or 0, view.get("finishedAt") or 0)
        known = found.get(worker) or Seen(worker, 0, 0)
        runs = known.running + (view["status"] == TaskStatus.RUNNING)
        found[worker] = Seen(worker, max(known.last, at), runs)
    return sorted(found.values(), key=lambda seen: -seen.last)[: 2 * SHOWN]
