"""Live events of a table for an event loop: DynamoDB tells nobody, so it is asked; an announcer makes it prompt."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.storages.contract_reading import Subscription
from jobs_flow.storages.inbox import Inbox
from jobs_flow.storages.records import Event

logger = logging.getLogger("jobs_flow.storage")

#: The number of the latest event of each instance: also of one that was deleted as long as that can be told, and
#: None of one that is not there. Read consistently: what was committed before the call is in the answer.
Latest = Callable[[Sequence[str]], Mapping[str, int | None]]
#: ``Storage.events``, read consistently too.
Events = Callable[[str, int], "list[Event] | None"]

#: Seconds between two questions for the latest numbers of all that is watched.
INTERVAL = 0.5
#: The same where an announcer brings events, and the questions only find what it lost.
PROMPT_INTERVAL = 5.0
#: Seconds in which it is asked at the shorter interval after an announcer lost something.
DOUBTED_FOR = 60.0
#: Asking takes at most one part in so many of the time, however many are watched.
SHARE = 4
#: Seconds between attempts to reach a storage that has gone.
RETRY_DELAYS = (0.5, 1.0, 2.0, 5.0)
#: Instances whose events are read at the same time.
READERS = 4
#: Seconds that ``add`` waits for the storage, and for the announcer.
ADDED_IN = 5.0
PROMPT_IN = 0.5

#: Seconds between two attempts to end a task.
CANCELLED_IN = 0.2

#: Seconds between two looks of a thread that waits for an event: the first, and the longest.
PAUSES = 0.02, 0.25


def wait(
    latest: Callable[[], int | None],
    since: int,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Wait until an instance has an event after number ``since``; False when none came in ``timeout`` seconds.

    ``latest()`` is the number of its latest event. An instance that was there and is not any more (None) counts as
    news. It is asked at least once, and once more at the end.
    """
    deadline = clock() + timeout
    pause, longest = PAUSES
    there = False
    while True:
        seq = latest()
        if seq is None and there:
            return True
        there = seq is not None
        if seq is not None and seq > since:
            return True
        left = deadline - clock()
        if left <= 0:
            return False
        sleep(min(pause, left))
        pause = min(pause * 1.5, longest)


@dataclass(eq=False, slots=True)
class _Watched:
    """What a subscription knows of one instance."""

    #: The number of the last event that was handed on, or was there when watching began; None until that is known.
    known: int | None = None
    #: Whether that was its last, because it was deleted.
    gone: bool = False
    #: Whether events may have passed before ``known`` was found out.
    late: bool = False
    #: Done once the storage was asked.
    asked: asyncio.Event = field(default_factory=asyncio.Event)


