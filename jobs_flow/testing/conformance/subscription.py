"""Live events for an event loop, as a relay uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from jobs_flow.storages.base import Storage, Subscription
from jobs_flow.testing.scenario import Scenario, ok, task

Test = Callable[[Any, Storage], None]


def subscribed(test: Callable[[Any, Storage, Subscription], Awaitable[None]]) -> Test:
    """A test that runs in an event loop of its own, with a subscription: it asks for no plugin of pytest."""

    def run(self: Any, storage: Storage) -> None:
        async def subscribe() -> None:
            async with aclosing(storage.subscribe()) as subscription:
                await test(self, storage, subscription)

        asyncio.run(subscribe())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def receive(storage: Storage, subscription: Subscription, after: dict[str, int], count: int) -> list[Any]:
    """``(instance id, seq, data)`` of the next events; gaps are filled from the stream, as a subscription asks for."""
    received: list[Any] = []
    while len(received) < count:
        instance_id, event = await asyncio.wait_for(subscription.next(), 10)
        known = after[instance_id]
        if event is not None and event.seq <= known:
            continue
        if event is not None and event.seq == known + 1:
            news = [event]
        else:
            missed = await asyncio.to_thread(storage.events, instance_id, known)
            news = missed or []
        received += [(instance_id, event.seq, dict(event.data)) for event in news]
        after[instance_id] = known + len(news)
    return received


class TestSubscription:
    @subscribed
    async def test_events_after_add(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)
        scenario.start()
        storage.add_event(scenario.id, {"error": {"é": []}})
        assert await receive(storage, subscription, {scenario.id: 1}, 2) == [
            (scenario.id, 2, {"run": 1, "reset": True}),
            (scenario.id, 3, {"error": {"é": []}}),
        ]

    @subscribed
    async def test_every_kind_of_transition(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)

        def write() -> None:
            scenario.start()
            storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"})
            scenario.start()
            scenario.claim("#.a")
            storage.set_progress(scenario.id, "#.a", 2, token="token", value=0.5, text=None)
            storage.append_logs(scenario.id, "#.a", 2, token="token", lines=["line"])
            scenario.complete("#.a", ok("#.a"))
            storage.add_event(scenario.id, {"error": {}})

        await asyncio.to_thread(write)
        received = await receive(storage, subscription, {scenario.id: 1}, 8)
        stored = [(scenario.id, event.seq, dict(event.data)) for event in scenario.events(1)]
        assert received == stored

    @subscribed
    async def test_while_waiting_and_from_another_thread(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)
        waiting = asyncio.create_task(receive(storage, subscription, {scenario.id: 1}, 1))
        # Lets the task reach its wait: the writer runs in another thread and wakes the loop from there.
        await asyncio.sleep(0)
        await asyncio.to_thread(storage.add_event, scenario.id, {"number": 2})
        assert await waiting == [(scenario.id, 2, {"number": 2})]

    @subscribed
    async def test_in_order_from_many_threads(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)
        writes = [asyncio.to_thread(storage.add_event, scenario.id, {"number": number}) for number in range(50)]
        await asyncio.gather(*writes)
        received = await receive(storage, subscription, {scenario.id: 1}, 50)
        assert [seq for _, seq, _ in received] == list(range(2, 52))
        assert sorted(data["number"] for _, _, data in received) == list(range(50))

    @subscribed
    async def test_nothing_later_than_add_goes_unnoticed(self, storage: Storage, subscription: Subscription) -> None:
        scenarios = [await asyncio.to_thread(Scenario, storage, task("a")) for _ in range(20)]
        for scenario in scenarios:
            await subscription.add(scenario.id)
            storage.add_event(scenario.id, {"error": {}})
        received = await receive(storage, subscription, {scenario.id: 1 for scenario in scenarios}, 20)
        assert sorted(instance_id for instance_id, _, _ in received) == sorted(s.id for s in scenarios)

    @subscribed
    async def test_nothing_goes_unnoticed_of_many_added_at_once(
        self, storage: Storage, subscription: Subscription
    ) -> None:
        scenarios = [await asyncio.to_thread(Scenario, storage, task("a")) for _ in range(20)]
        await asyncio.gather(*(subscription.add(scenario.id) for scenario in scenarios))
        for scenario in scenarios:
            storage.add_event(scenario.id, {"error": {}})
        received = await receive(storage, subscription, {scenario.id: 1 for scenario in scenarios}, 20)
        assert sorted(instance_id for instance_id, _, _ in received) == sorted(s.id for s in scenarios)

    @subscribed
    async def test_one_is_removed_while_others_are_added(self, storage: Storage, subscription: Subscription) -> None:
        one, two, three = [await asyncio.to_thread(Scenario, storage, task("a")) for _ in range(3)]
        await asyncio.gather(
            subscription.add(one.id), subscription.remove(one.id), subscription.add(two.id), subscription.add(three.id)
        )
        for scenario in (one, two, three):
            storage.add_event(scenario.id, {"error": {}})
        received = await receive(storage, subscription, {two.id: 1, three.id: 1}, 2)
        assert sorted(instance_id for instance_id, _, _ in received) == sorted((two.id, three.id))

    @subscribed
    async def test_an_instance_that_is_created_later(self, storage: Storage, subscription: Subscription) -> None:
        later = storage.new_id()
        await subscription.add(later)
        await asyncio.to_thread(Scenario, storage, task("a"), instance_id=later)
        assert await receive(storage, subscription, {later: 0}, 1) == [(later, 1, {"run": 0, "reset": True})]

    @subscribed
    async def test_remove(self, storage: Storage, subscription: Subscription) -> None:
        one = await asyncio.to_thread(Scenario, storage, task("a"))
        two = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(one.id)
        await subscription.add(two.id)
        await subscription.remove(one.id)
        one.start()
        two.start()
        assert await receive(storage, subscription, {two.id: 1}, 1) == [(two.id, 2, {"run": 1, "reset": True})]

    @subscribed
    async def test_add_again(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)
        await subscription.remove(scenario.id)
        scenario.start()
        await subscription.add(scenario.id)
        storage.add_event(scenario.id, {"number": 3})
        assert await receive(storage, subscription, {scenario.id: 2}, 1) == [(scenario.id, 3, {"number": 3})]

    @subscribed
    async def test_remove_of_what_was_never_added(self, storage: Storage, subscription: Subscription) -> None:
        await subscription.remove("nobody")

    @subscribed
    async def test_two_subscriptions_get_the_same(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        other = storage.subscribe()
        try:
            await subscription.add(scenario.id)
            await other.add(scenario.id)
            scenario.start()
            for each in (subscription, other):
                assert [seq for _, seq, _ in await receive(storage, each, {scenario.id: 1}, 1)] == [2]
            await other.aclose()
            storage.add_event(scenario.id, {"number": 3})
            assert [seq for _, seq, _ in await receive(storage, subscription, {scenario.id: 2}, 1)] == [3]
        finally:
            await other.aclose()

    @subscribed
    async def test_writers_do_not_mind_a_closed_one(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)
        await subscription.aclose()
        assert storage.add_event(scenario.id, {"number": 2}) == 2

    def test_writers_do_not_mind_a_loop_that_is_gone(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))

        async def watch() -> None:
            async with aclosing(storage.subscribe()) as subscription:
                await subscription.add(scenario.id)

        asyncio.run(watch())
        assert storage.add_event(scenario.id, {"number": 2}) == 2

    @subscribed
    async def test_the_end_of_an_instance(self, storage: Storage, subscription: Subscription) -> None:
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        await subscription.add(scenario.id)
        await asyncio.to_thread(storage.delete_instance, scenario.id)
        assert await receive(storage, subscription, {scenario.id: 1}, 1) == [(scenario.id, 2, {"deleted": True})]
