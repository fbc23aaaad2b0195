"""Earlier attempts that stay readable, and records that are put back."""

from __future__ import annotations

import json

import pytest

from jobs_flow.errors import InstanceBusy, InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import (
    ATTEMPT_FIELDS,
    ATTEMPT_LOG_LINES,
    ATTEMPTS_KEPT,
    VIEW_BODY_LIMIT,
    Outcome,
    RunSelection,
)
from jobs_flow.testing.scenario import ERROR, INITIAL, INITIAL_DETAILS, Scenario, failed, ok, skipped, task


class TestAttempts:
    def test_none(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        assert scenario.attempts("#.a") == scenario.attempts("#.nobody") == storage.get_attempts("nobody", "#.a") == []
        scenario.start()
        scenario.do("#.a")
        assert scenario.attempts("#.a") == [], "the present one is the record"

    def test_a_run_keeps_what_the_one_before_left(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a", ok("#.a", {"n": 1}, logs=["one"]))
        scenario.do("#.b", failed())
        before = {path: scenario.task(path) for path in ("#.a", "#.b")}
        scenario.start()
        for path, logs in (("#.a", ["one"]), ("#.b", [])):
            [attempt] = scenario.attempts(path)
            assert set(attempt) == set(ATTEMPT_FIELDS)
            assert attempt.pop("logs") == logs
            assert attempt == {name: before[path][name] for name in attempt}

    def test_only_where_there_was_something(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a", failed())
        scenario.start()
        assert (len(scenario.attempts("#.a")), scenario.attempts("#.b")) == (1, [])

    def test_skipped_along_is_something(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b")))
        scenario.start()
        scenario.do("#.a", skipped())
        scenario.start()
        assert [(each["attempt"], each["status"]) for each in scenario.attempts("#.a.b")] == [(0, "skipped")]

    def test_not_of_what_the_run_leaves_alone(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.b", failed())
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert (scenario.attempts("#.a"), len(scenario.attempts("#.b"))) == ([], 1)

    def test_oldest_first_over_runs_and_tries(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        for _ in range(2):
            scenario.start()
            scenario.claim("#.a")
            scenario.retry("#.a")
            scenario.claim("#.a")
            scenario.lose("#.a")
            scenario.do("#.a", failed())
        scenario.start()
        found = [(each["run"], each["attempt"], each["status"]) for each in scenario.attempts("#.a")]
        expected = [(1, "failed"), (2, "lost"), (3, "failed")]
        assert found == [(run, attempt, status) for run in (1, 2) for attempt, status in expected]

    def test_so_many_are_kept(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        for _ in range(ATTEMPTS_KEPT + 3):
            scenario.claim("#.a")
            scenario.retry("#.a")
        found = [each["attempt"] for each in scenario.attempts("#.a")]
        assert found == list(range(4, ATTEMPTS_KEPT + 4))

    def test_so_many_log_lines_are_kept(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        lines = [f"☂ {number}" for number in range(ATTEMPT_LOG_LINES + 5)]
        scenario.do("#.a", failed(logs=lines))
        scenario.start()
        assert scenario.attempts("#.a")[0]["logs"] == lines[5:]
        assert storage.get_logs(scenario.id, ["#.a"]) == {"#.a": []}

    @pytest.mark.parametrize(("size", "kept"), [(VIEW_BODY_LIMIT, True), (VIEW_BODY_LIMIT + 1, False)])
    def test_a_large_body_is_left_out(self, storage: Storage, size: int, kept: bool) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        text = json.dumps("x" * (size - 2))
        scenario.do("#.a", Outcome("failed", text, "#.a", error=ERROR))
        scenario.start()
        [attempt] = scenario.attempts("#.a")
        assert (attempt["body"], attempt["bodySize"]) == (json.loads(text) if kept else None, size)


class TestReset:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """A run that has failed at the second of three."""
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start(argument="1")
        scenario.do("#.a", ok("#.a", "kept", updaters="[1]", logs=["line"]))
        scenario.do("#.b", failed())
        return scenario

    def test_some(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.task("#.a")
        header = storage.reset(scenario.id, ["#.b", "#.nobody"])
        assert header == scenario.instance
        assert (header.status, header.run, header.error) == ("inactive", 1, None)
        assert {status: n for status, n in header.counts.items() if n} == {"ok": 1, "inactive": 2}
        assert scenario.task("#.a") == before
        record = scenario.task("#.b")
        assert {**record, "run": 0} == INITIAL | INITIAL_DETAILS
        assert scenario.last_event() == {"run": 1, "reset": True}

    def test_all(self, storage: Storage, scenario: Scenario) -> None:
        storage.reset(scenario.id, list(scenario.plan.nodes))
        assert {**scenario.task("#.a"), "run": 0} == INITIAL | INITIAL_DETAILS
        assert storage.get_logs(scenario.id, ["#.a"]) == {"#.a": []}
        assert set(scenario.statuses.values()) == {"inactive"}

    def test_attempts_are_kept(self, storage: Storage, scenario: Scenario) -> None:
        storage.reset(scenario.id, list(scenario.plan.nodes))
        [attempt] = scenario.attempts("#.a")
        assert (attempt["run"], attempt["status"], attempt["body"], attempt["logs"]) == (1, "ok", "kept", ["line"])
        assert [attempt["error"] for attempt in scenario.attempts("#.b")] == [ERROR]
        assert scenario.attempts("#.c") == []

    def test_a_failure_is_told_no_more(self, storage: Storage, scenario: Scenario) -> None:
        storage.reset(scenario.id, ["#.b"])
        scenario.bring_due("failed", "#.b")
        assert scenario.due() == []

    def test_the_next_run(self, storage: Storage, scenario: Scenario) -> None:
        storage.reset(scenario.id, ["#.b"])
        assert scenario.start().run == 2
        assert scenario.claim("#.a").argument is None

    def test_working(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        before = scenario.snapshot
        with pytest.raises(InstanceBusy):
            storage.reset(scenario.id, ["#.a"])
        assert scenario.snapshot == before

    def test_unknown(self, storage: Storage) -> None:
        with pytest.raises(InstanceNotFound):
            storage.reset("nobody", ["#.a"])
