"""Holding a task: leases, renewals, what a token still holds, and taking it from a worker that is gone."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Due, Grip, Hold, Loss
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import GONE, LEASE, LOST, TIME, Scenario, failed, merge, ok, plain, task


class Running:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """A task that is ok, one that runs under ``token``, one that is not queued yet."""
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.b")
        return scenario


#: Calls that name something other than the running ``#.b`` of run 1 under ``token``: path, run, token.
NOT_HELD = [
    pytest.param("#.b", 1, "other", id="another token"),
    pytest.param("#.b", 1, "toke", id="the beginning of the token"),
    pytest.param("#.b", 0, "token", id="an older run"),
    pytest.param("#.b", 2, "token", id="a later run"),
    pytest.param("#.a", 1, "token", id="ended"),
    pytest.param("#.c", 1, "token", id="not running"),
    pytest.param("#.nobody", 1, "token", id="unknown path"),
]


class TestLease(Running):
    def test_due_when_nobody_renews_it(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        assert scenario.due() == []
        scenario.claim("#.a", "worker.1", lease=GONE)
        assert scenario.due() == [Due("lease", scenario.id, "#.a", 1, "worker.1")]
        assert scenario.due() == [Due("lease", scenario.id, "#.a", 1, "worker.1")], "it stays due"

    def test_not_due_before(self, scenario: Scenario) -> None:
        assert scenario.due() == []
        assert soon(scenario.storage.next_due).between(LEASE - 60_000, LEASE)

    def test_gone_with_the_outcome(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.claim("#.a", lease=GONE, timeout=GONE)
        assert scenario.kinds() == {("lease", "#.a"), ("timeout", "#.a")}
        scenario.complete("#.a", ok("#.a"))
        assert scenario.kinds() == set()

    def test_a_claim_that_is_answered_again_changes_none(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        first = scenario.claim("#.a")
        assert scenario.claim("#.a", lease=GONE, timeout=GONE) == first
        assert scenario.due() == []

    def test_a_refused_claim_sets_none(self, scenario: Scenario) -> None:
        assert scenario.claim("#.b", "other", lease=GONE).state == "running"
        assert scenario.claim("#.c", "other", lease=GONE).state == "early"
        assert scenario.due() == []

    def test_timeout(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", "t", timeout=GONE)
        assert scenario.due() == [Due("timeout", scenario.id, "#.a", 1, "t")]
        assert scenario.renew("#.a", holder="t") == [Grip.HELD]
        assert scenario.kinds() == {("timeout", "#.a")}, "renewing the lease does not give it more time"


class TestRenew(Running):
    def test_extends(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", "worker.1.x", lease=GONE)
        before = scenario.snapshot
        assert scenario.renew("#.a", holder="worker.") == [Grip.HELD]
        assert scenario.due() == []
        assert scenario.renew("#.a", holder="worker.1.x", lease=GONE) == [Grip.HELD]
        assert scenario.kinds() == {("lease", "#.a")}
        assert scenario.snapshot == before, "no event, no change of the record"

    def test_many_in_order(self, storage: Storage, scenario: Scenario) -> None:
        other = Scenario(storage, task("x", task("y"), task("z")))
        other.start()
        other.do("#.x")
        other.claim("#.x.y", "token of another")
        other.claim("#.x.z", "stranger")
        holds = [
            *(Hold(scenario.id, path, 1) for path in ("#.c", "#.b", "#.a")),
            *(Hold(other.id, path, 1) for path in ("#.x.z", "#.x.y")),
            Hold("nobody", "#.a", 1),
            Hold(scenario.id, "#.b", 2),
        ]
        held = storage.renew(holds, holder="token", lease=LEASE)
        assert held == [Grip.LOST, Grip.HELD, Grip.LOST, Grip.LOST, Grip.HELD, Grip.LOST, Grip.LOST]
        assert storage.renew([], holder="token", lease=LEASE) == []

    def test_what_is_lost_is_not_renewed(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", "mine", lease=GONE)
        assert scenario.renew("#.a", holder="other") == [Grip.LOST]
        assert scenario.kinds() == {("lease", "#.a")}

    def test_asked_to_stop_is_said_and_renewed(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", lease=GONE)
        storage.cancel(scenario.id, "#.a")
        assert scenario.renew("#.a") == [Grip.CANCELLED]
        assert scenario.due() == []


class TestGrip(Running):
    def test_held(self, scenario: Scenario) -> None:
        before = scenario.snapshot
        assert scenario.grip("#.b") is Grip.HELD
        assert scenario.snapshot == before

    @pytest.mark.parametrize(("path", "run", "token"), NOT_HELD)
    def test_lost(self, scenario: Scenario, path: str, run: int, token: str) -> None:
        assert scenario.grip(path, token, run) is Grip.LOST

    def test_unknown_instance(self, storage: Storage) -> None:
        assert storage.grip("nobody", "#.a", 1, token="t") is Grip.LOST

    @pytest.mark.parametrize(("path", "said"), [("#", "cancelled"), ("#.b", "cancelled"), ("#.c", "held")])
    def test_asked_to_stop(self, storage: Storage, scenario: Scenario, path: str, said: str) -> None:
        storage.cancel(scenario.id, path)
        assert scenario.grip("#.b") == said
        assert storage.set_progress(scenario.id, "#.b", 1, token="token", value=0.5, text=None) == said
        assert storage.append_logs(scenario.id, "#.b", 1, token="token", lines=["stopping"]) == said
        record = scenario.task("#.b")
        assert (record["progress"], record["logCount"]) == (0.5, 1), "what it still says is kept"

    def test_nothing_to_write_is_a_question(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.snapshot
        assert storage.set_progress(scenario.id, "#.b", 1, token="token", value=None, text=None) is Grip.HELD
        assert storage.append_logs(scenario.id, "#.b", 1, token="token", lines=[]) is Grip.HELD
        assert storage.set_progress(scenario.id, "#.b", 1, token="other", value=None, text=None) is Grip.LOST
        assert scenario.snapshot == before


class TestLose(Running):
    def test_queued_again(self, storage: Storage, scenario: Scenario) -> None:
        storage.append_logs(scenario.id, "#.b", 1, token="token", lines=["one"])
        storage.set_progress(scenario.id, "#.b", 1, token="token", value=0.5, text="half")
        before = scenario.snapshot
        assert scenario.lose("#.b") is Loss.REQUEUED
        record = scenario.task("#.b")
        assert (record["status"], record["losses"], record["retries"], record["retryAt"]) == ("queued", 1, 0, None)
        assert (record["attempt"], record["run"], record["logCount"]) == (1, 1, 1)
        assert (record["executionTime"], record["worker"], record["progress"], record["progressText"]) == (None,) * 4
        assert record["queuedAt"] is not None
        assert scenario.instance.seq == before.seq + 1
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks

    def test_its_holder_has_nothing_any_more(self, storage: Storage, scenario: Scenario) -> None:
        scenario.lose("#.b")
        assert scenario.grip("#.b") is Grip.LOST
        assert scenario.renew("#.b") == [Grip.LOST]
        assert not scenario.complete("#.b", ok("#.b")).recorded
        assert scenario.claim("#.b", "next").attempt == 2
        assert not scenario.complete("#.b", ok("#.b")).recorded
        assert list(scenario.complete("#.b", ok("#.b"), "next").queued) == ["#.c"]

    def test_the_attempt_is_kept(self, storage: Storage, scenario: Scenario) -> None:
        storage.append_logs(scenario.id, "#.b", 1, token="token", lines=["one"])
        scenario.lose("#.b")
        assert plain(scenario.attempts("#.b")) == [
            {
                "run": 1,
                "attempt": 1,
                "status": "lost",
                "queuedAt": TIME,
                "executionTime": TIME,
                "finishedAt": TIME,
                "duration": TIME,
                "worker": "worker",
                "error": LOST,
                "body": None,
                "bodySize": None,
                "logs": ["one"],
            }
        ]

    def test_the_argument_of_a_head_stays(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start(argument='"given"')
        scenario.claim("#.a")
        scenario.lose("#.a")
        assert scenario.claim("#.a").argument == '"given"'

    def test_by_what_the_token_begins_with(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", "worker.7.x")
        assert scenario.lose("#.a", "worker.8.*") is Loss.REFUSED
        assert scenario.lose("#.a", "worker.7.") is Loss.REFUSED
        assert scenario.lose("#.a", "worker.7.*") is Loss.REQUEUED
        assert scenario.lose("#.a", "worker.7.*") is Loss.REFUSED

    @pytest.mark.parametrize(("path", "run", "token"), NOT_HELD)
    def test_refused(self, storage: Storage, scenario: Scenario, path: str, run: int, token: str) -> None:
        before = scenario.snapshot
        said = storage.lose(scenario.id, path, run, token=token, max_losses=3, error=LOST)
        assert (said, scenario.snapshot) == (Loss.REFUSED, before)
        assert scenario.attempts("#.b") == []

    def test_refused_for_an_unknown_instance(self, storage: Storage) -> None:
        assert storage.lose("nobody", "#.a", 1, token="*", max_losses=3, error=LOST) is Loss.REFUSED

    def test_too_often(self, scenario: Scenario) -> None:
        for number in (1, 2):
            assert scenario.lose("#.b", max_losses=2) is Loss.REQUEUED
            assert scenario.task("#.b")["losses"] == number
            scenario.claim("#.b", lease=GONE)
        assert scenario.lose("#.b", max_losses=2) is Loss.POISONED
        assert scenario.statuses["#.b"] == "running"
        assert scenario.kinds() == {("lease", "#.b")}, "whoever was told so may die before he records it"
        assert scenario.lose("#.b", max_losses=2) is Loss.POISONED
        assert scenario.complete("#.b", failed(), "toke*").finished == "failed"
        assert [attempt["attempt"] for attempt in scenario.attempts("#.b")] == [1, 2]

    def test_never_again_with_none_allowed(self, scenario: Scenario) -> None:
        assert scenario.lose("#.b", max_losses=0) is Loss.POISONED

    def test_asked_to_stop(self, storage: Storage, scenario: Scenario) -> None:
        storage.cancel(scenario.id, "#")
        assert scenario.lose("#.b") is Loss.CANCELLED
        assert (scenario.statuses["#.b"], scenario.attempts("#.b")) == ("running", [])
        assert scenario.complete("#.b", failed()).recorded

    def test_losses_are_counted_from_the_start_of_the_run(self, scenario: Scenario) -> None:
        scenario.lose("#.b")
        scenario.do("#.b", failed())
        scenario.start()
        assert scenario.task("#.b")["losses"] == 0
        assert [attempt["status"] for attempt in scenario.attempts("#.b")] == ["lost", "failed"]

    def test_a_block_joins_once(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.b")
        scenario.lose("#.a.b")
        assert list(scenario.do("#.a.c").queued) == []
        assert list(scenario.do("#.a.b", token="next").queued) == ["#.d"]
