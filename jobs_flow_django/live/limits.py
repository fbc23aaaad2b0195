"""How much one client may ask for: requests, and runs started.

Nothing is shared between processes and nothing is stored: a limit is there to keep one page that went wrong, or one
visitor who means harm, from taking a process for itself. Amounts are keys of ``JOBS_FLOW``.

A socket that asks too fast is read more slowly, so that nothing of it is lost and its sender feels it; over HTTP,
and where runs are started, the answer is ``TOO_MANY_REQUESTS`` with ``retryAfter``.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from jobs_flow_django.conf import get_settings
from jobs_flow_django.live.access import Scope
from jobs_flow_django.live.errors import TooManyRequests
from jobs_flow_django.live.requests import Create, ExecuteAll, ExecuteTask, Request, Resume

#: Seconds' worth of requests that may come at once, besides one for each instance that may be watched: a page that
#: reconnects asks for all of them again.
BURST_SECONDS = 2
#: Callers over HTTP that are remembered; of those beyond, the one that was silent longest is forgotten.
CALLERS = 10_000

Clock = Callable[[], float]


class TokenBucket:
    """Full at first, with ``capacity`` tokens; filled up with ``per_second`` of them. Not thread safe."""

    def __init__(self, capacity: float, per_second: float, clock: Clock = time.monotonic) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._clock = clock
        self._tokens = float(capacity)
        self._counted_at = clock()

    def take(self) -> float:
        """Take a token: 0. Or, where there is none, the seconds until there will be one; nothing is taken then."""
        self._fill()
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_second
        self._tokens -= 1
        return 0.0

    def borrow(self) -> float:
        """Take a token that need not be there yet; the seconds until it is."""
        self._fill()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_second)

    def _fill(self) -> None:
        now = self._clock()
        # A clock that goes back fills nothing, and takes nothing away.
        passed = max(0.0, now - self._counted_at)
        self._tokens = min(self._capacity, self._tokens + passed * self._per_second)
        self._counted_at = now


class Allowance:
    """What one caller may still ask for: a socket, or whoever it is over HTTP."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        settings = get_settings()
        rate = settings.SOCKET_REQUESTS_PER_SECOND
        self._requests = TokenBucket(settings.SOCKET_WATCHES + BURST_SECONDS * rate, rate, clock)
        per_minute = settings.SOCKET_STARTS_PER_MINUTE
        self._starts = TokenBucket(per_minute, per_minute / 60, clock)
        self._lock = threading.Lock()

    async def pace(self) -> None:
        """Return when the next request may be answered. For those who ask one after the other, as sockets do."""
        if wait := self._requests.borrow():
            await asyncio.sleep(wait)

    def take_request(self) -> None:
        """Count a request; raises ``TooManyRequests``."""
        self._take(self._requests)

    def take_start(self, request: Request) -> None:
        """Count ``request`` if it starts or creates something; raises ``TooManyRequests``."""
        if starts_something(request):
            self._take(self._starts)

    def _take(self, bucket: TokenBucket) -> None:
        with self._lock:
            wait = bucket.take()
        if wait:
            raise TooManyRequests(retry_after=math.ceil(wait))


def starts_something(request: Request) -> bool:
    """Whether work for workers, or a row, may come of it."""
    match request:
        case Create() | ExecuteAll() | ExecuteTask():
            return True
        case Resume(preview=preview):
            return not preview
        case _:
            return False


_callers: OrderedDict[object, Allowance] = OrderedDict()
_callers_lock = threading.Lock()


def allowance_of(scope: Scope, instance_id: str | None = None) -> Allowance:
    """Of whoever makes a request over HTTP: of their user, else of their session.

    Those who have neither come with tickets: all of one instance share.
    """
    user, session = scope.get("user"), scope.get("session")
    key = getattr(session, "session_key", None)
    if user is not None and user.is_authenticated:
        caller: object = ("user", user.pk)
    else:
        caller = ("session", key) if key else ("instance", instance_id)
    with _callers_lock:
        known = _callers.pop(caller, None) or Allowance()
        _callers[caller] = known
        while len(_callers) > CALLERS:
            _callers.popitem(last=False)
    return known


def forget_callers() -> None:
    """Begin anew, with the limits that the settings have now."""
    with _callers_lock:
        _callers.clear()
