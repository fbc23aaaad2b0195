"""The watchers of one instance in this process, and what keeps them up to date.

Events arrive as they come; an event that does not follow the one before, or says that a new run began,
sends the room to the storage: for the events between, or for a snapshot where there is no other way.
While that goes on, events wait here.

What the instance is like is kept, once for all watchers: newcomers are told that, and where it was compared with
the storage just now, nothing is read for them.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar

from jobs_flow.errors import InstanceNotFound, JobsFlowError, StorageUnavailable
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event
from jobs_flow_django.live.changes import Change
from jobs_flow_django.live.errors import InternalError
from jobs_flow_django.live.journal import Journal
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.protocol import instance_view
from jobs_flow_django.live.shots import read_logs, take_shot
from jobs_flow_django.live.state import State

P = ParamSpec("P")
R = TypeVar("R")

#: Events that wait for a snapshot or a gap to be filled; beyond that they are read from the storage.
BUFFERED = 500
#: Seconds for which what was compared with the storage is told to newcomers as it is.
FRESH = 1.0
#: Events that are told to who comes back; who has missed more is told all there is, which is shared and made once.
#: Fewer than a storage keeps (``EVENTS_KEPT``): merging them takes time that the sockets of the process share.
REPLAYED = 300
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
        self._source = source
        #: As of the last event that was given to the members; None before the first snapshot.
        self._journal: Journal | None = None
        #: When it was last known to be that of the storage, on the event loop's clock.
        self._compared = float("-inf")
        self._members: set[Mailbox] = set()
        self._newcomers: list[Mailbox] = []
        self._waiting: deque[Event] = deque(maxlen=BUFFERED)
        #: Reasons to go to the storage: nothing is known, something may have been missed.
        self._stale = True
        self._doubtful = False
        self._task: asyncio.Task[None] | None = None

    # -- members -----------------------------------------------------------------------------

    def join(self, mailbox: Mailbox) -> None:
        """Start a mailbox from a snapshot and keep it fed."""
        self._newcomers.append(mailbox)
        journal = self._journal
        unsettled = self.busy or self._stale or self._doubtful or self._is_behind
        if unsettled or journal is None or journal.state.partial or mailbox.since_in(journal.state.outline):
            self._synchronise()
        elif self._is_fresh:
            self._admit(journal, journal.seq, [])
        else:
            self.check()

    def leave(self, mailbox: Mailbox) -> bool:
        """Feed it no more; whether others are left."""
        self._members.discard(mailbox)
        mailbox.leave()
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
    def seq(self) -> int:
        """Number of the last event that was given to the members; 0 before the first snapshot."""
        return 0 if self._journal is None else self._journal.seq

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
        journal = self._journal
        if journal is not None and event.seq <= journal.seq:
            return True
        if journal is None or event.seq > journal.seq + 1:
            return False
        if event.data.get("reset"):
            self._stale = True
            return False
        if event.data.get("deleted"):
            self._end()
            return True
        journal.add(event)
        return True

    def _end(self) -> None:
        error = InstanceNotFound(instance_id=self.instance_id)
        for mailbox in (*self._members, *self._newcomers):
            mailbox.end(error, deleted=True)
        self._members.clear()
        self._newcomers.clear()
        self._waiting.clear()
        self._journal, self._stale, self._doubtful = None, True, False

    # -- at the storage ----------------------------------------------------------------------

    @property
    def _is_fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._compared < FRESH

    @property
    def _is_behind(self) -> bool:
        """Whether a newcomer knows more already, from another process."""
        return any(mailbox.since > self.seq for mailbox in self._newcomers if mailbox.since)

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
        if not self._stale and (self._doubtful or self._is_behind or (self._newcomers and not self._is_fresh)):
            await self._compare()
        if self._stale:
            await self._start_anew()
        journal = self._journal
        if journal is None:
            return
        if self._newcomers and not self._stale:
            if journal.state.partial:
                await self._complete_logs(journal.state)
            await self._admit_all(journal)
        while self._waiting:
            event = self._waiting.popleft()
            if not self._apply(event):
                self._waiting.appendleft(event)
                break
        if self._waiting and not self._stale:
            await self._fill_gap()

    async def _compare(self) -> None:
        """Whether what is known is all there is; if not, make it so."""
        self._doubtful = False
        asked = asyncio.get_running_loop().time()
        header = await self._source.in_thread(self._source.storage.get_instance, self.instance_id)
        if header is None or header.seq < self.seq:
            self._stale = True
        elif header.seq > self.seq:
            await self._fill_gap()
        else:
            self._recover()
        self._compared = asked

    async def _fill_gap(self) -> None:
        """Apply the events after the last known one; a snapshot is due when they are no longer kept."""
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

    async def _start_anew(self) -> None:
        """From a snapshot, all of them."""
        self._waiting.clear()
        asked = asyncio.get_running_loop().time()
        shot = await self._source.in_thread(take_shot, self._source.storage, self.instance_id)
        if shot is None:
            self._end()
            return
        journal = self._journal = Journal(State(shot))
        self._stale, self._compared = False, asked
        for mailbox in self._members:
            mailbox.start(journal)

    async def _complete_logs(self, state: State) -> None:
        """Read the logs that would not stand still when the snapshot was taken."""
        counts = {path: state.tasks[path]["logCount"] for path in state.partial}
        storage = self._source.storage
        state.fill_logs(await self._source.in_thread(read_logs, storage, self.instance_id, counts, state.seq))

    # -- newcomers ---------------------------------------------------------------------------

    async def _admit_all(self, journal: Journal) -> None:
        """Start the newcomers; those who come back with what they have missed, which is read once for all of them."""
        # One that was away for too long must not keep the others from what they missed.
        kept = range(max(1, journal.seq - REPLAYED), journal.seq + 1)
        outline = journal.state.outline
        known = [since for mailbox in self._newcomers if (since := mailbox.since_in(outline)) and since in kept]
        # Without anybody who can be told what was missed, only those go on who have missed nothing.
        first = min(known, default=journal.seq)
        missed: list[Event] | None = []
        if first < journal.seq:
            missed = await self._source.in_thread(self._source.storage.events, self.instance_id, first)
        self._admit(journal, first, missed)

    def _admit(self, journal: Journal, first: int, missed: list[Event] | None) -> None:
        """Start the newcomers; ``missed`` are the events after number ``first``, None: those are not known."""
        newcomers, self._newcomers = self._newcomers, []
        resumable = _resumable(first, journal.seq, missed)
        # Those who were cut off together come back with the same number, and are told the same.
        changes: dict[int, Change] = {}
        for mailbox in newcomers:
            self._members.add(mailbox)
            since = mailbox.since_in(journal.state.outline)
            if since and resumable <= since <= journal.seq:
                if since not in changes:
                    changes[since] = journal.since(since, missed or ())
                mailbox.resume(journal, changes[since])
            else:
                mailbox.start(journal)

    def _recover(self) -> None:
        if self._journal is not None:
            header = instance_view(self._journal.state.instance)
            for mailbox in self._members:
                mailbox.recover(header)


def _resumable(since: int, seq: int, events: list[Event] | None) -> int:
    """From where on clients can be told what they missed, of the ``events`` after ``since``: none follows that says
    to start anew.
    """
    if events is None:
        return seq
    turns = [event.seq for event in events if event.seq <= seq and event.data.get("reset")]
    return max(turns, default=since)
