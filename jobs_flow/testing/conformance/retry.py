"""Trying again: an attempt is given up, kept, and the task is queued once more, at once or later."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import ATTEMPT_FIELDS, Due, Grip
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import ERROR, GONE, TIME, Scenario, failed, merge, ok, plain, task

LATER = 600_000


class Retrying:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """The first of two tasks runs."""
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(argument='"given"')
        scenario.claim("#.a")
        return scenario


class TestRetryAtOnce(Retrying):
    def test_queued_again(self, storage: Storage, scenario: Scenario) -> None:
        storage.set_progress(scenario.id, "#.a", 1, token="token", value=0.5, text="half")
        before = scenario.snapshot
        done = scenario.retry("#.a")
        assert (done.recorded, list(done.queued), done.finished) == (True, ["#.a"], None)
        assert done.seq == scenario.instance.seq == before.seq + 1
        record = scenario.task("#.a")
        assert (record["status"], record["retries"], record["losses"], record["retryAt"]) == ("queued", 1, 0, None)
        assert (record["executionTime"], record["worker"], record["progress"], record["progressText"]) == (None,) * 4
        assert (record["error"], record["finishedAt"], record["duration"]) == (None,) * 3
        assert record["queuedAt"] is not None
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks
        assert scenario.instance.error is None
        assert scenario.due() == []

    def test_the_next_claim_says_how_often(self, scenario: Scenario) -> None:
        for number in (1, 2, 3):
            assert scenario.retry("#.a").recorded
            claim = scenario.claim("#.a")
            assert (claim.state, claim.attempt, claim.retries) == ("granted", number + 1, number)
            assert claim.argument == '"given"'
        assert list(scenario.complete("#.a", ok("#.a")).queued) == ["#.b"]
        assert scenario.task("#.a")["retries"] == 3

    def test_the_attempt_is_kept(self, storage: Storage, scenario: Scenario) -> None:
        storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["one"])
        scenario.retry("#.a", outcome=failed(logs=["two"], traceback="Traceback"))
        [attempt] = scenario.attempts("#.a")
        assert set(attempt) == set(ATTEMPT_FIELDS)
        assert (attempt["status"], attempt["error"], attempt["worker"]) == ("failed", ERROR, "worker")
        assert (attempt["run"], attempt["attempt"], attempt["logs"]) == (1, 1, ["one", "two"])
        assert plain(attempt)["finishedAt"] == TIME
        assert attempt["duration"] == attempt["finishedAt"] - attempt["executionTime"]

    def test_the_log_goes_on(self, storage: Storage, scenario: Scenario) -> None:
        scenario.retry("#.a", outcome=failed(logs=["one"]))
        assert scenario.last_event()["logs"] == {"#.a": {"from": 0, "lines": ["one"]}}
        scenario.do("#.a", ok("#.a", logs=["two"]))
        assert storage.get_logs(scenario.id, ["#.a"]) == {"#.a": ["one", "two"]}
        assert scenario.last_event()["logs"] == {"#.a": {"from": 1, "lines": ["two"]}}

    def test_by_what_the_token_begins_with(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", "worker.7.x")
        assert not scenario.retry("#.a", token="worker.8.*").recorded
        assert scenario.retry("#.a", token="worker.7.*").recorded

    def test_its_holder_has_nothing_any_more(self, storage: Storage, scenario: Scenario) -> None:
        scenario.retry("#.a")
        assert scenario.grip("#.a") is Grip.LOST
        assert not scenario.complete("#.a", ok("#.a")).recorded
        assert storage.append_logs(scenario.id, "#.a", 1, token="token", lines=["late"]) is Grip.LOST

    def test_timers_are_gone(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", lease=GONE, timeout=GONE)
        scenario.retry("#.a")
        assert scenario.due() == []


class TestRetryLater(Retrying):
    def test_not_claimed_before(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.snapshot
        done = scenario.retry("#.a", LATER)
        assert (done.recorded, list(done.queued)) == (True, [])
        record = scenario.task("#.a")
        assert record["status"] == "queued"
        assert record["retryAt"] == record["queuedAt"] + LATER
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks
        assert scenario.claim("#.a", "next").state == "early"
        assert scenario.due() == []
        assert soon(storage.lanes) == []

    def test_due_when_its_time_has_come(self, scenario: Scenario) -> None:
        scenario.retry("#.a", LATER)
        scenario.bring_due("retry", "#.a")
        assert scenario.due() == [Due("retry", scenario.id, "#.a", 1, None)]
        assert scenario.claim("#.a", "next").state == "early", "until it is released"

    def test_release(self, storage: Storage, scenario: Scenario) -> None:
        scenario.retry("#.a", LATER)
        scenario.bring_due("retry", "#.a")
        before = scenario.snapshot
        assert storage.release(scenario.id, "#.a", 1) is True
        assert storage.release(scenario.id, "#.a", 1) is False
        assert scenario.due() == []
        assert scenario.task("#.a")["retryAt"] is None
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks
        assert soon(lambda: [lane.length for lane in storage.lanes()]) == [1]
        assert scenario.claim("#.a", "next").state == "granted"

    def test_release_of_anything_else(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.snapshot
        for path, run in (("#.a", 1), ("#.b", 1), ("#.nobody", 1)):
            assert storage.release(scenario.id, path, run) is False
        assert storage.release("nobody", "#.a", 1) is False
        assert scenario.snapshot == before
        scenario.retry("#.a", LATER)
        for run in (0, 2):
            assert storage.release(scenario.id, "#.a", run) is False
        assert scenario.task("#.a")["retryAt"] is not None

    def test_ended_while_it_waits(self, scenario: Scenario) -> None:
        scenario.retry("#.a", LATER)
        scenario.bring_due("retry", "#.a")
        before = scenario.snapshot
        assert scenario.complete("#.a", failed(), None).finished == "failed"
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks
        record = scenario.task("#.a")
        assert (record["status"], record["retryAt"]) == ("failed", None)
        assert scenario.kinds() == set()


class TestRetryAgain(Retrying):
    @pytest.mark.parametrize("delay", [0, LATER])
    def test_answered_as_before(self, scenario: Scenario, delay: int) -> None:
        first = scenario.retry("#.a", delay)
        before = scenario.snapshot
        for token in ("token", "tok*"):
            assert scenario.retry("#.a", delay, token=token) == first
        assert scenario.snapshot == before
        assert len(scenario.attempts("#.a")) == 1

    def test_what_was_claimed_since_is_not_to_be_published(self, scenario: Scenario) -> None:
        scenario.retry("#.a")
        scenario.claim("#.a", "next")
        before = scenario.snapshot
        again = scenario.retry("#.a")
        assert (again.recorded, list(again.queued)) == (True, [])
        assert scenario.snapshot == before

    def test_not_in_another_run(self, scenario: Scenario) -> None:
        scenario.retry("#.a")
        scenario.do("#.a", failed(), "next")
        scenario.start()
        scenario.claim("#.a", "next")
        assert not scenario.retry("#.a").recorded


class TestRetryRefused(Retrying):
    @pytest.mark.parametrize(
        ("path", "run", "token"),
        [("#.a", 1, "other"), ("#.a", 1, "toke"), ("#.a", 0, "token"), ("#.a", 2, "token"), ("#.b", 1, "token")],
    )
    def test_not_held(self, storage: Storage, scenario: Scenario, path: str, run: int, token: str) -> None:
        before = scenario.snapshot
        done = storage.retry(scenario.id, path, run, token=token, outcome=failed(), delay=0)
        assert (done.recorded, list(done.queued)) == (False, [])
        assert scenario.snapshot == before
        assert scenario.attempts("#.a") == []

    def test_unknown(self, storage: Storage) -> None:
        assert not storage.retry("nobody", "#.a", 1, token="t", outcome=failed(), delay=0).recorded

    def test_asked_to_stop(self, storage: Storage, scenario: Scenario) -> None:
        storage.cancel(scenario.id, "#.a")
        before = scenario.snapshot
        assert not scenario.retry("#.a").recorded
        assert not scenario.retry("#.a", LATER).recorded
        assert scenario.snapshot == before
        assert scenario.complete("#.a", failed()).recorded
