"""The watchers of one instance in this process, and what keeps them up to date.

Events arrive as they come; an event that does not follow the one before, or says that a new run began,
sends the room to the storage: for the events between, or for a snapshot where there is no other way.
While that goes on, events wait here.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar

from jobs_flow.errors import InstanceNotFound, JobsFlowError, StorageUnavailable
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event, Snapshot
from jobs_flow_django.live.changes import Lines
from jobs_flow_django.live.errors import InternalError
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.mailbox import Mailbox, Shot
from jobs_flow_django.live.protocol import instance_view

P = ParamSpec("P")
R = TypeVar("R")

#: Events that wait for a snapshot or a gap to be filled; beyond that they are read from the storage.
BUFFERED = 500
#: How many tasks' logs a snapshot comes with, the latest, and how many lines of each.
LOGGED_TASKS = 50
LOGGED_LINES = 100
#: Attempts to read logs that do not move meanwhile.
LOG_ATTEMPTS = 3
#: Seconds between attempts to reach the storage.
RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)


class Source(Protocol):
    """What a room needs of its relay."""

    storage: Storage

    async def subscribe(self, instance_id: str) -> None:
        """See that events of the instance come to its room."""

    def in_thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """The result of a call that blocks."""


class Room:
    """See above. Not thread safe: belongs to its event loop."""

    def __init__(self, source: Source, instance_id: str) -> None:
        self.instance_id = instance_id
        #: Number of the last event that was given to the members; 0 before the first snapshot.
        self.seq = 0
        self._source = source
        self._header: dict[str, Any] = {}
        self._members: set[Mailbox] = set()
        self._newcomers: list[Mailbox] = []
        self._waiting: deque[Event] = deque(maxlen=BUFFERED)
        #: Reasons to go to the storage: nothing is known, something may have been missed.
        self._stale = True
        self._doubtful = False
        #: The latest event known to exist.
        self._target = 0
        self._task: asyncio.Task[None] | None = None

    # -- members -----------------------------------------------------------------------------

    def join(self, mailbox: Mailbox) -> None:
        """Start a mailbox from a snapshot and keep it fed."""
        self._newcomers.append(mailbox)
        self._synchronise()

    def leave(self, mailbox: Mailbox) -> bool:
        """Feed it no more; whether others are left."""
        self._members.discard(mailbox)
        if mailbox in self._newcomers:
            self._newcomers.remove(mailbox)
        return bool(self._members or self._newcomers)

    async def aclose(self) -> None:
        """Stop what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- events ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether it is at the storage already."""
        return self._task is not None and not self._task.done()

    def feed(self, event: Event | None) -> None:
        """An event from the subscription; None: some may have been missed."""
        if event is None:
            self.check()
        elif self.busy:
            self._waiting.append(event)
        elif not self._apply(event):
            self._waiting.append(event)
            self._synchronise()

    def check(self) -> None:
        """Compare with the storage."""
        self._doubtful = True
        self._synchronise()

    def trouble(self, error: JobsFlowError) -> None:
        """Tell all that the storage cannot be read; it is tried again until it can."""
        for mailbox in (*self._members, *self._newcomers):
            mailbox.trouble(error)

    def _apply(self, event: Event) -> bool:
        """Hand an event to the members; False when it needs the storage first."""
        if event.seq <= self.seq:
            return True
        if event.seq > self.seq + 1:
            return False
        if event.data.get("reset"):
            self._stale = True
            return False
        if event.data.get("deleted"):
            self._end()
            return True
        self.seq = event.seq
        self._header |= event.data.get("instance", {})
        header = dict(self._header)
        for mailbox in self._members:
            mailbox.feed(event, header)
        return True

    def _end(self) -> None:
        error = InstanceNotFound(instance_id=self.instance_id)
        for mailbox in (*self._members, *self._newcomers):
            mailbox.end(error, deleted=True)
        self._members.clear()
        self._newcomers.clear()
        self._waiting.clear()
        self._stale, self._doubtful = True, False

    # -- at the storage ----------------------------------------------------------------------

    def _synchronise(self) -> None:
        if not self.busy:
            self._task = asyncio.create_task(self._until_synchronous(), name="jobs-flow-room")

    @property
    def _outstanding(self) -> bool:
        return bool(self._newcomers or (self._members and (self._stale or self._doubtful or self._waiting)))

    async def _until_synchronous(self) -> None:
        failures = 0
        while self._outstanding:
            try:
                await self._source.subscribe(self.instance_id)
                await self._catch_up()
                failures = 0
            except StorageUnavailable as error:
                self.trouble(error)
            except Exception as error:
                log_unexpected("an instance cannot be watched", error)
                self.trouble(InternalError())
            else:
                continue
            self._doubtful = True
            delay = RETRY_DELAYS[min(failures, len(RETRY_DELAYS) - 1)]
            failures += 1
            await asyncio.sleep(delay * random.uniform(0.75, 1.25))  # noqa: S311 - rooms must not retry in step

    async def _catch_up(self) -> None:
        if self._doubtful and not self._stale:
            self._doubtful = False
            header = await self._source.in_thread(self._source.storage.get_instance, self.instance_id)
            if header is None or header.seq < self.seq:
                self._stale = True
            elif header.seq > self.seq:
                await self._fill_gap()
            else:
                self._recover()
        if self._stale or self._newcomers:
            await self._take_snapshot()
        while self._waiting:
            event = self._waiting.popleft()
            if not self._apply(event):
                self._waiting.appendleft(event)
                break
        if (self._waiting or self.seq < self._target) and not self._stale:
            await self._fill_gap()

    async def _fill_gap(self) -> None:
        """Apply the events after the last known one; a snapshot is due when they are no longer kept."""
        self._target = 0
        events = await self._source.in_thread(self._source.storage.events, self.instance_id, self.seq)
        if not events:
            # Nothing after it, and yet an event or a header was: the records are not those of before.
            self._waiting.clear()
            self._stale = True
            return
        for event in events:
            if not self._apply(event):
                self._stale = True
                return
        self._recover()

    async def _take_snapshot(self) -> None:
        if self._stale:
            self._waiting.clear()
        newcomers = list(self._newcomers)
        shot = await self._source.in_thread(take_shot, self._source.storage, self.instance_id)
        if shot is None:
            self._end()
            return
        missed = {mailbox: await self._missed(mailbox, shot) for mailbox in newcomers if mailbox.since}
        if self._stale or shot.seq < self.seq:
            for mailbox in self._members:
                mailbox.start(shot)
            self.seq, self._header = shot.seq, instance_view(shot.snapshot.instance)
            self._stale = False
        self._target = shot.seq
        for mailbox in newcomers:
            if mailbox not in self._newcomers:
                continue  # left meanwhile
            known = missed.get(mailbox)
            if known is None:
                mailbox.start(shot)
            else:
                mailbox.resume(shot, known)
            self._newcomers.remove(mailbox)
            self._members.add(mailbox)

    async def _missed(self, mailbox: Mailbox, shot: Shot) -> list[Event] | None:
        """What a client that comes back has not seen of a snapshot; None when it needs all of it."""
        since = mailbox.since or 0
        if since > shot.seq:
            return None
        events = await self._source.in_thread(self._source.storage.events, self.instance_id, since)
        if events is None or any(event.data.get("reset") or event.data.get("deleted") for event in events):
            return None
        return [event for event in events if event.seq <= shot.seq]

    def _recover(self) -> None:
        header = dict(self._header)
        for mailbox in self._members:
            mailbox.recover(header)


def take_shot(storage: Storage, instance_id: str) -> Shot | None:
    """A snapshot with logs; blocks. None without such an instance.

    Logs are not part of a snapshot: they are read after it, and again if they moved meanwhile. Those that
    never stand still are left out; their next lines come as events, with the index of the first.
    """
    shot, complete = _try_shot(storage, instance_id)
    for _ in range(LOG_ATTEMPTS - 1):
        if complete:
            break
        shot, complete = _try_shot(storage, instance_id)
    return shot


def _try_shot(storage: Storage, instance_id: str) -> tuple[Shot | None, bool]:
    """A snapshot with the logs that did not move, and whether that is all of them."""
    snapshot = storage.snapshot(instance_id)
    if snapshot is None:
        return None, True
    paths = _logged_paths(snapshot)
    if not paths:
        return Shot(snapshot, {}), True
    logs = storage.get_logs(instance_id, paths, last=LOGGED_LINES)
    moved = _moved_logs(storage, instance_id, snapshot.seq)
    still = [path for path in paths if moved is not None and path not in moved]
    known = {path: Lines.of(snapshot.tasks[path]["logCount"] - len(logs[path]), logs[path]) for path in still}
    return Shot(snapshot, known), len(still) == len(paths)


def _logged_paths(snapshot: Snapshot) -> list[str]:
    """Paths of the tasks with logs, in the order of the tree; where there are many, those that ran last."""
    paths = [path for path, view in snapshot.tasks.items() if view.get("logCount")]
    if len(paths) <= LOGGED_TASKS:
        return paths
    latest = sorted(paths, key=lambda path: snapshot.tasks[path].get("executionTime") or 0)[-LOGGED_TASKS:]
    chosen = set(latest)
    return [path for path in paths if path in chosen]


def _moved_logs(storage: Storage, instance_id: str, since: int) -> set[str] | None:
    """Paths whose logs changed after event ``since``; None when that is not known any more."""
    events = storage.events(instance_id, since)
    if events is None or any(event.data.get("reset") for event in events):
        return None
    return {path for event in events for path in event.data.get("logs", {})}
