"""DynamoDB on bad days: throttled, slow, half done, its answers lost; nothing is missed, and nothing done twice."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3.session
import pytest
from botocore.retries import standard

from jobs_flow.errors import InstanceExists, StorageUnavailable
from jobs_flow.storages.dynamodb import DynamoStorage, items, unit
from jobs_flow.storages.records import Due, Event, Grip, Hold, Loss, Queued
from jobs_flow.testing.scenario import LEASE, Scenario, cancelled, ok, pass_time, task
from jobs_flow.workflows.selection import select_all
from tests.support.eventually import eventually
from tests.support.processes import free_port
from tests.support.proxy_dynamodb import (
    Failing,
    Fault,
    FaultyProxy,
    Losing,
    LosingEach,
    Partial,
    Refusing,
    Slow,
    Straggling,
    Unsaid,
)
from tests.support.servers_dynamodb import fresh


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver tries again without waiting, and reads its files once."""
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0.001)
    monkeypatch.setattr(boto3.session, "Session", _session)


_session = functools.cache(boto3.session.Session)


@pytest.fixture
def proxy(dynamodb_url: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(parse_qs(urlsplit(dynamodb_url).query)["endpoint"][0])
    yield proxy
    proxy.close()


@pytest.fixture
def url(proxy: FaultyProxy, dynamodb_url: str) -> str:
    """Of an empty storage behind the proxy."""
    before, _, _ = dynamodb_url.partition("&endpoint=")
    return fresh(f"{before}&endpoint={quote(proxy.endpoint, safe='')}")


@pytest.fixture
def storage(url: str) -> Iterator[DynamoStorage]:
    storage = DynamoStorage(url)
    yield storage
    storage.close()


WIDE = task("a", *(task(f"t{n:02}") for n in range(8)))
ALL = [Partial(), Slow(0.004), Refusing(0.1), Straggling(), Losing(0.1)]


class TestARunOnABadDay:
    @pytest.mark.parametrize(
        "faults",
        [[Refusing(0.3)], [Partial(), Slow(0.01)], [Losing(0.2)], [Straggling(reads=2)], ALL],
        ids=["refusing", "partial", "losing", "straggling", "all"],
    )
    def test_ends_once_with_all_that_was_done(
        self, proxy: FaultyProxy, storage: DynamoStorage, faults: list[Fault]
    ) -> None:
        scenario = Scenario(storage, WIDE, task("b"))
        scenario.start()
        with proxy.having(*faults):
            self._work_off(scenario)
        assert set(scenario.statuses.values()) == {"ok"}
        for path in scenario.plan.nodes:
            assert scenario.task(path)["attempt"] == 1
            assert storage.get_logs(scenario.id, [path]) == {path: [f"did {path}"]}
        events = scenario.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        # created, started, and of each task a claim and its end
        assert len(events) == 2 + 2 * len(scenario.plan.nodes)
        assert scenario.instance.status == "done"
        assert storage.lanes() == []

    @staticmethod
    def _work_off(scenario: Scenario) -> None:
        ended: list[str] = []

        def work(number: int) -> None:
            order = random.Random(number)
            while scenario_goes_on():
                for path in order.sample(sorted(scenario.plan.nodes), len(scenario.plan.nodes)):
                    token = f"{number} {path}"
                    claim = patiently(lambda path=path, token=token: scenario.claim(path, token))
                    if claim.state != "granted":
                        continue
                    outcome = ok(path, path, logs=[f"did {path}"])
                    done = patiently(
                        lambda path=path, outcome=outcome, token=token: scenario.complete(path, outcome, token)
                    )
                    assert done.recorded, path
                    ended.extend([done.finished] if done.finished else [])

        def scenario_goes_on() -> bool:
            return patiently(lambda: scenario.instance.status) == "working"

        def patiently(call: Callable[[], Any]) -> Any:
            for _ in range(10):
                try:
                    return call()
                except StorageUnavailable:
                    continue
            return call()

        with ThreadPoolExecutor(4) as pool:
            for each in [pool.submit(work, number) for number in range(4)]:
                each.result()
        assert ended == ["done"]


class StragglingUntilAsked(Straggling):
    """Under way until somebody asks for one of its items, however late that is, and a moment longer."""

    def _old(self, key: str, count: bool = False) -> tuple[dict[str, Any] | None] | None:
        old = super()._old(key, count)
        if old is not None:
            soon = time.monotonic() + 0.1
            self._before = {each: (item, reads, min(end, soon)) for each, (item, reads, end) in self._before.items()}
        return old


class TestATransactionThatIsBeingWritten:
    """Its items may be read half: what a transition is decided by must not be."""

    def test_an_input_is_as_new_as_the_task_that_it_made_queued(
        self, proxy: FaultyProxy, storage: DynamoStorage
    ) -> None:
        straggling = StragglingUntilAsked(reads=3, seconds=60)
        with proxy.having(straggling):
            scenario = Scenario(storage, task("a"), task("b"), task("c"))
            scenario.start()
            for path, before in (("#.a", None), ("#.b", "#.a"), ("#.c", "#.b")):
                claim = scenario.claim(path, inputs=[] if before is None else [before])
                assert claim.state == "granted"
                if before is not None:
                    assert claim.inputs[before].value == f'"{before}"'
                assert scenario.complete(path, ok(path, path)).recorded
            snapshot = scenario.snapshot
        assert {view["status"] for view in snapshot.tasks.values()} == {"ok"}
        assert straggling.torn

    def test_a_snapshot_has_all_of_the_event_that_it_ends_with(
        self, proxy: FaultyProxy, storage: DynamoStorage
    ) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        straggling = Straggling(reads=1, seconds=10)
        with proxy.having(straggling):
            scenario.claim("#.a")
            snapshot = scenario.snapshot
        assert (snapshot.seq, snapshot.tasks["#.a"]["status"]) == (3, "running")
        assert straggling.torn


class TestALostAnswer:
    """Of every request the first answer is lost: what is told is what happened, and that only once."""

    @pytest.fixture
    def losing(self, proxy: FaultyProxy) -> LosingEach:
        losing = LosingEach()
        proxy.faults = [losing]
        return losing

    def test_every_transition_is_made_once_and_answered(self, losing: LosingEach, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), instance_id="i", key="k")
        with pytest.raises(InstanceExists):
            Scenario(storage, task("a"), instance_id="i")
        with pytest.raises(InstanceExists):
            Scenario(storage, task("a"), instance_id="j", key="k")
        assert scenario.start().run == 1
        assert scenario.claim("#.a").attempt == 1
        say = {"token": "token", "lines": ["once"]}
        assert storage.append_logs("i", "#.a", 1, **say) is Grip.HELD
        assert storage.set_progress("i", "#.a", 1, token="token", value=0.5, text="x") is Grip.HELD
        assert storage.add_event("i", {"error": {}}) == 6
        done = scenario.complete("#.a", ok("#.a", 1))
        assert (done.recorded, done.queued) == (True, ("#.b",))
        scenario.claim("#.b")
        done = scenario.complete("#.b", ok("#.b", 2))
        assert (done.recorded, done.finished) == (True, "done")
        assert storage.get_logs("i", ["#.a"]) == {"#.a": ["once"]}
        assert [event.seq for event in storage.events("i", 0) or []] == list(range(1, 10))
        assert losing.lost > 20

    def test_an_attempt_is_given_up_and_lost_once(self, losing: LosingEach, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", "1")
        done = scenario.retry("#.a", delay=LEASE, token="1")
        assert (done.recorded, done.queued, done.seq) == (True, (), scenario.instance.seq)
        assert storage.release(scenario.id, "#.a", 1) is True
        assert storage.release(scenario.id, "#.a", 1) is False
        scenario.claim("#.a", "2")
        assert scenario.lose("#.a", "2") is Loss.REQUEUED
        assert scenario.lose("#.a", "2") is Loss.REFUSED
        scenario.claim("#.a", "3")
        assert scenario.lose("#.a", "3", max_losses=1) is Loss.POISONED
        assert [attempt["status"] for attempt in scenario.attempts("#.a")] == ["failed", "lost"]
        # created, started, 3 claims, a retry, a release, 2 losses
        assert [event.seq for event in scenario.events()] == list(range(1, 10))

    def test_an_instance_is_changed_once(self, losing: LosingEach, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, task("a"), key="k")
        assert scenario.start(call="by name").run == 1
        assert storage.pause(scenario.id, True).paused
        asked = storage.cancel(scenario.id, "#", undo=True)
        assert asked is not None
        assert (asked.cancelled, asked.undo) == (("#",), "wanted")
        assert scenario.complete("#.a", cancelled(), None).finished == "cancelled"
        assert storage.reset(scenario.id, ["#.a"]).status == "inactive"
        assert len(scenario.attempts("#.a")) == 1
        new = dataclasses.replace(scenario.new, data="other")
        updated = storage.update_instance(new, revision=1)
        assert updated is not None
        assert updated.revision == 2
        assert storage.update_instance(new, revision=1) is None
        assert scenario.start().run == 2
        assert storage.revert_run(scenario.id, 2, {"code": "X", "message": "x"}) is True
        assert scenario.instance.seq == 9

    @pytest.mark.parametrize("key", [None, "k"])
    def test_who_deletes_is_told_what_was_there(
        self, losing: LosingEach, storage: DynamoStorage, key: str | None
    ) -> None:
        scenario = Scenario(storage, task("a"), key=key)
        last = storage.delete_instance(scenario.id)
        assert last is not None
        assert last.key == key
        assert storage.delete_instance(scenario.id) is None
        assert storage.events(scenario.id, 1) == [Event(2, {"deleted": True})]
        assert storage.find_key("scenario", "k") is None
        assert storage.create_instance(scenario.new).seq == 1

    def test_what_was_done_is_undone_once(self, losing: LosingEach, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.b")
        assert storage.set_updaters(scenario.id, "#.a", '[{"$unset": "x"}]') is True
        assert storage.begin_undo(scenario.id, ["#.a", "#.b"]) == (2, 8)
        call: dict[str, Any] = {"token": "token", "worker": "worker", "lease": LEASE}
        for path, more, finished in (("#.b", True, None), ("#.a", False, "cancelled")):
            claim = storage.claim_undo(scenario.id, 2, **call)
            assert (claim.state, claim.path, claim.losses) == ("granted", path, 0)
            undone = storage.end_undo(scenario.id, 2, path, token="token", error=None)
            assert (undone.recorded, undone.more, undone.finished) == (True, more, finished)
            assert len(scenario.attempts(path)) == 1
        assert [event.seq for event in scenario.events()] == list(range(1, 13))

    def test_whoever_looks_after_others_is_answered(self, losing: LosingEach, storage: DynamoStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        assert storage.elect("recovery", "me", LEASE) is True
        assert storage.elect("recovery", "you", LEASE) is False
        storage.resign("recovery", "me")
        assert storage.elect("recovery", "you", LEASE) is True
        pass_time()
        assert eventually(lambda: storage.overdue("", grace=0, drained=True)) == [Queued(scenario.id, "#.a", 1)]
        scenario.claim("#.a", lease=0)
        pass_time()
        assert scenario.renew("#.a", lease=0) == [Grip.HELD]
        pass_time()
        assert eventually(lambda: [due.kind for due in scenario.due()]) == ["lease"]
        assert storage.add_body(scenario.id, "body") is True
        storage.write_chunk(scenario.id, "body", 0, b"x")
        assert storage.read_chunk(scenario.id, "body", 0) == b"x"
        storage.remove_bodies(scenario.id, ["body"])
        assert storage.list_bodies(scenario.id) == []

    def test_a_large_change_is_made_once(
        self, losing: LosingEach, storage: DynamoStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs_flow.storages.dynamodb.writes.MOST_ITEMS", 5)
        monkeypatch.setattr("jobs_flow.storages.dynamodb.redo.BATCH", 3)
        scenario = Scenario(storage, WIDE)
        scenario.start()
        assert len(scenario.do("#.a").queued) == 8
        pass_time()
        # Without an event: only the header is committed.
        given = storage.overdue("", grace=0, drained=True)
        assert len(given) == 8
        assert [scenario.task(each.path)["status"] for each in given] == ["queued"] * 8
        assert storage.overdue("", grace=LEASE, drained=True) == []


class TestATransactionOfWhichNobodyIsTold:
    """It was written, but each answer says that it is under way: whoever looks again finds its own hand."""

    def test_what_was_written_is_not_written_again(
        self, proxy: FaultyProxy, storage: DynamoStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs_flow.storages.dynamodb.writes.MOST_ITEMS", 5)
        with proxy.having(Unsaid()):
            scenario = Scenario(storage, WIDE, key="k")
            assert scenario.start() == (1, 2)
            assert storage.add_event(scenario.id, {"error": {}}) == 3
            assert scenario.claim("#.a").attempt == 1
            assert len(scenario.complete("#.a", ok("#.a")).queued) == 8
        with proxy.having(Unsaid()):
            last = storage.delete_instance(scenario.id)
        assert last is not None
        assert last.seq == 5
        assert storage.events(scenario.id, 5) == [Event(6, {"deleted": True})]


CALLS: dict[str, Callable[[DynamoStorage, Scenario], Any]] = {
    "create_instance": lambda s, i: s.create_instance(dataclasses.replace(i.new, id="other", key="k")),
    "get_instance": lambda s, i: s.get_instance(i.id),
    "get_instances": lambda s, i: s.get_instances([i.id, "nobody"]),
    "list_ids": lambda s, i: s.list_ids(after=i.id),
    "list_ids of a realm": lambda s, i: s.list_ids(realm="x"),
    "get_tree": lambda s, i: s.get_tree(i.id),
    "find_key": lambda s, i: s.find_key("scenario", "k"),
    "update_instance": lambda s, i: s.update_instance(i.new, revision=1),
    "delete_instance": lambda s, i: s.delete_instance(i.id),
    "ping": lambda s, i: s.ping(),
    "start_run": lambda s, i: s.start_run(i.id, select_all(i.plan)),
    "revert_run": lambda s, i: s.revert_run(i.id, 1, {}),
    "cancel": lambda s, i: s.cancel(i.id, "#"),
    "pause": lambda s, i: s.pause(i.id, True),
    "reset": lambda s, i: s.reset(i.id, ["#.a"]),
    "claim": lambda s, i: i.claim("#.a"),
    "grip": lambda s, i: i.grip("#.a"),
    "renew": lambda s, i: i.renew("#.a", "#"),
    "complete": lambda s, i: i.complete("#.a", ok("#.a")),
    "retry": lambda s, i: i.retry("#.a"),
    "release": lambda s, i: s.release(i.id, "#.a", 1),
    "lose": lambda s, i: i.lose("#.a"),
    "set_updaters": lambda s, i: s.set_updaters(i.id, "#.a", "[]"),
    "set_progress": lambda s, i: s.set_progress(i.id, "#.a", 1, token="token", value=0.1, text=None),
    "append_logs": lambda s, i: s.append_logs(i.id, "#.a", 1, token="token", lines=["x"]),
    "add_event": lambda s, i: s.add_event(i.id, {}),
    "get_inputs": lambda s, i: s.get_inputs(i.id, ["#.a"]),
    "begin_undo": lambda s, i: s.begin_undo(i.id, ["#.a"]),
    "claim_undo": lambda s, i: s.claim_undo(i.id, 1, token="token", worker="w", lease=1),
    "end_undo": lambda s, i: s.end_undo(i.id, 1, "#.a", token="token", error=None),
    "elect": lambda s, i: s.elect("recovery", "me", 1),
    "resign": lambda s, i: s.resign("recovery", "me"),
    "due": lambda s, i: s.due(),
    "next_due": lambda s, i: s.next_due(),
    "settle": lambda s, i: s.settle(Due("failed", i.id, "#.a", 1, None)),
    "postpone": lambda s, i: s.postpone(Due("failed", i.id, "#.a", 1, None), 1),
    "lanes": lambda s, i: s.lanes(),
    "overdue": lambda s, i: s.overdue("", grace=0, drained=True),
    "snapshot": lambda s, i: s.snapshot(i.id),
    "get_task": lambda s, i: s.get_task(i.id, "#.a"),
    "get_figures": lambda s, i: s.get_figures(i.id, ["#.a"], ["status"]),
    "get_attempts": lambda s, i: s.get_attempts(i.id, "#.a"),
    "get_logs": lambda s, i: s.get_logs(i.id, ["#.a"]),
    "events": lambda s, i: s.events(i.id, 0),
    "wait_events": lambda s, i: s.wait_events(i.id, 5, 1),
    "latest": lambda s, i: s.latest([i.id]),
    "add_body": lambda s, i: s.add_body(i.id, "b"),
    "write_chunk": lambda s, i: s.write_chunk(i.id, "b", 0, b"x"),
    "read_chunk": lambda s, i: s.read_chunk(i.id, "b", 0),
    "list_bodies": lambda s, i: s.list_bodies(i.id),
    "remove_bodies": lambda s, i: s.remove_bodies(i.id, ["b"]),
    "renew none but the undoing": lambda s, i: s.renew([Hold(i.id, "#", 1)], holder="t", lease=1),
}
#: Answered without asking anybody, or about no records.
LOCAL = {"new_id", "now", "cautions", "close", "subscribe"}


class TestATableThatCannotBeUsed:
    def test_every_public_method_is_called(self) -> None:
        public = {
            name for name in dir(DynamoStorage) if not name.startswith("_") and callable(getattr(DynamoStorage, name))
        }
        assert public - LOCAL <= set(CALLS)

    @pytest.mark.parametrize(
        "fault",
        [
            Failing("ResourceNotFoundException"),
            Failing("AccessDeniedException"),
            Failing("ExpiredTokenException"),
            Failing("ValidationException"),
            Failing("InternalServerError", 500),
            Refusing(),
        ],
        ids=["missing", "denied", "expired", "invalid", "500", "refusing"],
    )
    def test_no_error_of_the_driver_gets_out(
        self, proxy: FaultyProxy, storage: DynamoStorage, monkeypatch: pytest.MonkeyPatch, fault: Fault
    ) -> None:
        monkeypatch.setattr(items, "PATIENCE", 0.02)
        monkeypatch.setattr(unit, "PATIENCE", 0.02)
        scenario = Scenario(storage, task("a"))
        scenario.start()
        with proxy.having(fault):
            for name, call in CALLS.items():
                with pytest.raises(StorageUnavailable) as raised:
                    call(storage, scenario)
                assert json.dumps(raised.value.to_wire()), name

    def test_nobody_listens(self, url: str) -> None:
        there = DynamoStorage(url)
        scenario = Scenario(there, task("a"))
        there.close()
        nowhere = f"http://127.0.0.1:{free_port()}"
        storage = scenario.storage = DynamoStorage(
            f"{url.partition('&endpoint=')[0]}&endpoint={quote(nowhere, safe='')}"
        )
        for call in CALLS.values():
            with pytest.raises(StorageUnavailable):
                call(storage, scenario)
        storage.close()
