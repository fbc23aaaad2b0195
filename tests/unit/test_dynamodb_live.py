"""Events by asking now and then: on the storage in memory, which is asked as a table would be."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from jobs_flow.errors import StorageUnavailable
from jobs_flow.storages import inbox
from jobs_flow.storages.dynamodb import live
from jobs_flow.storages.dynamodb.live import PollingSubscription, wait
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import Event
from jobs_flow.testing.conformance.subscription import TestSubscription as Conformance
from jobs_flow.testing.conformance.subscription import receive
from jobs_flow.testing.scenario import Scenario, task
from tests.support.eventually import aeventually

NEVER = 3600.0


class Prompt:
    """What an announcer brings: what the test puts into it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, Event | None]] = asyncio.Queue()
        self.watched: set[str] = set()
        self.closed = False
        #: What adding waits for.
        self.gate = asyncio.Event()
        self.gate.set()

    async def add(self, instance_id: str) -> None:
        self.watched.add(instance_id)
        await self.gate.wait()

    async def remove(self, instance_id: str) -> None:
        self.watched.discard(instance_id)

    async def next(self) -> tuple[str, Event | None]:
        found = await self.queue.get()
        if found[0] == "broken":
            raise RuntimeError("broken")
        return found

    async def aclose(self) -> None:
        self.closed = True


