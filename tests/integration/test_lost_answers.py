"""A server that does what it was asked, and whose answer is lost: nothing happens twice, nothing is missed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs_flow.errors import InstanceExists
from jobs_flow.storages import inbox
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event, Grip, Loss, Queued
from jobs_flow.storages.redis import RedisStorage
from jobs_flow.testing.scenario import LEASE, Scenario, cancelled, ok, pass_time, task
from tests.support.eventually import aeventually, eventually
from tests.support.proxy import LosingProxy
from tests.support.servers import Valkey


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[LosingProxy]:
    proxy = LosingProxy(valkey.port)
    yield proxy
    proxy.close()


@pytest.fixture
def storage(proxy: LosingProxy) -> Iterator[RedisStorage]:
    storage = RedisStorage(f"redis://127.0.0.1:{proxy.port}/0")
    storage.ping()
    yield storage
    storage.close()


def with_a_lost_answer(proxy: LosingProxy, call: Callable[[], Any]) -> Any:
    before = proxy.lost
    proxy.lose_next_answer()
    answer = call()
    assert proxy.lost == before + 1
    return answer


def test_every_transition_is_made_once_and_answered(proxy: LosingProxy, storage: Storage) -> None:
    losing = Scenario(storage, task("warm up"))
    scenario = with_a_lost_answer(proxy, lambda: Scenario(storage, task("a"), task("b"), instance_id="i"))
    with pytest.raises(InstanceExists):
        Scenario(storage, task("a"), instance_id="i")
    assert storage.list_ids() == ["i", losing.id]
    assert with_a_lost_answer(proxy, scenario.start).run == 1
    assert with_a_lost_answer(proxy, lambda: scenario.claim("#.a")).attempt == 1
    say = {"token": "token", "lines": ["once"]}
    assert with_a_lost_answer(proxy, lambda: storage.append_logs("i", "#.a", 1, **say)) is Grip.HELD
    progress = {"token": "token", "value": 0.5, "text": "x"}
    assert with_a_lost_answer(proxy, lambda: storage.set_progress("i", "#.a", 1, **progress)) is Grip.HELD
    number = with_a_lost_answer(proxy, lambda: storage.add_event("i", {"error": {}}))
    assert number == 6
    done = with_a_lost_answer(proxy, lambda: scenario.complete("#.a", ok("#.a", 1)))
    assert (done.recorded, done.queued) == (True, ("#.b",))
    scenario.claim("#.b")
    done = with_a_lost_answer(proxy, lambda: scenario.complete("#.b", ok("#.b", 2)))
    assert (done.recorded, done.finished) == (True, "done")
    assert storage.get_logs("i", ["#.a"]) == {"#.a": ["once"]}
    # create, start, claim, log, progress, event, complete, claim, complete
    assert [event.seq for event in storage.events("i", 0) or []] == list(range(1, 10))
    assert storage.snapshot("i").instance.counts["ok"] == 2  # type: ignore[union-attr]


def test_an_attempt_is_given_up_and_lost_once(proxy: LosingProxy, storage: Storage) -> None:
    scenario = Scenario(storage, task("a"))
    scenario.start()
    scenario.claim("#.a", "1")
    done = with_a_lost_answer(proxy, lambda: scenario.retry("#.a", delay=LEASE, token="1"))
    assert (done.recorded, done.queued, done.seq) == (True, (), scenario.instance.seq)
    assert with_a_lost_answer(proxy, lambda: storage.release(scenario.id, "#.a", 1)) is True
    assert storage.release(scenario.id, "#.a", 1) is False
    scenario.claim("#.a", "2")
    done = with_a_lost_answer(proxy, lambda: scenario.retry("#.a", token="2"))
    assert (done.recorded, done.queued) == (True, ("#.a",))
    scenario.claim("#.a", "3")
    assert with_a_lost_answer(proxy, lambda: scenario.lose("#.a", "3")) is Loss.REQUEUED
    assert scenario.lose("#.a", "3") is Loss.REFUSED
    scenario.claim("#.a", "4")
    assert with_a_lost_answer(proxy, lambda: scenario.lose("#.a", "4", max_losses=1)) is Loss.POISONED
    record = scenario.task("#.a")
    assert (record["retries"], record["losses"], record["attempt"]) == (2, 2, 4)
    assert [attempt["status"] for attempt in scenario.attempts("#.a")] == ["failed", "failed", "lost"]
    # create, start, 4 claims, 2 retries, release, 2 losses
    assert [event.seq for event in scenario.events()] == list(range(1, 12))


def test_an_instance_is_changed_once(proxy: LosingProxy, storage: Storage) -> None:
    scenario = Scenario(storage, task("a"), key="k")
    assert with_a_lost_answer(proxy, lambda: scenario.start(call="by name")).run == 1
    assert scenario.start(call="by name").run == 1
    assert with_a_lost_answer(proxy, lambda: storage.pause(scenario.id, True)).paused
    asked = with_a_lost_answer(proxy, lambda: storage.cancel(scenario.id, "#", undo=True))
    assert (asked.cancelled, asked.undo) == (("#",), "wanted")
    done = with_a_lost_answer(proxy, lambda: scenario.complete("#.a", cancelled(), None))
    assert (done.recorded, done.finished) == (True, "cancelled")
    assert with_a_lost_answer(proxy, lambda: storage.reset(scenario.id, ["#.a"])).status == "inactive"
    assert len(scenario.attempts("#.a")) == 1
    new = dataclasses.replace(scenario.new, data="other")
    assert with_a_lost_answer(proxy, lambda: storage.update_instance(new, revision=1)).revision == 2
    assert storage.update_instance(new, revision=1) is None
    # create, start, pause, cancel, complete, reset, update
    assert scenario.instance.seq == 7
    last = with_a_lost_answer(proxy, lambda: storage.delete_instance(scenario.id))
    assert (last.revision, last.seq, last.key) == (2, 7, "k")
    assert storage.delete_instance(scenario.id) is None
    assert storage.events(scenario.id, 7) == [Event(8, {"deleted": True})]
    assert storage.find_key("scenario", "k") is None


def test_what_was_done_is_undone_once(proxy: LosingProxy, storage: Storage) -> None:
    scenario = Scenario(storage, task("a"), task("b"))
    scenario.start()
    scenario.do("#.a")
    scenario.do("#.b")
    updaters = '[{"$unset": "x"}]'
    assert with_a_lost_answer(proxy, lambda: storage.set_updaters(scenario.id, "#.a", updaters)) is True
    begun = with_a_lost_answer(proxy, lambda: storage.begin_undo(scenario.id, ["#.a", "#.b"]))
    assert begun == (2, scenario.instance.seq)
    for path, more, finished in (("#.b", True, None), ("#.a", False, "cancelled")):
        claim = with_a_lost_answer(
            proxy, lambda: storage.claim_undo(scenario.id, 2, token="token", worker="worker", lease=LEASE)
        )
        assert (claim.state, claim.path) == ("granted", path)
        undone = with_a_lost_answer(
            proxy, lambda path=path: storage.end_undo(scenario.id, 2, path, token="token", error=None)
        )
        assert (undone.recorded, undone.more, undone.finished) == (True, more, finished)
        assert len(scenario.attempts(path)) == 1
    # create, start, 2 claims, 2 completes, updaters, begin, 2 claims, 2 ends
    assert [event.seq for event in scenario.events()] == list(range(1, 13))


def test_whoever_looks_after_others_is_answered(proxy: LosingProxy, storage: Storage) -> None:
    scenario = Scenario(storage, task("a"))
    scenario.start()
    assert with_a_lost_answer(proxy, lambda: storage.elect("recovery", "me", LEASE)) is True
    assert storage.elect("recovery", "you", LEASE) is False
    pass_time()
    # Given to nobody the first time, it comes again when the grace has passed: maybe before the call is sent again.
    again = with_a_lost_answer(proxy, lambda: storage.overdue("", grace=1, drained=True))
    again = again or eventually(lambda: storage.overdue("", grace=1, drained=True))
    assert again == [Queued(scenario.id, "#.a", 1)]
    scenario.claim("#.a", lease=0)
    pass_time()
    assert with_a_lost_answer(proxy, lambda: scenario.renew("#.a", lease=0)) == [Grip.HELD]
    pass_time()
    assert [due.kind for due in with_a_lost_answer(proxy, storage.due)] == ["lease"]


def test_a_run_that_was_started_is_reverted_once(proxy: LosingProxy, storage: Storage) -> None:
    scenario = Scenario(storage, task("a"))
    scenario.start()
    with_a_lost_answer(proxy, lambda: storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"}))
    assert scenario.snapshot.instance.status == "inactive"
    assert len(scenario.events()) == 3


async def test_a_reader_slower_than_its_events_is_told_that_it_missed_some(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "QUEUE_LIMIT", 3)
    storage = RedisStorage(valkey.url)
    subscription = storage.subscribe()
    quiet, busy = Scenario(storage, task("a")), Scenario(storage, task("a"))
    await subscription.add(quiet.id)
    await subscription.add(busy.id)
    # To a server that is slow it may still be on its way, and report both once it is there.
    await aeventually(subscription._connected.is_set)
    while subscription._queue.qsize():
        await subscription.next()
    for _ in range(20):
        storage.add_event(busy.id, {"error": {}})
    # Its own connection delivers in order: when this one is here, the others were.
    storage.add_event(quiet.id, {"error": {}})
    await aeventually(lambda: quiet.id in subscription._missed)
    found = [await subscription.next() for _ in range(5)]
    assert [(i, e.seq if e else None) for i, e in found[:3]] == [(busy.id, n) for n in (2, 3, 4)]
    assert sorted(found[3:]) == sorted([(busy.id, None), (quiet.id, None)])
    await subscription.aclose()
    storage.close()
