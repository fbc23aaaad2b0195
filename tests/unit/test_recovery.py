"""What recovery decides: on the memory storage, whose clock the test holds, with a backend whose messages get lost."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jobs_flow import Jobs, Registry, Retry, Task
from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.holder import new_token
from jobs_flow.backends.policy import Policy
from jobs_flow.backends.step import run_step
from jobs_flow.backends.sync import SyncBackend
from jobs_flow.backends.undo import run_undo
from jobs_flow.errors import BrokerUnavailable, CannotPublish
from jobs_flow.invariants import invariants
from jobs_flow.recovery import EXPIRED_A_SWEEP, SHORTEST_PAUSE, Recovery
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import EPHEMERAL_KEPT, Due, Grip, Hold, NewInstance, Outcome, RunSelection

LEASE = 30_000


class Broker(SyncBackend):
    """Notes what is published; the test says when it is delivered, and what is lost."""

    policy = Policy(lease=LEASE / 1000, max_losses=2)

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, int]] = []
        self.undos: list[str] = []
        self.away: Exception | None = None
        self.empty = True
        self.asked = 0

    def dispatch(self, work: Dispatch) -> None:
        self.asked += 1
        if self.away is not None:
            raise self.away
        self.messages += [(work.instance_id, path, work.run) for path in work.heads]

    def dispatch_undo(self, instance_id: str, run: int) -> None:
        self.undos.append(instance_id)

    def lane_of(self, plan: Any, path: str) -> str:
        return plan.nodes[path].task.queue or "usual"

    def drained(self, lane: str) -> bool:
        return self.empty


class World:
    """A storage with a clock, a broker, and one facade on both."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.broker = Broker()
        self.jobs = Jobs(storage=MemoryStorage(clock=lambda: self.now), backend=self.broker, registry=Registry())
        self.storage = self.jobs.storage

    def start(self, *tasks: Task) -> str:
        self.jobs.register_workflow("w", list(tasks))
        return self.jobs.create_workflow_instance("w", execute=True)

    def start_ephemeral(self, *tasks: Task) -> str:
        self.jobs.register_workflow("w", list(tasks))
        return self.jobs.create_workflow_instance("w", execute=True, ephemeral=True)

    def undo_and_die(self, id: str) -> None:
        """Take what is to be undone next as a worker does that then dies."""
        claim = self.storage.claim_undo(id, 2, token=new_token(), worker="dead", lease=LEASE)
        assert claim.state == "granted"

    def deliver(self) -> None:
        """Deliver every message, and what they lead to."""
        while self.broker.messages:
            id, path, run = self.broker.messages.pop(0)
            step = run_step(self.jobs.runtime, id, path, run, worker="w")
            self.broker.messages += [(id, queued, run) for queued in step.queued]

    def take(self, id: str, path: str, run: int = 1, *, timeout: int | None = None) -> str:
        """Claim a task as a worker does that then dies; its token."""
        token = new_token()
        revision = self.jobs.runtime.header(id).revision
        claim = self.storage.claim(
            id, path, run, token=token, worker="dead", revision=revision, inputs=(), lease=LEASE, timeout=timeout
        )
        assert claim.state == "granted"
        return token

    def passes(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.jobs.recover()

    def status(self, id: str, path: str) -> str:
        return str(self.jobs.get_task(id, path)["status"])


@pytest.fixture
def world() -> World:
    return World()


class TestLeases:
    def test_a_task_whose_worker_died_is_published_again_and_ends_well(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1), Task("b", lambda res: res + 1))
        world.broker.messages.clear()
        world.take(id, "#.a")
        world.passes(LEASE - 1)
        assert world.broker.messages == []
        world.passes(1)
        assert world.broker.messages == [(id, "#.a", 1)]
        world.deliver()
        assert world.jobs.wait(id) == 2
        (attempt,) = world.jobs.get_attempts(id, "#.a")
        assert (attempt["status"], attempt["error"]["code"], attempt["worker"]) == ("lost", "WORKER_LOST", "dead")
        assert invariants(world.storage) == []

    def test_a_renewed_lease_is_left_alone_and_a_zombie_writes_nothing(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1))
        world.broker.messages.clear()
        token = world.take(id, "#.a")
        world.now += LEASE - 1
        assert world.storage.renew([Hold(id, "#.a", 1)], holder=token[:10], lease=LEASE) == [Grip.HELD]
        world.passes(LEASE - 1)
        assert world.status(id, "#.a") == "running"
        world.passes(LEASE)
        world.deliver()
        late = world.storage.complete(
            id,
            "#.a",
            1,
            token=token,
            outcome=Outcome("ok", body="99"),
            flow=world.jobs.runtime.shape_of(world.jobs.runtime.header(id)).flow("#.a"),
        )
        assert not late.recorded
        assert world.jobs.wait(id) == 1

    def test_one_that_keeps_killing_its_worker_is_poisoned(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1), Task("b", lambda: 2))
        for _ in range(3):
            world.broker.messages.clear()
            world.take(id, "#.a")
            world.passes(LEASE)
        assert world.broker.messages == []
        record = world.jobs.get_task(id, "#.a")
        assert (record["status"], record["error"]["code"], record["losses"]) == ("failed", "POISONED", 3)
        assert world.jobs.get_workflow(id)["status"] == "failed"
        assert invariants(world.storage) == []

    def test_one_that_was_asked_to_stop_and_lost_its_worker_is_cancelled(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1))
        world.take(id, "#.a")
        world.jobs.cancel(id)
        assert world.jobs.get_workflow(id)["status"] == "working"
        world.passes(LEASE)
        assert world.jobs.get_workflow(id)["status"] == "cancelled"

    def test_a_broker_that_is_away_loses_nothing(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1))
        world.broker.messages.clear()
        world.take(id, "#.a")
        world.broker.away = BrokerUnavailable(reason="restarting")
        world.passes(LEASE)
        assert world.status(id, "#.a") == "queued"
        world.broker.away = None
        for _ in range(10):
            world.passes(LEASE)
        world.deliver()
        assert world.jobs.wait(id) == 1

    def test_a_broker_that_is_away_is_asked_once_and_does_not_keep_other_timers_waiting(self, world: World) -> None:
        world.broker.empty = False
        ids = [world.start(Task("a", lambda: 1)) for _ in range(20)]
        for id in ids:
            world.take(id, "#.a")
        world.broker.messages.clear()
        world.broker.away, world.broker.asked = BrokerUnavailable(reason="restarting"), 0
        world.now += LEASE
        Recovery(world.jobs.runtime, world.broker).sweep()
        assert world.broker.asked == 1
        assert {world.status(id, "#.a") for id in ids} == {"queued"}
        world.broker.away, world.broker.empty = None, True
        world.passes(LEASE)
        world.deliver()
        assert {world.jobs.wait(id) for id in ids} == {1}


