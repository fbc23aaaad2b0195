"""The relay on real storages: nothing is missed, nothing is told twice, nothing grows without bound."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from jobs_flow.errors import InstanceNotFound, StorageUnavailable
from jobs_flow.storages import MemoryStorage, create_storage
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event, Outcome, Snapshot
from jobs_flow_django.live import relay as relay_module
from jobs_flow_django.live import room as room_module
from jobs_flow_django.live.journal import KEPT
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.relay import get_relay
from tests.support.eventually import aeventually
from tests.support.live import DrivenInstance, Watcher


class FaultyStorage(MemoryStorage):
    """A memory storage whose subscription loses what it is told to lose."""

    def __init__(self) -> None:
        super().__init__()
        self.lose: Callable[[int], bool] = lambda seq: False
        self.forgotten_before = 0
        self.calls: list[str] = []

    def snapshot(self, instance_id: str) -> Snapshot | None:
        self.calls.append("snapshot")
        return super().snapshot(instance_id)

    def events(self, instance_id: str, since: int) -> list[Event] | None:
        self.calls.append("events")
        return None if since < self.forgotten_before else super().events(instance_id, since)

    def subscribe(self) -> Any:
        subscription = super().subscribe()
        deliver = subscription.deliver

        def lossy(instance_id: str, seq: int, text: str) -> bool:
            return True if self.lose(seq) else deliver(instance_id, seq, text)

        subscription.deliver = lossy  # type: ignore[method-assign]
        return subscription


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("storage_url")
    made = create_storage(url)
    yield made
    made.close()


@pytest.fixture
def faulty() -> FaultyStorage:
    return FaultyStorage()


def taken(mailbox: Mailbox) -> list[dict[str, Any]]:
    """What waits in it."""
    return [json.loads(frame) for frame in mailbox.take()]


class Sockets:
    """What consumers do with mailboxes, as fast as they are filled, unless told to be slow."""

    def __init__(self) -> None:
        self.open: dict[Mailbox, Watcher] = {}

    def watch(
        self, storage: Storage, instance_id: str, *, slow: bool = False, **options: Any
    ) -> tuple[Mailbox, Watcher]:
        watcher = Watcher()
        mailbox = Mailbox(instance_id, (lambda mailbox: None) if slow else self.read, **options)
        self.open[mailbox] = watcher
        get_relay(storage).join(mailbox)
        return mailbox, watcher

    def read(self, mailbox: Mailbox) -> None:
        for message in taken(mailbox):
            self.open[mailbox].receive(message)

    async def close(self, storage: Storage, mailbox: Mailbox) -> None:
        del self.open[mailbox]
        await get_relay(storage).leave(mailbox)

    async def close_all(self) -> None:
        for mailbox in list(self.open):
            relay = relay_module._relays.get(asyncio.get_running_loop())
            if relay is not None:
                await relay.leave(mailbox)
        self.open.clear()


@pytest.fixture
async def sockets() -> AsyncIterator[Sockets]:
    made = Sockets()
    yield made
    await made.close_all()
    assert asyncio.get_running_loop() not in relay_module._relays, "a relay was left open"


class TestWatching:
    async def test_begins_with_a_snapshot_and_goes_on_with_events(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start()
        _, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.status == "working")

        assert watcher.types == ["workflowDescription", "setWorkflowStatus", "setTasksStatuses"]
        assert watcher.status_of("#.a") == "queued"

        await asyncio.to_thread(driven.complete)
        await aeventually(lambda: watcher.status == "done")
        assert {watcher.status_of(path) for path in driven.paths} == {"ok"}
        assert watcher.statuses["#.b"]["body"] == {"of": "#.b"}

    async def test_events_are_told_one_by_one_to_who_reads_fast(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage, ["a"]).create().start()
        _, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)
        first = watcher.seq
        await asyncio.to_thread(driven.complete)
        await aeventually(lambda: watcher.status == "done")

        live = watcher.messages[3:]
        assert [message["seq"] for message in live] == [first + 1, first + 2, first + 2]
        assert [message["statuses"]["#.a"]["status"] for message in live[:2]] == ["running", "ok"]

    async def test_a_late_watcher_ends_with_what_an_early_one_knows(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage, ["a", "b", "c", "d"]).create()
        watchers = [sockets.watch(storage, driven.id)[1]]
        await aeventually(lambda: watchers[0].seq)
        await asyncio.to_thread(driven.start)
        for path in driven.paths:
            await asyncio.to_thread(driven.claim, path)
            watchers.append(sockets.watch(storage, driven.id)[1])
            await asyncio.to_thread(driven.log, path, f"working on {path}", "more")
            watchers.append(sockets.watch(storage, driven.id)[1])
            await asyncio.to_thread(driven.progress, path, 0.5, "half")
            await asyncio.to_thread(driven.end, path, {"result": path}, logs=["the end"])
        watchers.append(sockets.watch(storage, driven.id)[1])
        await aeventually(lambda: all(watcher.status == "done" for watcher in watchers))

        assert all(watcher.knowledge == watchers[0].knowledge for watcher in watchers)
        assert watchers[0].logs["#.c"] == ["working on #.c", "more", "the end"]

    async def test_a_new_run_is_told_from_its_start(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start()
        driven.claim("#.a").log("#.a", "of the first run").end("#.a", 1)
        driven.complete("#.b", "#.c")
        _, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.status == "done")
        assert watcher.logs == {"#.a": ["of the first run"]}

        await asyncio.to_thread(driven.start)
        await aeventually(lambda: watcher.status == "working")
        assert [watcher.status_of(path) for path in driven.paths] == ["queued", "inactive", "inactive"]
        assert watcher.statuses["#.a"].get("body") is None
        assert watcher.logs == {}
        assert watcher.instance["run"] == 2

    async def test_a_result_too_large_to_be_shown_is_not_told_as_null(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage, ["a"]).create()
        _, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)
        await asyncio.to_thread(lambda: driven.start().claim("#.a"))
        await aeventually(lambda: watcher.status_of("#.a") == "running")
        await asyncio.to_thread(driven.end, "#.a", "x" * 10_000)
        await aeventually(lambda: watcher.status == "done")
        snapshot = storage.snapshot(driven.id)
        assert snapshot is not None
        assert watcher.statuses == snapshot.tasks
        assert "body" not in watcher.statuses["#.a"]

    async def test_errors_reach_every_watcher(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create()
        watchers = [sockets.watch(storage, driven.id)[1] for _ in range(3)]
        await aeventually(lambda: all(watcher.seq for watcher in watchers))
        error = {"type": "CANNOT_START_TASK", "payload": {"message": "no"}}
        storage.add_event(driven.id, {"error": error})

        await aeventually(lambda: all(watcher.errors == [error] for watcher in watchers))

    async def test_many_instances_share_one_subscription(self, storage: Storage, sockets: Sockets) -> None:
        driven = [DrivenInstance(storage, ["a"]).create() for _ in range(20)]
        watchers = [sockets.watch(storage, instance.id)[1] for instance in driven]
        await aeventually(lambda: all(watcher.seq for watcher in watchers))
        assert get_relay(storage).watched == {instance.id for instance in driven}

        await asyncio.to_thread(lambda: [instance.start().complete() for instance in driven])
        await aeventually(lambda: all(watcher.status == "done" for watcher in watchers))

    async def test_an_unknown_instance_is_refused(self, storage: Storage, sockets: Sockets) -> None:
        mailbox, watcher = sockets.watch(storage, "nobody", ref="r1")
        await aeventually(lambda: mailbox.ended)

        assert watcher.messages == [
            {
                "type": "appError",
                "error": {"code": "INSTANCE_NOT_FOUND", "message": "There is no workflow instance 'nobody'."},
                "id": "nobody",
                "ref": "r1",
            }
        ]

    async def test_an_instance_that_is_deleted_is_the_end(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create()
        mailbox, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)
        _, newcomer = sockets.watch(storage, driven.id)
        await aeventually(lambda: newcomer.seq)
        await asyncio.to_thread(storage.delete_instance, driven.id)

        await aeventually(lambda: mailbox.ended)
        for each in (watcher, newcomer):
            assert each.messages[-2:] == [
                {"type": "setWorkflowStatus", "id": driven.id, "status": "deleted", "seq": 1, "more": True},
                {"type": "workflowDeleted", "id": driven.id},
            ]

    async def test_an_update_is_told_with_the_new_description(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage, ["a", "b"]).create().start().complete()
        _, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.status == "done")
        other = DrivenInstance(storage, ["a", "new"], id=driven.id)
        await asyncio.to_thread(storage.update_instance, other.new, revision=1)

        await aeventually(lambda: "#.new" in watcher.statuses)
        assert [task["path"] for task in watcher.tree] == ["#.a", "#.new"]
        assert (watcher.status_of("#.a"), watcher.status_of("#.new")) == ("ok", "inactive")
        assert "#.b" not in watcher.statuses

    async def test_without_permission_for_results_neither_they_nor_logs_are_told(
        self, storage: Storage, sockets: Sockets
    ) -> None:
        driven = DrivenInstance(storage, ["a", "b"]).create().start().claim("#.a").log("#.a", "secret")
        driven.end("#.a", "secret")
        _, watcher = sockets.watch(storage, driven.id, payload=False)
        await aeventually(lambda: watcher.seq)
        await asyncio.to_thread(lambda: driven.claim("#.b").log("#.b", "secret").end("#.b", "secret"))
        await aeventually(lambda: watcher.status == "done")

        assert "secret" not in str(watcher.messages)
        assert watcher.statuses["#.b"]["bodySize"] == len('"secret"')

    async def test_only_the_end_of_long_logs_is_told_at_first(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start().claim("#.a").log("#.a", *map(str, range(250)))
        mailbox, _ = sockets.watch(storage, driven.id, slow=True)
        messages: list[dict[str, Any]] = []

        def read() -> bool:
            messages.extend(taken(mailbox))
            return bool(messages)

        await aeventually(read)
        [log] = [message for message in messages if message["type"] == "taskLog"]
        assert (log["from"], log["lines"]) == (150, [str(number) for number in range(150, 250)])


class TestComingBack:
    async def test_only_what_was_missed_is_told(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start().complete("#.a")
        mailbox, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)
        await sockets.close(storage, mailbox)
        driven.claim("#.b").log("#.b", "meanwhile").end("#.b", 5)

        _, again = sockets.watch(storage, driven.id, since=watcher.seq, ref=1)
        await aeventually(lambda: "ack" in again.types)
        assert again.types == ["setTasksStatuses", "taskLog", "setWorkflowStatus", "ack"]
        assert set(again.statuses) == {"#.b", "#.c"}
        for message in again.messages:
            watcher.receive(message)

        _, fresh = sockets.watch(storage, driven.id)
        await aeventually(lambda: fresh.seq)
        assert watcher.knowledge == fresh.knowledge

    async def test_nothing_was_missed(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start()
        header = storage.get_instance(driven.id)
        assert header is not None
        _, watcher = sockets.watch(storage, driven.id, since=header.seq, ref=1)
        await aeventually(lambda: "ack" in watcher.types)

        assert watcher.types == ["setWorkflowStatus", "ack"]

    @pytest.mark.parametrize("since", [1, 999_999], ids=["a run began since", "from another life"])
    async def test_everything_is_told_when_that_is_not_enough(
        self, storage: Storage, sockets: Sockets, since: int
    ) -> None:
        driven = DrivenInstance(storage).create().start()
        _, watcher = sockets.watch(storage, driven.id, since=since)
        await aeventually(lambda: watcher.seq)

        assert watcher.types == ["workflowDescription", "setWorkflowStatus", "setTasksStatuses"]

    async def test_everything_is_told_when_what_was_missed_is_no_longer_kept(
        self, faulty: FaultyStorage, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driven = DrivenInstance(faulty).create().start().complete()
        header = faulty.get_instance(driven.id)
        assert header is not None
        monkeypatch.setattr(room_module, "REPLAYED", 3)
        faulty.forgotten_before = header.seq - 3
        _, watcher = sockets.watch(faulty, driven.id, since=2, ref=1)
        await aeventually(lambda: "ack" in watcher.types)

        assert watcher.types[0] == "workflowDescription"
        assert watcher.status == "done"

    async def test_many_events_are_not_told_one_by_one(
        self, storage: Storage, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room_module, "REPLAYED", 5)
        driven = DrivenInstance(storage).create().start().claim("#.a")
        _, watcher = sockets.watch(storage, driven.id, ref=1)
        await aeventually(lambda: "ack" in watcher.types)
        since = watcher.seq
        for number in range(5):
            driven.progress("#.a", number / 10)
        await aeventually(lambda: watcher.seq == since + 5)
        _, soon = sockets.watch(storage, driven.id, since=since, ref=1)
        await aeventually(lambda: "ack" in soon.types)
        driven.progress("#.a", 0.9)
        await aeventually(lambda: watcher.seq == since + 6)
        _, late = sockets.watch(storage, driven.id, since=since, ref=1)
        await aeventually(lambda: "ack" in late.types)
        assert "workflowDescription" not in soon.types
        assert "workflowDescription" in late.types
        assert late.statuses["#.a"]["progress"] == 0.9

    @pytest.mark.parametrize("width", [3, 11], ids=["nothing is folded", "a block is folded"])
    async def test_only_what_was_missed_is_told_unless_a_block_is_folded(
        self, storage: Storage, sockets: Sockets, width: int
    ) -> None:
        driven = DrivenInstance(storage, [f"t{number}" for number in range(width)]).create().start()
        mailbox, watcher = sockets.watch(storage, driven.id, fold=10, ref=1)
        staying, _ = sockets.watch(storage, driven.id)
        await aeventually(lambda: "ack" in watcher.types)
        for path, leaving in (("#.t0", mailbox), ("#.t1", staying)):
            await sockets.close(storage, leaving)
            driven.complete(path)
            back, again = sockets.watch(storage, driven.id, fold=10, since=watcher.seq, ref=1)
            await aeventually(lambda again=again: "ack" in again.types)
            assert ("workflowDescription" in again.types) == (width > 10)
            for message in again.messages:
                watcher.receive(message)
            await sockets.close(storage, back)

        _, fresh = sockets.watch(storage, driven.id, fold=10)
        await aeventually(lambda: fresh.seq)
        assert watcher.knowledge == fresh.knowledge

    async def test_who_was_told_more_by_another_process_is_told_nothing_older(
        self, faulty: FaultyStorage, sockets: Sockets
    ) -> None:
        driven = DrivenInstance(faulty).create().start()
        _, first = sockets.watch(faulty, driven.id)
        await aeventually(lambda: first.seq)
        faulty.lose = lambda seq: True
        driven.complete()
        header = faulty.get_instance(driven.id)
        assert header is not None
        # The room was compared a moment ago, and is behind.
        _, back = sockets.watch(faulty, driven.id, since=header.seq, ref=1)
        await aeventually(lambda: "ack" in back.types)

        assert [message["status"] for message in back.messages if "status" in message] == ["done"]
        assert "workflowDescription" not in back.types


class TestGaps:
    async def test_are_filled_from_the_storage(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty).create().start()
        _, watcher = sockets.watch(faulty, driven.id)
        await aeventually(lambda: watcher.seq)
        first = watcher.seq
        faulty.lose = lambda seq: seq in (first + 2, first + 3)
        driven.complete()
        await aeventually(lambda: watcher.status == "done")

        assert faulty.calls == ["snapshot", "events"]
        assert {watcher.status_of(path) for path in driven.paths} == {"ok"}

    async def test_too_old_to_be_filled_are_bridged_by_a_snapshot(
        self, faulty: FaultyStorage, sockets: Sockets
    ) -> None:
        driven = DrivenInstance(faulty).create().start()
        _, watcher = sockets.watch(faulty, driven.id)
        await aeventually(lambda: watcher.seq)
        first = watcher.seq
        faulty.lose = lambda seq: seq == first + 2
        faulty.forgotten_before = first + 2
        driven.complete()
        await aeventually(lambda: watcher.status == "done")

        assert faulty.calls.count("snapshot") == 2
        assert {watcher.status_of(path) for path in driven.paths} == {"ok"}

    async def test_at_the_end_are_found_by_the_sweep(
        self, faulty: FaultyStorage, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relay_module, "SWEEP_INTERVAL", 0.05)
        driven = DrivenInstance(faulty).create().start()
        _, watcher = sockets.watch(faulty, driven.id)
        await aeventually(lambda: watcher.seq)
        faulty.lose = lambda seq: True
        driven.complete()

        await aeventually(lambda: watcher.status == "done")

    async def test_of_a_whole_run_are_found(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty).create().start().complete()
        _, watcher = sockets.watch(faulty, driven.id)
        await aeventually(lambda: watcher.seq)
        first = watcher.seq
        faulty.lose = lambda seq: seq <= first + 2
        driven.start().complete("#.a")

        await aeventually(lambda: watcher.instance.get("run") == 2 and watcher.status_of("#.b") == "queued")
        assert watcher.status_of("#.c") == "inactive"

    async def test_random_losses_lose_nothing(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        names = [f"t{number}" for number in range(40)]
        driven = DrivenInstance(faulty, names).create().start()
        _, early = sockets.watch(faulty, driven.id)
        await aeventually(lambda: early.seq)
        faulty.lose = lambda seq: seq * 7919 % 3 == 0

        def work() -> None:
            for path in driven.paths:
                driven.claim(path).log(path, "one", "two").end(path, path)

        await asyncio.to_thread(work)
        faulty.lose = lambda seq: False
        faulty.add_event(driven.id, {"error": {"type": "X", "payload": {}}})
        await aeventually(lambda: early.status == "done" and early.errors)
        _, late = sockets.watch(faulty, driven.id)
        await aeventually(lambda: late.seq)

        assert early.knowledge == late.knowledge


class TestNewcomers:
    async def test_that_come_at_once_share_one_snapshot(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty).create().start().complete("#.a")
        watchers = [sockets.watch(faulty, driven.id)[1] for _ in range(100)]
        await aeventually(lambda: all(watcher.seq for watcher in watchers))

        assert faulty.calls == ["snapshot"]

    async def test_are_told_what_the_others_know_without_asking_the_storage(
        self, faulty: FaultyStorage, sockets: Sockets
    ) -> None:
        driven = DrivenInstance(faulty).create().start()
        _, early = sockets.watch(faulty, driven.id)
        await aeventually(lambda: early.seq)
        await asyncio.to_thread(driven.complete)
        await aeventually(lambda: early.status == "done")
        late = [sockets.watch(faulty, driven.id)[1] for _ in range(20)]
        await aeventually(lambda: all(watcher.seq for watcher in late))

        assert faulty.calls == ["snapshot"]
        assert all(watcher.knowledge == early.knowledge for watcher in late)

    async def test_are_not_told_what_is_over_where_the_room_missed_it(
        self, faulty: FaultyStorage, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room_module, "FRESH", 0.0)
        driven = DrivenInstance(faulty).create().start()
        _, early = sockets.watch(faulty, driven.id)
        await aeventually(lambda: early.seq)
        faulty.lose = lambda seq: True
        await asyncio.to_thread(driven.complete)
        _, late = sockets.watch(faulty, driven.id)
        await aeventually(lambda: late.seq)

        assert (late.status, early.status) == ("done", "done")
        assert faulty.calls == ["snapshot", "events"]

    async def test_that_come_back_at_once_ask_once_for_what_they_missed(
        self, faulty: FaultyStorage, sockets: Sockets
    ) -> None:
        driven = DrivenInstance(faulty).create().start().complete()
        header = faulty.get_instance(driven.id)
        assert header is not None
        known = [header.seq - number % 4 for number in range(100)]
        watchers = [sockets.watch(faulty, driven.id, since=since, ref=1)[1] for since in known]
        await aeventually(lambda: all("ack" in watcher.types for watcher in watchers))

        assert faulty.calls == ["snapshot", "events"]
        assert all("workflowDescription" not in watcher.types for watcher in watchers)

    async def test_one_that_was_away_for_long_does_not_cost_the_others_what_they_missed(
        self, faulty: FaultyStorage, sockets: Sockets
    ) -> None:
        driven = DrivenInstance(faulty).create().start().complete("#.a", "#.b")
        header = faulty.get_instance(driven.id)
        assert header is not None
        _, old = sockets.watch(faulty, driven.id, since=1)
        _, recent = sockets.watch(faulty, driven.id, since=header.seq - 1, ref=1)
        await aeventually(lambda: old.seq and recent.seq)

        assert "workflowDescription" in old.types
        assert recent.types == ["setTasksStatuses", "setWorkflowStatus", "ack"]


class TestTasksThatRunAgain:
    """What a task shows is of its present attempt, or of its last."""

    STALE = ("body", "bodySize", "error", "finishedAt", "duration", "progress", "progressText")

    def stale(self, watcher: Watcher) -> dict[str, Any]:
        view = watcher.statuses["#.a"]
        return {name: view[name] for name in self.STALE if view.get(name) is not None}

    @pytest.mark.parametrize("how", ["again", "after a failure", "after its worker was lost"])
    async def test_show_nothing_of_what_was_before(self, storage: Storage, sockets: Sockets, how: str) -> None:
        driven = DrivenInstance(storage).create().start().claim("#.a").progress("#.a", 0.5, "half")
        _, early = sockets.watch(storage, driven.id)
        await aeventually(lambda: early.status_of("#.a") == "running")
        error = {"code": "EXECUTION_FAILED", "message": "no"}
        token = driven._tokens["#.a"]
        if how == "again":
            await asyncio.to_thread(lambda: driven.end("#.a", status="failed", error=error).start())
        elif how == "after a failure":
            outcome = Outcome("failed", error=error)
            await asyncio.to_thread(storage.retry, driven.id, "#.a", driven.run, token=token, outcome=outcome, delay=0)
        else:
            await asyncio.to_thread(storage.lose, driven.id, "#.a", driven.run, token=token, max_losses=3, error=error)
        await aeventually(lambda: early.status_of("#.a") == "queued")
        _, late = sockets.watch(storage, driven.id)
        await aeventually(lambda: late.seq)
        assert [self.stale(watcher) for watcher in (early, late)] == [{}, {}]

        await asyncio.to_thread(driven.claim, "#.a")
        await aeventually(lambda: early.status_of("#.a") == late.status_of("#.a") == "running")
        assert [self.stale(watcher) for watcher in (early, late)] == [{}, {}]


class TestTheEndOfAWatch:
    async def test_is_the_last_word_to_a_reader_who_has_not_read_it_yet(
        self, faulty: FaultyStorage, sockets: Sockets
    ) -> None:
        """A hidden page, say, whose user may no longer see the instance when it runs again."""
        driven = DrivenInstance(faulty).create().start().complete()
        mailbox, _ = sockets.watch(faulty, driven.id, slow=True, ref=1)
        _, other = sockets.watch(faulty, driven.id)
        await aeventually(lambda: mailbox.large is None and other.seq)
        taken(mailbox)
        mailbox.end(InstanceNotFound(instance_id=driven.id))
        driven.start().complete()
        await aeventually(lambda: other.instance["run"] == 2 and other.status == "done")
        mailbox.trouble(StorageUnavailable(storage="s", reason="r"))

        [last] = taken(mailbox)
        assert (last["type"], last["error"]["type"]) == ("executionError", "INSTANCE_NOT_FOUND")


class TestSlowReaders:
    async def test_get_one_merged_change_with_the_final_state(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start()
        slow, slow_watcher = sockets.watch(storage, driven.id, slow=True)
        _, fast = sockets.watch(storage, driven.id)
        await aeventually(lambda: fast.seq)
        await aeventually(lambda: slow._shot is not None)
        sockets.read(slow)

        def work() -> None:
            driven.claim("#.a")
            for number in range(500):
                driven.log("#.a", f"line {number}")
                driven.progress("#.a", number / 500)
            driven.end("#.a", 1).complete("#.b", "#.c")

        await asyncio.to_thread(work)
        await aeventually(lambda: fast.status == "done")
        before = len(slow_watcher.messages)
        statuses, log, status = taken(slow)

        assert before == 3
        assert statuses["statuses"].keys() == set(driven.paths)
        assert {record["status"] for record in statuses["statuses"].values()} == {"ok"}
        assert (log["from"], len(log["lines"]), log["dropped"]) == (300, 200, 300)
        assert status["status"] == "done"

    async def test_hold_one_snapshot_at_most(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create().start()
        slow, _ = sockets.watch(storage, driven.id, slow=True)
        _, fast = sockets.watch(storage, driven.id)
        for run in range(1, 20):
            await asyncio.to_thread(driven.complete)
            await aeventually(lambda: fast.status == "done")
            await asyncio.to_thread(driven.start)
            await aeventually(lambda run=run: fast.instance.get("run") == run + 1)
        watcher = Watcher()
        for message in taken(slow):
            watcher.receive(message)

        assert watcher.types.count("workflowDescription") == 1
        assert watcher.knowledge == fast.knowledge

    async def test_grow_no_further_while_events_come(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty, ["a"]).create().start().claim("#.a")
        slow, _ = sockets.watch(faulty, driven.id, slow=True)
        _, fast = sockets.watch(faulty, driven.id)
        await aeventually(lambda: fast.seq)
        journal = slow._journal
        assert journal is not None

        async def noise(count: int) -> int:
            for number in range(count):
                driven.log("#.a", f"{number:06} {'x' * 100}").progress("#.a", 0.5)
                faulty.add_event(driven.id, {"error": {"type": "X", "payload": {"number": number}}})
                # The journal is never so far behind that it has to begin anew, however slow the machine.
                if number % 100 == 99:
                    header = faulty.get_instance(driven.id)
                    assert header is not None
                    await aeventually(lambda seq=header.seq: journal.seq == seq)
            waiting = slow.backlog
            assert waiting is not None
            assert len(journal._posts) < 2 * KEPT
            return sum(map(sys.getsizeof, waiting.logs["#.a"].lines)) + sum(map(sys.getsizeof, waiting.errors))

        assert await noise(1000) == await noise(1000)


class TestJoiningTogether:
    async def test_takes_few_snapshots(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty).create().start()
        watchers = [sockets.watch(faulty, driven.id)[1] for _ in range(100)]
        await aeventually(lambda: all(watcher.seq for watcher in watchers))

        assert faulty.calls.count("snapshot") <= 2

    async def test_whoever_leaves_meanwhile_is_not_fed(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty).create().start()
        _, other = sockets.watch(faulty, driven.id)
        mailbox, watcher = sockets.watch(faulty, driven.id)
        await asyncio.sleep(0)
        await sockets.close(faulty, mailbox)
        await aeventually(lambda: other.seq)
        driven.complete()
        await aeventually(lambda: other.status == "done")

        assert watcher.messages == []

    async def test_waits_for_no_other_instance(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        slow, quick = DrivenInstance(faulty).create(), DrivenInstance(faulty).create()
        answered = asyncio.Event()
        subscription = get_relay(faulty)._subscription
        add = subscription.add

        async def add_in_time(instance_id: str) -> None:
            if instance_id == slow.id:
                await answered.wait()
            await add(instance_id)

        subscription.add = add_in_time  # type: ignore[method-assign]
        _, first = sockets.watch(faulty, slow.id)
        _, second = sockets.watch(faulty, quick.id)
        await aeventually(lambda: second.seq)
        assert not first.seq
        answered.set()
        await aeventually(lambda: first.seq)


class TestLeaving:
    async def test_the_last_watcher_of_an_instance_ends_its_subscription(
        self, storage: Storage, sockets: Sockets
    ) -> None:
        first, second = DrivenInstance(storage).create(), DrivenInstance(storage).create()
        one, _ = sockets.watch(storage, first.id)
        two, watcher = sockets.watch(storage, first.id)
        sockets.watch(storage, second.id)
        await aeventually(lambda: watcher.seq)
        relay = get_relay(storage)

        await sockets.close(storage, one)
        assert relay.watched == {first.id, second.id}
        await sockets.close(storage, two)
        assert relay.watched == {second.id}
        await aeventually(lambda: first.id not in relay._subscribed)

    async def test_the_last_watcher_of_all_closes_the_relay(self, storage: Storage, sockets: Sockets) -> None:
        driven = DrivenInstance(storage).create()
        mailbox, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)
        relay = get_relay(storage)
        await sockets.close(storage, mailbox)

        assert relay.closed
        assert get_relay(storage) is not relay
        await get_relay(storage)._aclose()

    async def test_and_coming_back_at_once_misses_nothing(self, storage: Storage, sockets: Sockets) -> None:
        other = DrivenInstance(storage).create()
        sockets.watch(storage, other.id)
        driven = DrivenInstance(storage, [f"t{number}" for number in range(30)]).create().start()
        watcher = Watcher()
        for path in driven.paths:
            mailbox, watcher = sockets.watch(storage, driven.id)
            await asyncio.to_thread(driven.complete, path)
            if path != driven.paths[-1]:
                await sockets.close(storage, mailbox)

        await aeventually(lambda: watcher.status == "done")
        assert {record["status"] for record in watcher.statuses.values()} == {"ok"}


class TestOutages:
    @pytest.fixture(autouse=True)
    def _patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(room_module, "RETRY_DELAYS", (0.05,))
        monkeypatch.setattr(relay_module, "SWEEP_INTERVAL", 0.2)

    async def test_are_told_and_watching_resumes_by_itself(
        self, start_valkey: Callable[..., Any], sockets: Sockets
    ) -> None:
        server = start_valkey(config={"appendonly": "yes", "appendfsync": "always"})
        storage = create_storage(server.url)
        driven = DrivenInstance(storage).create().start()
        _, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)

        await asyncio.to_thread(server.kill)
        await aeventually(lambda: "appError" in watcher.types, timeout=30)
        assert watcher.messages[-1]["error"]["code"] == "STORAGE_UNAVAILABLE"
        _, late = sockets.watch(storage, driven.id)
        await aeventually(lambda: "appError" in late.types, timeout=30)

        await asyncio.to_thread(server.start)
        await asyncio.to_thread(driven.complete)
        await aeventually(lambda: watcher.status == late.status == "done", timeout=60)
        assert watcher.knowledge == late.knowledge
        assert watcher.types.count("appError") == 1
        storage.close()

    async def test_that_lose_all_records_are_the_end(self, start_valkey: Callable[..., Any], sockets: Sockets) -> None:
        server = start_valkey()
        storage = create_storage(server.url)
        driven = DrivenInstance(storage).create().start()
        mailbox, watcher = sockets.watch(storage, driven.id)
        await aeventually(lambda: watcher.seq)
        await asyncio.to_thread(server.restart)

        await aeventually(lambda: mailbox.ended, timeout=60)
        assert watcher.types[-1] == "workflowDeleted"
        storage.close()

    async def test_that_take_records_back_in_time_are_followed(self, faulty: FaultyStorage, sockets: Sockets) -> None:
        driven = DrivenInstance(faulty).create().start().complete("#.a")
        backup = copy.deepcopy(faulty._states[driven.id])
        driven.complete("#.b")
        mailbox, watcher = sockets.watch(faulty, driven.id)
        await aeventually(lambda: watcher.status_of("#.b") == "ok")
        watcher.seq = 0  # this watcher insists on a sequence that never goes back
        faulty._states[driven.id] = backup

        await aeventually(lambda: watcher.status_of("#.b") == "queued")
        assert not mailbox.ended