class Polled(MemoryStorage):
    """The storage in memory, whose subscriptions ask."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked: list[list[str]] = []
        self.reads: list[tuple[str, int]] = []

    def latest(self, ids: Sequence[str]) -> dict[str, int | None]:
        self._there()
        self.asked.append(sorted(ids))
        with self._changed:
            return {id: self._states[id].seq if id in self._states else None for id in ids}

    def read(self, instance_id: str, since: int) -> list[Event] | None:
        self._there()
        self.reads.append((instance_id, since))
        return self.events(instance_id, since)

    def subscribe(  # type: ignore[override]
        self, *, prompt: Prompt | None = None, interval: float = 0.01, prompt_interval: float = NEVER
    ) -> PollingSubscription:
        return PollingSubscription(
            self.latest, self.read, prompt=prompt, interval=interval, prompt_interval=prompt_interval
        )

    def _there(self) -> None:
        if self.away:
            raise StorageUnavailable(storage="polled", reason="the test says so")


@pytest.fixture
def storage() -> Polled:
    return Polled()


class TestPolling(Conformance):
    """As every subscription."""


async def following(subscription: PollingSubscription, count: int) -> list[tuple[str, int | None]]:
    """The next so many, by number."""
    found = [await asyncio.wait_for(subscription.next(), 10) for _ in range(count)]
    return [(id, event and event.seq) for id, event in found]


class TestOrder:
    async def test_each_event_once_without_a_reader_that_compares(self, storage: Polled) -> None:
        id = Scenario(storage, task("a")).id
        subscription = storage.subscribe(interval=0.001)
        await subscription.add(id)
        writer = threading.Thread(target=lambda: [storage.add_event(id, {"n": n}) for n in range(300)])
        writer.start()
        assert await following(subscription, 300) == [(id, seq) for seq in range(2, 302)]
        writer.join()
        await subscription.aclose()

    async def test_a_deleted_one_says_so_once(self, storage: Polled) -> None:
        id, other = Scenario(storage, task("a")).id, Scenario(storage, task("a")).id
        subscription = storage.subscribe()
        await subscription.add(id)
        await subscription.add(other)
        storage.delete_instance(id)
        found = await asyncio.wait_for(subscription.next(), 10)
        assert found == (id, Event(2, {"deleted": True}))
        asked = len(storage.asked)
        await aeventually(lambda: len(storage.asked) >= asked + 3)
        storage.add_event(other, {})
        assert await following(subscription, 1) == [(other, 2)]
        await subscription.aclose()

    async def test_one_that_is_made_again(self, storage: Polled) -> None:
        scenario = Scenario(storage, task("a"))
        for _ in range(3):
            storage.add_event(scenario.id, {})
        subscription = storage.subscribe()
        await subscription.add(scenario.id)
        storage.delete_instance(scenario.id)
        assert await following(subscription, 1) == [(scenario.id, 5)]
        Scenario(storage, task("a"), instance_id=scenario.id)
        storage.add_event(scenario.id, {})
        assert await following(subscription, 2) == [(scenario.id, 1), (scenario.id, 2)]
        await subscription.aclose()

    async def test_deleted_unseen_and_made_again(self, storage: Polled) -> None:
        scenario = Scenario(storage, task("a"))
        for _ in range(3):
            storage.add_event(scenario.id, {})
        subscription = storage.subscribe(prompt=(prompt := Prompt()))
        await subscription.add(scenario.id)
        storage.delete_instance(scenario.id)
        Scenario(storage, task("a"), instance_id=scenario.id)
        prompt.queue.put_nowait((scenario.id, None))
        assert await following(subscription, 1) == [(scenario.id, None)]
        storage.add_event(scenario.id, {})
        prompt.queue.put_nowait((scenario.id, Event(2, {})))
        assert await following(subscription, 1) == [(scenario.id, 2)]
        await subscription.aclose()

    async def test_events_that_are_no_longer_kept(self, storage: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
        scenario = Scenario(storage, task("a"))
        subscription = storage.subscribe(prompt=(prompt := Prompt()))
        await subscription.add(scenario.id)
        for _ in range(5):
            storage.add_event(scenario.id, {})
        for _ in range(4):
            storage._states[scenario.id].events.popleft()
        prompt.queue.put_nowait((scenario.id, None))
        assert await following(subscription, 1) == [(scenario.id, None)]
        storage.add_event(scenario.id, {})
        prompt.queue.put_nowait((scenario.id, None))
        assert await following(subscription, 1) == [(scenario.id, 7)]
        await subscription.aclose()

    async def test_more_than_the_reader_takes(self, storage: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inbox, "QUEUE_LIMIT", 3)
        scenario = Scenario(storage, task("a"))
        subscription = storage.subscribe()
        await subscription.add(scenario.id)
        for _ in range(8):
            storage.add_event(scenario.id, {})
        await aeventually(lambda: subscription._watched[scenario.id].known == 9)
        assert await following(subscription, 4) == [(scenario.id, seq) for seq in (2, 3, 4, None)]
        storage.add_event(scenario.id, {})
        assert await following(subscription, 1) == [(scenario.id, 10)]
        await subscription.aclose()


class TestStorageAway:
    async def test_while_one_is_added(self, storage: Polled, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "jobs_flow.storage")
        id = Scenario(storage, task("a")).id
        storage.away = True
        subscription = storage.subscribe()
        await asyncio.wait_for(subscription.add(id), 5)
        storage.away = False
        assert await following(subscription, 1) == [(id, None)]
        storage.add_event(id, {})
        assert await following(subscription, 1) == [(id, 2)]
        await subscription.aclose()
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]

    async def test_while_it_watches(self, storage: Polled) -> None:
        id = Scenario(storage, task("a")).id
        subscription = storage.subscribe()
        await subscription.add(id)
        storage.away = True
        storage.add_event(id, {})
        storage.away = False
        assert await following(subscription, 1) == [(id, 2)]
        await subscription.aclose()

    async def test_closing_does_not_wait_for_it(self, storage: Polled) -> None:
        blocked, entered = threading.Event(), threading.Event()

        def latest(ids: Sequence[str]) -> dict[str, int | None]:
            entered.set()
            blocked.wait(10)
            return dict.fromkeys(ids, 1)

        subscription = PollingSubscription(latest, storage.events)
        adding = asyncio.create_task(subscription.add("a"))
        await asyncio.to_thread(entered.wait, 10)
        await asyncio.wait_for(subscription.aclose(), 5)
        await asyncio.wait_for(adding, 5)
        blocked.set()


class TestPrompt:
    async def test_brings_events_without_asking(self, storage: Polled) -> None:
        id = Scenario(storage, task("a")).id
        subscription = storage.subscribe(prompt=(prompt := Prompt()))
        await subscription.add(id)
        assert prompt.watched == {id}
        asked = len(storage.asked)
        for seq in (2, 3):
            prompt.queue.put_nowait((id, Event(seq, {})))
        assert await following(subscription, 2) == [(id, 2), (id, 3)]
        assert (len(storage.asked), storage.reads) == (asked, [])
        await subscription.remove(id)
        assert prompt.watched == set()
        await subscription.aclose()
        assert prompt.closed

    async def test_any_order_with_gaps_and_duplicates(self, storage: Polled) -> None:
        id = Scenario(storage, task("a")).id
        subscription = storage.subscribe(prompt=(prompt := Prompt()))
        await subscription.add(id)
        for number in range(2, 20):
            storage.add_event(id, {"number": number})
        for seq in (3, 2, 3, 7, 7, 1, 19, 4, 12):
            prompt.queue.put_nowait((id, Event(seq, {"number": seq})))
        assert await following(subscription, 18) == [(id, seq) for seq in range(2, 20)]
        assert subscription._queue.empty()
        await subscription.aclose()

    async def test_what_it_loses_is_found_and_it_is_doubted_for_a_while(self, storage: Polled) -> None:
        id = Scenario(storage, task("a")).id
        subscription = storage.subscribe(prompt=Prompt(), prompt_interval=0.05)
        await subscription.add(id)
        storage.add_event(id, {})
        assert await following(subscription, 1) == [(id, 2)]
        # Said when all that was read is handed on, which the reader need not wait for.
        await aeventually(lambda: subscription._doubted_until > asyncio.get_running_loop().time())
        await subscription.aclose()

    async def test_one_that_is_slow_to_add_holds_nobody_up(
        self, storage: Polled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "PROMPT_IN", 0.01)
        ids = [Scenario(storage, task("a")).id for _ in range(3)]
        subscription = storage.subscribe(prompt=(prompt := Prompt()))
        prompt.gate.clear()
        for id in ids:
            await asyncio.wait_for(subscription.add(id), 5)
            # Before it listens: only asking again finds this.
            storage.add_event(id, {})
        prompt.gate.set()
        assert sorted(await following(subscription, 3)) == sorted((id, 2) for id in ids)
        await subscription.aclose()

    async def test_one_that_breaks_is_done_without(self, storage: Polled) -> None:
        id = Scenario(storage, task("a")).id
        subscription = storage.subscribe(prompt=(prompt := Prompt()))
        await subscription.add(id)
        prompt.queue.put_nowait(("broken", None))
        storage.add_event(id, {})
        assert await following(subscription, 1) == [(id, 2)]
        await subscription.aclose()

    async def test_events_while_it_is_asked_for_the_latest(self, storage: Polled) -> None:
        """One that comes while the answer, which does not know of it, is on its way."""
        id = Scenario(storage, task("a")).id
        prompt = Prompt()
        loop = asyncio.get_running_loop()
        rounds = itertools.count(2)

        def latest(ids: Sequence[str]) -> dict[str, int | None]:
            found = storage.latest(ids)
            if (number := next(rounds)) < 6:
                storage.add_event(id, {})
                loop.call_soon_threadsafe(prompt.queue.put_nowait, (id, Event(number, {})))
            return found

        subscription = PollingSubscription(latest, storage.read, prompt=prompt, prompt_interval=0.01)
        await subscription.add(id)
        assert await following(subscription, 4) == [(id, seq) for seq in (2, 3, 4, 5)]
        await subscription.aclose()

    async def test_conforms(self, storage: Polled) -> None:
        scenario = Scenario(storage, task("a"))
        subscription = storage.subscribe(prompt=Prompt(), prompt_interval=0.01)
        await subscription.add(scenario.id)
        scenario.start()
        assert await receive(storage, subscription, {scenario.id: 1}, 1) == [
            (scenario.id, 2, {"run": 1, "reset": True})
        ]
        await subscription.aclose()


class Waiter:
    """A clock that sleeping moves."""

    def __init__(self, answers: Iterator[int | None]) -> None:
        self.answers = answers
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def wait(self, since: int, timeout: float) -> bool:
        latest: Callable[[], int | None] = self.answers.__next__
        return wait(latest, since, timeout, clock=lambda: self.now, sleep=self.sleep)


class TestWait:
    @pytest.mark.parametrize(
        ("answers", "news"),
        [
            pytest.param([2], True, id="at once"),
            pytest.param([1, 1, 1, 2], True, id="later"),
            pytest.param([None, None, 1, 2], True, id="made meanwhile"),
            pytest.param([1, None], True, id="gone meanwhile"),
            pytest.param([], False, id="nothing"),
        ],
    )
    def test_ends(self, answers: list[int | None], news: bool) -> None:
        waiter = Waiter(itertools.chain(answers, itertools.repeat(1) if not answers else ()))
        assert waiter.wait(1, 30) is news

    def test_pauses_grow_and_end_with_the_time(self) -> None:
        waiter = Waiter(itertools.repeat(None))
        assert waiter.wait(0, 3.0) is False
        assert waiter.pauses[0] == live.PAUSES[0]
        assert max(waiter.pauses) == live.PAUSES[1]
        assert waiter.now == pytest.approx(3.0)

    def test_asks_once_without_time(self) -> None:
        assert Waiter(iter([5])).wait(4, 0) is True
        assert Waiter(iter([4])).wait(4, 0) is False