class TestTimers:
    def test_a_task_that_runs_for_too_long_has_failed(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1, timeout=2))
        world.take(id, "#.a", timeout=2_000)
        world.passes(2_000)
        error = world.jobs.get_task(id, "#.a")["error"]
        assert (error["code"], "timeout of 2 s" in error["message"]) == ("TIMEOUT", True)

    def test_or_is_tried_again_if_it_says_so(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1, timeout=2, retry=Retry(max=1, backoff=10, jitter=0)))
        world.broker.messages.clear()
        world.take(id, "#.a", timeout=2_000)
        world.passes(2_000)
        assert world.status(id, "#.a") == "queued"
        assert world.broker.messages == []
        world.passes(9_999)
        assert world.broker.messages == []
        world.passes(1)
        world.deliver()
        assert world.jobs.wait(id) == 1
        assert [attempt["error"]["code"] for attempt in world.jobs.get_attempts(id, "#.a")] == ["TIMEOUT"]

    def test_one_that_waits_for_too_long_has_failed_for_another_reason(self, world: World) -> None:
        id = world.start(
            Task("a", lambda: 1), Task("b", lambda: 1, queue_timeout=60, on_failure="continue"), Task("c", len)
        )
        world.broker.messages.clear()
        world.take(id, "#.a")
        world.passes(LEASE)
        world.broker.messages = [message for message in world.broker.messages if message[1] == "#.a"]
        run_step(world.jobs.runtime, id, "#.a", 1, worker="w")
        world.broker.messages.clear()
        world.broker.empty = False
        world.passes(59_999)
        assert world.status(id, "#.b") == "queued"
        world.passes(1)
        assert world.jobs.get_task(id, "#.b")["error"]["code"] == "QUEUE_TIMEOUT"
        assert world.broker.messages == [(id, "#.c", 1)]

    def test_an_undo_that_nobody_carries_on_is_published_again(self, world: World) -> None:
        id = world.start(Task("a", lambda: 1, undo=lambda res: None))
        world.deliver()
        assert world.jobs.cancel(id, undo=True)
        world.broker.undos.clear()
        world.passes(LEASE)
        assert world.broker.undos == [id]
        world.passes(LEASE - 1)
        assert world.broker.undos == [id]
        world.passes(1)
        assert world.broker.undos == [id, id]

    def test_an_undo_that_keeps_killing_its_worker_is_poisoned(self, world: World) -> None:
        called: list[int] = []
        id = world.start(Task("a", lambda: 1, undo=called.append), Task("b", lambda: 1, undo=called.append))
        world.deliver()
        assert world.jobs.cancel(id, undo=True)
        for _ in range(3):
            world.undo_and_die(id)
            world.passes(LEASE)
        run_undo(world.jobs.runtime, id, 2, worker="w")
        view = world.jobs.get_workflow(id)
        assert (view["status"], view["error"]["code"], view["error"]["path"]) == ("failed", "POISONED", "#.b")
        assert called == []
        assert invariants(world.storage) == []

    def test_one_that_lost_its_worker_less_often_is_undone(self, world: World) -> None:
        called: list[int] = []
        id = world.start(Task("a", lambda: 1, undo=called.append), Task("b", lambda: 2, undo=called.append))
        world.deliver()
        assert world.jobs.cancel(id, undo=True)
        for _ in range(2):
            world.undo_and_die(id)
            world.passes(LEASE)
        run_undo(world.jobs.runtime, id, 2, worker="w")
        assert (called, world.jobs.get_workflow(id)["status"]) == ([2, 1], "cancelled")

    def test_hooks_are_told_of_an_ephemeral_instance_whose_worker_died_at_its_end(self, world: World) -> None:
        told: list[str] = []
        world.jobs.on_complete(lambda id: told.append("complete"))
        world.jobs.on_delete(lambda id: told.append("delete"))
        id = world.start_ephemeral(Task("a", lambda: 1))
        token = world.take(id, "#.a")
        flow = world.jobs.runtime.shape_of(world.jobs.runtime.header(id)).flow("#.a")
        assert world.storage.complete(id, "#.a", 1, token=token, outcome=Outcome("ok", body="1"), flow=flow).finished
        for _ in range(30):
            world.passes(1_000)
        assert told == ["complete", "delete"]

    def test_an_ephemeral_instance_that_was_started_again_meanwhile_stays(self, world: World) -> None:
        id = world.start_ephemeral(Task("a", lambda: 1))
        world.deliver()
        world.now += EPHEMERAL_KEPT
        (due,) = (due for due in world.storage.due() if due.kind == "ephemeral")
        world.jobs.execute_all_tasks(id)
        Recovery(world.jobs.runtime, world.broker)._see_to(due)
        assert world.jobs.get_workflow(id)["status"] == "working"

    def test_a_hook_that_exits_ends_neither_the_recovery_nor_other_hooks(self, world: World) -> None:
        told: list[str] = []
        world.jobs.on_error(lambda **_: sys.exit(1))
        world.jobs.on_error(lambda id, path, payload: told.append(path))
        id = world.start(Task("a", lambda: 1, queue_timeout=1))
        world.broker.messages.clear()
        world.passes(1_000)
        assert told == ["#.a"]
        assert world.jobs.get_workflow(id)["status"] == "failed"

    def test_one_bad_timer_does_not_stand_in_the_way_of_others(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = world.start(Task("a", lambda: 1))
        good = world.start(Task("a", lambda: 1))
        for id in (bad, good):
            world.take(id, "#.a")
        world.broker.messages.clear()
        lose = world.storage.lose

        def broken(instance_id: str, *args: Any, **kwargs: Any) -> Any:
            if instance_id == bad:
                raise RuntimeError("a bug")
            return lose(instance_id, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(world.storage, "lose", broken)
            world.passes(LEASE)
        assert world.broker.messages == [(good, "#.a", 1)]
        world.passes(5_000)
        assert world.broker.messages == [(good, "#.a", 1), (bad, "#.a", 1)]


DAY = 86_400_000


class TestExpired:
    """What was kept for as long as its workflow says."""

    @staticmethod
    def over(world: World, keep: float | None = 7 * DAY / 1000, *tasks: Task) -> str:
        world.jobs.register_workflow("w", list(tasks) or [Task("a", lambda: 1, undo=lambda res: None)], keep=keep)
        id = world.jobs.create_workflow_instance("w", execute=True)
        world.deliver()
        return id

    def test_is_removed_and_its_hook_called_once(self, world: World) -> None:
        told: list[str] = []
        world.jobs.on_delete(lambda id: told.append(id))
        id = self.over(world)
        world.passes(7 * DAY - 1)
        assert world.storage.get_instance(id) is not None
        world.passes(1)
        assert world.storage.get_instance(id) is None
        world.passes(DAY)
        assert told == [id]
        assert world.storage.next_due() is None

    def test_one_that_is_kept_for_ever_has_no_timer(self, world: World) -> None:
        world.broker.policy = Policy(lease=LEASE / 1000, keep=60)
        self.over(world, math.inf)
        assert world.storage.next_due() is None
        id = self.over(world, None)
        world.passes(60_000)
        assert world.storage.get_instance(id) is None, "the default is for those that do not say"

    def test_a_failed_run_is_kept_as_long(self, world: World) -> None:
        id = self.over(world, 60, Task("a", lambda: 1 / 0))
        world.passes(59_999)
        assert world.jobs.get_workflow(id)["status"] == "failed"
        world.passes(1)
        assert world.storage.get_instance(id) is None

    def test_code_that_keeps_them_longer_is_heard(self, world: World) -> None:
        id = self.over(world)
        world.jobs.register_workflow("w", [Task("a", lambda: 1)], keep=30 * DAY / 1000)
        world.passes(30 * DAY - 1)
        world.passes(0)
        assert world.storage.get_instance(id) is not None
        assert world.storage.next_due() == 1
        world.passes(1)
        assert world.storage.get_instance(id) is None

    def test_code_that_keeps_them_for_ever_is_heard(self, world: World) -> None:
        id = self.over(world)
        world.jobs.register_workflow("w", [Task("a", lambda: 1)])
        world.passes(30 * DAY)
        assert world.storage.get_instance(id) is not None
        assert world.storage.next_due() is None

    def test_code_that_is_gone_is_no_reason_to_keep_them(self, world: World) -> None:
        id = self.over(world)
        del world.jobs.registry._generators["w"]
        world.passes(7 * DAY)
        assert world.storage.get_instance(id) is None

    def test_a_changed_tree_is_no_reason_to_keep_them(self, world: World) -> None:
        id = self.over(world)
        world.jobs.register_workflow("w", [Task("other", lambda: 1)], keep=7 * DAY / 1000)
        world.passes(7 * DAY)
        assert world.storage.get_instance(id) is None

    def test_one_that_runs_again_is_counted_from_the_next_finish(self, world: World) -> None:
        id = self.over(world)
        world.now += 7 * DAY
        world.jobs.execute_all_tasks(id)
        world.passes(0)
        assert world.jobs.get_workflow(id)["status"] == "working"
        world.deliver()
        world.passes(7 * DAY - 1)
        assert world.jobs.get_workflow(id)["status"] == "done"
        world.passes(1)
        assert world.storage.get_instance(id) is None

    def test_one_that_was_started_since_its_timer_was_read_stays(self, world: World) -> None:
        id = self.over(world)
        world.now += 7 * DAY
        (due,) = world.storage.due()
        world.jobs.execute_all_tasks(id)
        Recovery(world.jobs.runtime, world.broker)._see_to(due)
        assert world.jobs.get_workflow(id)["status"] == "working"

    def test_nor_one_that_is_started_while_it_is_being_seen_to(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at its header and the deletion: the storage refuses."""
        told: list[str] = []
        world.jobs.on_delete(lambda id: told.append(id))
        id = self.over(world)
        requested = world.jobs.index.requested

        def meanwhile(*args: Any) -> str:
            if args[1] == "destroy":
                world.jobs.execute_all_tasks(id)
            return requested(*args)

        monkeypatch.setattr(world.jobs.index, "requested", meanwhile)
        world.passes(7 * DAY)
        assert (world.jobs.get_workflow(id)["status"], told) == ("working", [])
        world.deliver()
        assert world.jobs.wait(id) == 1

    def test_one_of_which_a_commit_asks_something_waits(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        id = self.over(world)
        with monkeypatch.context() as patch:
            patch.setattr(world.jobs.index, "is_asked_for", lambda instance_id: instance_id == id)
            world.passes(7 * DAY)
            assert world.storage.get_instance(id) is not None
        world.passes(5_000)
        assert world.storage.get_instance(id) is None

    def test_one_that_is_being_undone_is_counted_from_the_end_of_that(self, world: World) -> None:
        id = self.over(world)
        world.now += 7 * DAY
        assert world.jobs.cancel(id, undo=True)
        world.passes(0)
        run_undo(world.jobs.runtime, id, 2, worker="w")
        world.passes(7 * DAY - 1)
        assert world.jobs.get_workflow(id)["undo"] == "done"
        world.passes(1)
        assert world.storage.get_instance(id) is None

    def test_one_whose_undo_waits_stays_until_that_is_done(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.jobs.register_workflow("w", [Task("a", lambda: 1, undo=lambda res: None), Task("b", len)], keep=60)
        id = world.jobs.create_workflow_instance("w", execute=True)
        run_step(world.jobs.runtime, id, "#.a", 1, worker="w")
        with monkeypatch.context() as patch:
            patch.setattr(world.jobs, "begin_undo", lambda header: 1 / 0)
            world.jobs.cancel(id, undo=True)
            for _ in range(30):
                world.passes(60_000)
            assert world.jobs.get_workflow(id)["undo"] == "wanted"
        world.passes(60_000)
        run_undo(world.jobs.runtime, id, 2, worker="w")
        assert world.jobs.get_workflow(id)["undo"] == "done"
        world.passes(60_000)
        assert world.storage.get_instance(id) is None

    def test_hooks_are_told_of_the_end_before(self, world: World) -> None:
        told: list[str] = []
        world.jobs.on_complete(lambda id: told.append("complete"))
        world.jobs.on_delete(lambda id: told.append("delete"))
        world.jobs.register_workflow("w", [Task("a", lambda: 1)], keep=60)
        id = world.jobs.create_workflow_instance("w", execute=True)
        token = world.take(id, "#.a")
        flow = world.jobs.runtime.shape_of(world.jobs.runtime.header(id)).flow("#.a")
        assert world.storage.complete(id, "#.a", 1, token=token, outcome=Outcome("ok", body="1"), flow=flow).finished
        for _ in range(70):
            world.passes(1_000)
        assert told == ["complete", "delete"]

    def test_a_lease_does_not_wait_for_two_thousand_of_them(self, world: World) -> None:
        world.jobs.register_workflow("nothing", [], keep=60)
        for number in range(2_000):
            world.storage.create_instance(NewInstance(f"{number}", "nothing", None, {}, "", [], []))
            world.storage.start_run(f"{number}", RunSelection([], [], {}, keep=60_000))
            world.storage.settle(Due("ended", f"{number}", "#", 1, None, "1 done"))
        world.jobs.register_workflow("w", [Task("a", lambda: 1)])
        world.now += DAY
        id = world.jobs.create_workflow_instance("w", execute=True)
        world.broker.messages.clear()
        world.take(id, "#.a")
        world.now += LEASE
        recovery = Recovery(world.jobs.runtime, world.broker)
        assert recovery.sweep() == 1 + EXPIRED_A_SWEEP
        assert world.broker.messages == [(id, "#.a", 1)], "in the first sweep, though all others came due before"
        assert recovery.pause() == SHORTEST_PAUSE, "the others are not put off"
        assert len(world.storage.list_ids(limit=5_000)) == 2_001 - EXPIRED_A_SWEEP
        world.deliver()
        for _ in range(19):
            recovery.sweep()
        assert world.storage.list_ids(limit=5_000) == [id]

    def test_nor_for_hooks_that_take_their_time(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[float] = []
        clock = [0.0]

        def slow(id: str) -> None:
            clock[0] += 0.4
            told.append(clock[0])

        world.jobs.on_delete(slow)
        for _ in range(10):
            self.over(world, 60)
        world.now += DAY
        recovery = Recovery(world.jobs.runtime, world.broker)
        monkeypatch.setattr("jobs_flow.recovery.time.monotonic", lambda: clock[0])
        recovery.sweep()
        assert len(told) == 3, "it stops after a second"

    def test_one_that_cannot_be_removed_does_not_stand_in_the_way(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = self.over(world, 60), self.over(world, 60)
        delete = world.storage.delete_instance

        def broken(instance_id: str, **options: Any) -> Any:
            if instance_id == bad:
                raise RuntimeError("a bug")
            return delete(instance_id, **options)

        with monkeypatch.context() as patch:
            patch.setattr(world.storage, "delete_instance", broken)
            world.passes(60_000)
        assert world.storage.list_ids() == [bad]
        assert world.storage.get_instance(good) is None
        world.passes(5_000)
        assert world.storage.list_ids() == []


class TestLanes:
    @staticmethod
    def queued(world: World, count: int) -> list[str]:
        ids = [world.start(Task("a", lambda: 1))]
        for _ in range(count - 1):
            world.now += 10
            ids.append(world.jobs.create_workflow_instance("w", execute=True))
        return ids

    def test_healthy_ones_are_never_published_again(self, world: World) -> None:
        self.queued(world, 50)
        world.broker.empty = False
        published = list(world.broker.messages)
        for _ in range(9):
            world.passes(60_000)
        assert world.broker.messages == published

    def test_but_for_one_in_ten_minutes_since_others_may_keep_the_queue_from_being_empty(self, world: World) -> None:
        ids = self.queued(world, 3)
        world.broker.empty = False
        world.broker.messages.clear()
        recovery = Recovery(world.jobs.runtime, world.broker)
        for _ in range(11):
            world.now += 60_000
            recovery.sweep(everything=True)
        assert world.broker.messages == [(ids[0], "#.a", 1)]
        for _ in range(4):
            world.passes(600_000)
        world.deliver()
        assert [world.jobs.get_workflow(id)["status"] for id in ids] == ["done"] * 3

    def test_one_that_was_overtaken_is(self, world: World) -> None:
        ids = self.queued(world, 3)
        world.broker.empty = False
        del world.broker.messages[0]
        world.now += 10_000
        world.jobs.create_workflow_instance("w", execute=True)
        world.deliver()
        world.passes(10_000)
        assert world.broker.messages == [(ids[0], "#.a", 1)]
        world.deliver()
        assert world.jobs.wait(ids[0]) == 1

    def test_all_are_when_their_queue_is_empty(self, world: World) -> None:
        ids = self.queued(world, 3)
        world.broker.messages.clear()
        world.passes(10_000)
        assert [message[0] for message in world.broker.messages] == ids

    def test_not_at_each_sweep(self, world: World) -> None:
        self.queued(world, 1)
        for _ in range(100):
            world.passes(1_000)
        # After 5 s, then each 10 s, besides the first time.
        assert len(world.broker.messages) <= 12

    def test_a_message_that_can_never_be_published_fails_its_task(self, world: World) -> None:
        (id,) = self.queued(world, 1)
        world.broker.messages.clear()
        world.broker.away = CannotPublish(reason="no such queue")
        world.passes(10_000)
        assert world.jobs.get_task(id, "#.a")["error"]["code"] == "CANNOT_PUBLISH"
        assert world.jobs.get_workflow(id)["status"] == "failed"

    def test_a_paused_instance_is_left_alone(self, world: World) -> None:
        (id,) = self.queued(world, 1)
        world.broker.messages.clear()
        world.jobs.pause(id)
        for _ in range(10):
            world.passes(60_000)
        assert world.broker.messages == []
        world.jobs.unpause(id)
        assert world.broker.messages == [(id, "#.a", 1)]


class TestDeaths:
    """What a worker's main process reports of a child."""

    @pytest.mark.parametrize("pattern", [lambda token: token, lambda token: token[: token.rindex(".") + 1] + "*"])
    def test_a_lost_child_gives_its_task_back_at_once(self, world: World, pattern: Callable[[str], str]) -> None:
        id = world.start(Task("a", lambda: 1))
        world.broker.messages.clear()
        token = world.take(id, "#.a")
        recovery = Recovery(world.jobs.runtime, world.broker)
        recovery.worker_lost(id, "#.a", 1, "another.1.*")
        assert world.broker.messages == []
        recovery.worker_lost(id, "#.a", 1, pattern(token))
        recovery.worker_lost(id, "#.a", 1, pattern(token))
        assert world.broker.messages == [(id, "#.a", 1)]

    def test_a_tolerated_death_hands_on_what_the_task_was_given(self, world: World) -> None:
        id = world.start(Task("a", lambda: 7), Task("b", lambda: 1, on_failure="continue"), Task("c", lambda res: res))
        run_step(world.jobs.runtime, id, "#.a", 1, worker="w")
        world.broker.messages.clear()
        token = world.take(id, "#.b")
        Recovery(world.jobs.runtime, world.broker).ended_by(
            id, "#.b", 1, token, "TIME_LIMIT", "TimeLimitExceeded", "1 s"
        )
        world.deliver()
        assert world.jobs.wait(id) == 7
