"""Connections under supervision: whose sign-in, permissions or tickets are over is told so, or closed.

Every request is permitted by itself; this is for those that ask nothing and only listen. One supervisor per event
loop looks after all its connections, sockets and streams of events: with one task, which checks those whose time has
come together, in a few queries (``live/reviewing.py``). Their times are spread, so that a thousand that came back at
once are not checked at once. Ends of sessions are heard of promptly (``live/logouts.py``); the checks are the net
below.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from channels.exceptions import StopConsumer

from jobs_flow.errors import InstanceNotFound, JobsFlowError
from jobs_flow_django.conf import get_settings
from jobs_flow_django.live import access, logouts, protocol
from jobs_flow_django.live.access import Scope
from jobs_flow_django.live.errors import InternalError, NotAuthenticated, TooManyRequests, TooManySockets
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.live.protocol import Ref
from jobs_flow_django.live.reviewing import Answer, Question, review
from jobs_flow_django.live.schedule import Schedule
from jobs_flow_django.live.session_channel import SessionChannel
from jobs_flow_django.tickets import Ticket, TicketExpired

#: Seconds between checks of a connection; a tenth more or less.
INTERVAL = 60.0
#: Seconds between looks at whose time has come.
TICK = 1.0
#: Connections that are checked together.
BATCH = 100
#: Seconds that somebody who is not signed in has for showing a ticket.
TICKET_DEADLINE = 10.0
#: Those who may be in these seconds at the same time; more are turned away at once.
WAITING_LIMIT = 1_000
#: Checks of a connection that may fail one after the other before it is closed: nobody knows any more what it may see.
FAILURES = 5
#: Seconds after which a connection of a session that just ended is checked: it may have come before the end was stored.
SECOND_LOOK = 2.0
#: Seconds for which ends of sessions are remembered for that.
REMEMBERED = 30.0

TurnAway = Callable[[JobsFlowError, Ref], Awaitable[None]]


class Guard:
    """One connection under supervision, until ``aclose``.

    ``turn_away`` tells the client why, if it still reads, and closes; it may take its time, and is called once.
    """

    def __init__(self, supervisor: Supervisor, scope: Scope, outlet: Outlet, turn_away: TurnAway) -> None:
        self.scope = scope
        self.outlet = outlet
        self.is_anonymous = access.is_anonymous(scope)
        self.user_key = None if self.is_anonymous else scope["user"].pk
        key = None if self.is_anonymous else access.session_key(scope)
        self.digest = None if key is None else logouts.session_digest(key)
        #: It is closed, or about to be.
        self.is_over = False
        self.failures = 0
        #: Until when a ticket has to be shown, in the loop's time; None while there is one.
        self.deadline: float | None = None
        #: Tickets that had ended when a check last asked what still holds: nothing is left to be done about them.
        self.ended: set[Ticket] = set()
        self._supervisor = supervisor
        self._turn_away = turn_away

    @property
    def tickets(self) -> Mapping[str, Ticket]:
        """Those that were shown, by instance id; the last one of each."""
        tickets: Mapping[str, Ticket] = self.scope.get("tickets", {})
        return tickets

    @property
    def has_ticket(self) -> bool:
        """Whether a ticket that was shown is still good."""
        return any(not ticket.is_expired for ticket in self.tickets.values())

    def watched(self, instance_id: str) -> None:
        """An instance is watched from now on, perhaps by a ticket, whose end is to be noticed.

        Also if that has come since the ticket was read, and a check that saw it knew nothing of this watch.
        """
        if ticket := self.tickets.get(instance_id):
            self.ended.discard(ticket)
        self._supervisor.schedule_end(self)

    async def turn_away(self, error: JobsFlowError, ref: Ref = None) -> None:
        """End it, and send nothing more of what instances do; ``ref`` is that of the request to blame."""
        if self.is_over:
            return
        self.is_over = True
        for mailbox in self.outlet.mailboxes:
            await self.outlet.leave(mailbox.instance_id)
        await self._turn_away(error, ref)

    async def apply(self, asked: dict[str, Any], answer: dict[str, bool]) -> None:
        """Go on as a check has found; ``asked`` are the mailboxes that it was about, by instance id."""
        for instance_id, mailbox in asked.items():
            if not self.outlet.is_watched(mailbox):
                continue  # left meanwhile, or watched anew, which was permitted just then
            if instance_id in answer:
                mailbox.payload = answer[instance_id]
            elif instance_id in self.tickets:
                await self._expire(instance_id)
            else:
                mailbox.end(InstanceNotFound(instance_id=instance_id))

    async def drop_expired(self, asked: dict[str, Any]) -> None:
        """End what only a ticket let in that has ended: that needs no answer of the database, which has none now."""
        tickets = self.tickets if self.is_anonymous else {}
        for instance_id, mailbox in asked.items():
            ticket = tickets.get(instance_id)
            if ticket is not None and ticket.is_expired and self.outlet.is_watched(mailbox):
                await self._expire(instance_id)

    async def _expire(self, instance_id: str) -> None:
        await self.outlet.leave(instance_id)
        expired = TicketExpired(instance_id=instance_id)
        await self.outlet.send(protocol.app_error(expired, instance_id=instance_id))

    async def aclose(self) -> None:
        """It is over."""
        self.is_over = True
        await self._supervisor.remove(self)


class Supervisor:
    """See above. Not thread safe, but for ``session_ended``: belongs to its event loop."""

    def __init__(self) -> None:
        # Not held: it is what the supervisor is found by.
        self._loop = weakref.ref(asyncio.get_running_loop())
        self._guards: set[Guard] = set()
        self._by_session: dict[str, set[Guard]] = {}
        self._by_user: dict[Any, set[Guard]] = {}
        self._waiting: set[Guard] = set()
        self._ended: dict[str, float] = {}
        self._schedule: Schedule[Guard] = Schedule()
        self._channel = SessionChannel(self._end)
        # Joining the group and leaving it take turns: layers mix them up.
        self._membership = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        # What waits for single clients, so that a slow one holds up nobody else.
        self._tasks: set[asyncio.Task[None]] = set()
        logouts.listen(self)

    def __len__(self) -> int:
        return len(self._guards)

    # -- connections -------------------------------------------------------------------------

    def admit(self, scope: Scope, outlet: Outlet, turn_away: TurnAway) -> Guard:
        """Look after a connection from now on; raises ``TooManySockets``, or ``TooManyRequests`` in a rush."""
        guard = Guard(self, scope, outlet, turn_away)
        limit = get_settings().SOCKETS_PER_USER
        if guard.is_anonymous and not guard.has_ticket:
            if len(self._waiting) >= WAITING_LIMIT:
                # Who has a ticket is to come back with it.
                raise TooManyRequests(retry_after=math.ceil(TICKET_DEADLINE))
            self._waiting.add(guard)
            guard.deadline = _now() + TICKET_DEADLINE
            self._schedule.put(guard, guard.deadline)
        elif not guard.is_anonymous:
            if len(self._by_user.get(guard.user_key, ())) >= limit:
                raise TooManySockets(limit=limit)
            self._by_user.setdefault(guard.user_key, set()).add(guard)
        self._guards.add(guard)
        # The first check at any time: those that came together part.
        self._schedule.put(guard, _now() + INTERVAL * random.uniform(0.1, 1.0))  # noqa: S311
        if guard.digest is not None:
            self._by_session.setdefault(guard.digest, set()).add(guard)
            if self._ended.get(guard.digest, 0.0) > _now():
                self._schedule.put(guard, _now() + SECOND_LOOK)
        if self._watch is None:
            self._watch = asyncio.create_task(self._run(), name="jobs-flow-supervisor")
        return guard

    async def remove(self, guard: Guard) -> None:
        """Look after it no more."""
        self._guards.discard(guard)
        self._waiting.discard(guard)
        _discard(self._by_session, guard.digest, guard)
        _discard(self._by_user, guard.user_key, guard)
        self._schedule.drop(guard)
        if not self._guards and self._watch is not None:
            watch, self._watch = self._watch, None
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            async with self._membership:
                if not self._guards:  # nobody came meanwhile
                    await self._channel.aclose()

    def schedule_end(self, guard: Guard) -> None:
        """Check when the first of its tickets ends; who has shown one keeps nobody out."""
        left = [ticket.seconds_left for ticket in guard.tickets.values() if ticket not in guard.ended]
        if left:
            guard.deadline = None
            self._waiting.discard(guard)
            self._schedule.put(guard, _now() + min(left))

    # -- ends of sessions --------------------------------------------------------------------

    def session_ended(self, digest: str) -> None:
        """Close its connections. Any thread may say so."""
        loop = self._loop()
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed, and so are they
                loop.call_soon_threadsafe(self._end, digest)

    def _end(self, digest: str) -> None:
        now = _now()
        self._ended = {known: until for known, until in self._ended.items() if until > now}
        self._ended[digest] = now + REMEMBERED
        for guard in self._by_session.get(digest, ()):
            self._start(guard.turn_away(NotAuthenticated()))

    # -- checks ------------------------------------------------------------------------------

    async def _run(self) -> None:
        async with self._membership:
            self._channel.open()
        while True:
            await asyncio.sleep(TICK)
            due = self._schedule.take(_now())
            for start in range(0, len(due), BATCH):
                await self._check(due[start : start + BATCH])

    async def _check(self, guards: list[Guard]) -> None:
        asked = [(guard, {mailbox.instance_id: mailbox for mailbox in guard.outlet.mailboxes}) for guard in guards]
        ended = [{ticket for ticket in guard.tickets.values() if ticket.is_expired} for guard in guards]
        try:
            answers = await review([Question(guard.scope, list(mailboxes)) for guard, mailboxes in asked])
        except Exception as error:
            answers = [error] * len(asked)
        failed: Exception | None = None
        for (guard, mailboxes), over, answer in zip(asked, ended, answers, strict=True):
            if guard not in self._guards or guard.is_over:
                continue
            # One that has ended since then, while the database was asked, is asked about again.
            guard.ended = over
            if isinstance(answer, Exception) and not isinstance(answer, NotAuthenticated):
                failed = answer
            self._go_on(guard, mailboxes, answer)
        if failed is not None:
            log_unexpected("permissions could not be checked again", failed)

    def _go_on(self, guard: Guard, mailboxes: dict[str, Any], answer: Answer) -> None:
        now = _now()
        self._schedule.put(guard, now + INTERVAL * random.uniform(0.9, 1.1))  # noqa: S311
        self.schedule_end(guard)
        if isinstance(answer, NotAuthenticated) or self._is_late(guard, now):
            self._start(guard.turn_away(NotAuthenticated()))
        elif isinstance(answer, Exception):
            guard.failures += 1
            if guard.failures >= FAILURES:
                self._start(guard.turn_away(InternalError()))
            else:
                self._start(guard.drop_expired(mailboxes))
        else:
            guard.failures = 0
            self._start(guard.apply(mailboxes, answer))

    def _is_late(self, guard: Guard, now: float) -> bool:
        """Whether somebody without name has shown no ticket for too long."""
        if not guard.is_anonymous:
            return False
        if guard.has_ticket:
            return False
        if guard.deadline is None:
            # The last one has ended: time to show another.
            guard.deadline = now + TICKET_DEADLINE
            self._schedule.put(guard, guard.deadline)
            return False
        return now >= guard.deadline

    def _start(self, call: Any) -> None:
        task = asyncio.create_task(_quietly(call), name="jobs-flow-supervised")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(call: Awaitable[None]) -> None:
    try:
        await call
    except (OSError, StopConsumer):
        pass  # the client is gone
    except Exception as error:
        log_unexpected("a connection could not be told", error)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _discard(index: dict[Any, set[Guard]], key: Any, guard: Guard) -> None:
    known = index.get(key)
    if known is not None:
        known.discard(guard)
        if not known:
            del index[key]


_supervisors: WeakKeyDictionary[asyncio.AbstractEventLoop, Supervisor] = WeakKeyDictionary()


def get_supervisor() -> Supervisor:
    """That of the running event loop."""
    loop = asyncio.get_running_loop()
    supervisor = _supervisors.get(loop)
    if supervisor is None:
        supervisor = _supervisors[loop] = Supervisor()
    return supervisor