class PollingSubscription(Inbox):
    """See ``storages.base.Subscription``; events of an instance come in order, without gap, each once.

    :param latest: see ``Latest``. Called in a thread, as ``events`` is.
    :param prompt: what an announcer brings; it is closed with this.
    """

    def __init__(
        self,
        latest: Latest,
        events: Events,
        *,
        prompt: Subscription | None = None,
        interval: float = INTERVAL,
        prompt_interval: float = PROMPT_INTERVAL,
    ) -> None:
        super().__init__()
        self._latest = latest
        self._events = events
        self._prompt = prompt
        self._interval = interval
        self._prompt_interval = prompt_interval
        self._doubted_until = 0.0
        #: When all that is watched is asked for next.
        self._all_at = 0.0
        self._watched: dict[str, _Watched] = {}
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        self._readers = asyncio.Semaphore(READERS)
        self._tasks: set[asyncio.Task[None]] = set()
        #: Whether the announcer was slow to add the last instance: then nobody waits for it.
        self._prompt_slow = False
        self._started = False
        self._closed = False

    async def add(self, instance_id: str) -> None:
        """Start receiving; returns when it is known which event was the latest.

        While the storage is away it returns after ADDED_IN at most, and the instance is reported when it is back.
        """
        if self._closed:
            return
        watched = self._watched.get(instance_id)
        if watched is None:
            watched = self._watched[instance_id] = _Watched()
            self._start()
            if self._prompt is not None:
                await self._add_prompt(self._prompt, instance_id)
            self._look_at(instance_id)
        try:
            await asyncio.wait_for(watched.asked.wait(), ADDED_IN)
        except TimeoutError:
            watched.late = True

    async def remove(self, instance_id: str) -> None:
        """Stop receiving."""
        watched = self._watched.pop(instance_id, None)
        self._missed.pop(instance_id, None)
        if watched is not None:
            watched.asked.set()
            if self._prompt is not None:
                await _tried(self._prompt.remove(instance_id))

    async def aclose(self) -> None:
        """Stop; what a thread is asking the storage just now is no longer waited for."""
        self._closed = True
        for watched in self._watched.values():
            watched.asked.set()
        self._watched.clear()
        while self._tasks:
            # More than once: an announcer's driver may take a cancellation for its own time limit.
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCELLED_IN)
        if self._prompt is not None:
            await self._prompt.aclose()

    # -- asking ------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._run(self._poll())
        if self._prompt is not None:
            self._run(self._listen(self._prompt))

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine, name="jobs-flow-subscription")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _look_at(self, instance_id: str) -> None:
        """Ask for this one now."""
        self._due.add(instance_id)
        self._wake.set()

    async def _poll(self) -> None:
        now = asyncio.get_running_loop().time
        failures = 0
        self._all_at = now() + self._pause(now())
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which may take a cancellation that comes with the event for nothing.
                async with asyncio.timeout_at(self._all_at):
                    await self._wake.wait()
            self._wake.clear()
            started = now()
            everything = started >= self._all_at
            asked = {
                each: self._watched[each] for each in (self._watched if everything else self._due & set(self._watched))
            }
            self._due.clear()
            try:
                behind = await self._compare(asked)
            except Exception as error:
                if not failures:
                    logger.warning("events cannot be asked for (%s), trying again", type(error).__name__)
                self._all_at = now() + RETRY_DELAYS[min(failures, len(RETRY_DELAYS) - 1)]
                failures += 1
                for watched in asked.values():
                    watched.late = watched.late or watched.known is None
                    watched.asked.set()
                continue
            if failures:
                logger.info("events can be asked for again")
                # Those that were due while it was away.
                self._all_at, failures = now(), 0
            elif everything:
                if behind:
                    self._doubted_until = now() + DOUBTED_FOR
                self._all_at = now() + max(self._pause(now()), SHARE * (now() - started))

    def _pause(self, now: float) -> float:
        trusted = self._prompt is not None and now >= self._doubted_until
        return self._prompt_interval if trusted else self._interval

    async def _compare(self, asked: dict[str, _Watched]) -> bool:
        """Ask for the latest numbers, and read what is new; whether anything was."""
        if not asked:
            return False
        # Prompt events may come while this waits for the answer, which then is older than they are.
        before = {instance_id: watched.known for instance_id, watched in asked.items()}
        latest = await asyncio.to_thread(self._latest, list(asked))
        reads = []
        for instance_id, watched in asked.items():
            if self._watched.get(instance_id) is watched:
                since = self._judge(instance_id, watched, before[instance_id], latest.get(instance_id))
                if since is not None:
                    reads.append(self._read(instance_id, watched, since, latest.get(instance_id)))
        await _all(reads)
        return bool(reads)

    def _judge(self, instance_id: str, watched: _Watched, before: int | None, seq: int | None) -> int | None:
        """The number after which events have to be read; None when there is nothing to read."""
        if watched.known is None or before is None:
            watched.known = seq or 0
            watched.asked.set()
            if watched.late:
                watched.late = False
                self._offer(instance_id, None)
            return None
        if seq is None:
            return None if watched.gone or not watched.known else watched.known
        if seq < before or (watched.gone and seq > watched.known):
            # Made again under the id of one that was deleted.
            if watched.gone and seq < before:
                watched.known = 0
            else:
                watched.known = seq
                self._offer(instance_id, None)
            watched.gone = False
        return watched.known if seq > watched.known else None

    async def _read(self, instance_id: str, watched: _Watched, since: int, seq: int | None) -> None:
        async with self._readers:
            news = await asyncio.to_thread(self._events, instance_id, since)
        if self._watched.get(instance_id) is not watched:
            return
        for event in news or ():
            self._take(instance_id, watched, event)
        if news is None:
            watched.known = max(watched.known or 0, seq or 0)
            self._offer(instance_id, None)
        if seq is None and not watched.gone:
            # Deleted so long ago, or so much later, that its last event cannot be read.
            watched.gone = True
            if news is not None:
                self._offer(instance_id, None)

    # -- what an announcer brings ------------------------------------------------------------

    async def _add_prompt(self, prompt: Subscription, instance_id: str) -> None:
        adding = self._run(_tried(prompt.add(instance_id)))
        done, _ = await asyncio.wait({adding}, timeout=0 if self._prompt_slow else PROMPT_IN)
        self._prompt_slow = not done
        if not done:

            def added(_: object) -> None:
                self._prompt_slow = False
                self._look_at(instance_id)

            adding.add_done_callback(added)

    async def _listen(self, prompt: Subscription) -> None:
        try:
            while True:
                instance_id, event = await prompt.next()
                watched = self._watched.get(instance_id)
                if watched is None:
                    continue
                if event is None or watched.known is None or watched.gone:
                    self._look_at(instance_id)
                else:
                    self._take(instance_id, watched, event)
        except Exception as error:
            logger.warning("events are no longer announced (%s), they are asked for", type(error).__name__)
            self._prompt_interval = self._interval
            self._all_at = asyncio.get_running_loop().time()
            self._wake.set()

    # -- handing on --------------------------------------------------------------------------

    def _take(self, instance_id: str, watched: _Watched, event: Event) -> None:
        known = watched.known or 0
        if event.seq > known + 1:
            self._look_at(instance_id)
        elif event.seq == known + 1:
            watched.known = event.seq
            watched.gone = bool(event.data.get("deleted"))
            self._offer(instance_id, event)


async def _tried(call: Coroutine[Any, Any, None]) -> None:
    """Without what an announcer gives, events come all the same."""
    try:
        await call
    except Exception as error:
        logger.warning("the announcer of events failed (%s)", type(error).__name__)


async def _all(reads: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run them together to their end, then raise what the first of them raised."""
    for outcome in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
