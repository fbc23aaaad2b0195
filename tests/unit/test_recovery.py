"""What recovery decides: on the memory storage, whose clock the test holds, with a backend whose messages get lost."""

from __future__ import annotations

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
from jobs_flow.recovery import Recovery
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import EPHEMERAL_KEPT, Grip, Hold, Outcome

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
