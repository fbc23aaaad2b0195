"""Undoing what finished tasks did: one at a time, the latest first, whatever dies meanwhile."""

from __future__ import annotations

import pytest

from jobs_flow.errors import CannotStart, InstanceBusy, InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import NOTICE_DELAY, Due, Grip, Hold, Outcome, Started, UndoClaim, Undone
from jobs_flow.testing.scenario import (
    ERROR,
    GONE,
    LEASE,
    Scenario,
    cancelled,
    comes_due,
    failed,
    merge,
    ok,
    pass_time,
    task,
)

UNDO_ERROR = {"code": "UNDO_FAILED", "message": "it cannot be undone"}


class Ended:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """#.c was ended before #.b, both are ok as #.a; #.d has failed."""
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"), ephemeral=True)
        scenario.start()
        for path in ("#.a", "#.a.c", "#.a.b"):
            scenario.do(path, ok(path, f"result of {path}"))
            pass_time()
        scenario.do("#.d", failed())
        return scenario


def begin(scenario: Scenario, *paths: str) -> Started | None:
    begun = scenario.storage.begin_undo(scenario.id, paths or list(scenario.plan.nodes))
    scenario.run = scenario.run if begun is None else begun.run
    return begun


def claim(scenario: Scenario, token: str = "token", lease: int = LEASE, run: int | None = None) -> UndoClaim:
    run = scenario.run if run is None else run
    return scenario.storage.claim_undo(scenario.id, run, token=token, worker="worker", lease=lease)


def end(scenario: Scenario, path: str, token: str = "token", error: dict[str, str] | None = None) -> Undone:
    return scenario.storage.end_undo(scenario.id, scenario.run, path, token=token, error=error)


def undos(scenario: Scenario) -> dict[str, str | None]:
    return {path: view["undo"] for path, view in scenario.snapshot.tasks.items() if view["undo"] is not None}


class TestUndoBegin(Ended):
    def test_finished_tasks_are_queued_to_be_undone(self, scenario: Scenario) -> None:
        before = scenario.snapshot
        begun = begin(scenario)
        assert begun == Started(2, before.seq + 1)
        header = scenario.instance
        assert (header.status, header.run, header.undo) == ("working", 2, "running")
        assert undos(scenario) == {"#.a": "queued", "#.a.b": "queued", "#.a.c": "queued"}
        assert scenario.statuses == {path: view["status"] for path, view in before.tasks.items()}
        assert scenario.last_event() == {"run": 2, "reset": True}

    def test_of_those_that_are_asked_for(self, scenario: Scenario) -> None:
        assert begin(scenario, "#.d", "#.a.b", "#.nobody") is not None
        assert undos(scenario) == {"#.a.b": "queued"}

    def test_nothing_to_undo(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.instance
        assert begin(scenario, "#.d") is None
        header = scenario.instance
        assert (header.status, header.run, header.undo) == (before.status, before.run, "done")
        scenario.bring_due("undo")
        assert scenario.due() == []

    def test_due_if_nobody_begins(self, storage: Storage, scenario: Scenario) -> None:
        storage.settle(Due("failed", scenario.id, "#.d", 1, None))
        storage.settle(Due("ended", scenario.id, "#", 1, None, "1 failed"))
        before = storage.now()
        begin(scenario)
        after = storage.now()
        assert scenario.due() == []
        assert comes_due(storage, NOTICE_DELAY, before, after)
        scenario.bring_due("undo")
        [due] = scenario.due().of(1)
        assert (due.kind, due.path, due.run, due.detail) == ("undo", "#", 2, "")

    def test_an_ephemeral_instance_is_not_deleted_meanwhile(self, scenario: Scenario) -> None:
        begin(scenario)
        scenario.bring_due("ephemeral")
        assert scenario.due() == []

    def test_working(self, scenario: Scenario) -> None:
        begin(scenario)
        before = scenario.snapshot
        with pytest.raises(InstanceBusy):
            begin(scenario)
        with pytest.raises(CannotStart):
            scenario.start()
        with pytest.raises(InstanceBusy):
            scenario.storage.reset(scenario.id, ["#.a"])
        assert scenario.snapshot == before

    def test_no_start_that_can_be_reverted(self, storage: Storage, scenario: Scenario) -> None:
        begin(scenario)
        before = scenario.snapshot
        assert storage.revert_run(scenario.id, 2, ERROR) is False
        assert scenario.snapshot == before
        assert claim(scenario).state == "granted"

    def test_unknown(self, storage: Storage) -> None:
        with pytest.raises(InstanceNotFound):
            storage.begin_undo("nobody", ["#.a"])

    def test_messages_of_the_run_before_are_stale(self, scenario: Scenario) -> None:
        begin(scenario)
        assert scenario.claim("#.a", run=1).state == "stale"
        assert scenario.claim("#.a", run=2).state == "stale"


class TestUndoClaim(Ended):
    def test_the_latest_first(self, scenario: Scenario) -> None:
        begin(scenario)
        order = []
        for _ in range(3):
            claimed = claim(scenario)
            assert claimed.body == f'"result of {claimed.path}"'
            assert claimed.header == scenario.instance
            order.append(claimed.path)
            assert end(scenario, claimed.path).recorded
        assert order == ["#.a.b", "#.a.c", "#.a"]

    def test_of_equal_times_the_later_of_the_paths(self, storage: Storage) -> None:
        # Those that ended at one time are known only when they are there; the same clock gives both sometimes.
        names = [f"n{number}" for number in range(40)]
        scenario = Scenario(storage, *map(task, names))
        scenario.start()
        for name in names:
            scenario.do(f"#.{name}")
        paths = [f"#.{name}" for name in names[::2] + names[1::2]]
        begin(scenario, *paths)
        ended = {path: scenario.task(path)["finishedAt"] for path in paths}
        expected = sorted(paths, key=lambda path: (ended[path], paths.index(path)), reverse=True)
        order = []
        while (claimed := claim(scenario)).state == "granted":
            order.append(claimed.path)
            end(scenario, claimed.path)
        assert order == expected

    def test_its_view(self, scenario: Scenario) -> None:
        begin(scenario)
        before = scenario.snapshot
        claim(scenario)
        assert undos(scenario)["#.a.b"] == "running"
        assert scenario.last_event() == {"run": 2, "tasks": {"#.a.b": {"undo": "running"}}}
        assert scenario.instance.seq == before.seq + 1

    def test_answered_again(self, scenario: Scenario) -> None:
        begin(scenario)
        first = claim(scenario)
        before = scenario.snapshot
        assert claim(scenario) == first
        assert scenario.snapshot == before

    @pytest.mark.parametrize(("body", "said"), [("null", None), ("false", "false"), (None, None)])
    def test_null_is_none(self, storage: Storage, body: str | None, said: str | None) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a", Outcome("ok", body=body, source="#.a"))
        begin(scenario)
        assert claim(scenario).body == said

    def test_one_at_a_time(self, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario)
        assert claim(scenario, "other").state == "running"

    def test_given_again_when_its_lease_has_run_out(self, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario, lease=GONE)
        assert ("undo", "#") in scenario.kinds()
        claimed = claim(scenario, "other")
        assert (claimed.state, claimed.path) == ("granted", "#.a.b")
        assert not end(scenario, "#.a.b").recorded, "somebody else has it"
        assert end(scenario, "#.a.b", "other").recorded

    def test_also_when_whoever_saw_that_has_put_the_timer_off(self, storage: Storage, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario, lease=GONE)
        [due] = (due for due in scenario.due().of(2) if due.kind == "undo")
        storage.postpone(due, LEASE)
        assert claim(scenario, "other").state == "granted"
        assert claim(scenario, "third").state == "running"

    def test_how_often_its_lease_has_run_out(self, scenario: Scenario) -> None:
        begin(scenario)
        found = [claim(scenario, token, lease=GONE).losses for token in ("a", "b", "b", "c")]
        assert found == [0, 1, 1, 2]
        assert end(scenario, "#.a.b", "c").recorded
        assert claim(scenario).losses == 0

    def test_renewed_by_who_holds_it(self, storage: Storage, scenario: Scenario) -> None:
        begin(scenario)
        hold = Hold(scenario.id, "#", 2)
        assert storage.renew([hold], holder="work", lease=LEASE) == [Grip.LOST], "nobody holds it"
        claim(scenario, "worker.1.x", lease=GONE)
        assert storage.renew([hold], holder="other", lease=LEASE) == [Grip.LOST]
        assert claim(scenario, "other").state == "granted"
        claim(scenario, "worker.2.x", lease=GONE)
        assert storage.renew([hold], holder="worker.", lease=LEASE) == [Grip.LOST]
        assert storage.renew([hold, Hold(scenario.id, "#", 1)], holder="other", lease=GONE) == [Grip.HELD, Grip.LOST]
        assert claim(scenario, "worker.2.x").state == "granted"

    def test_held_whatever_was_cancelled(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a")
        storage.cancel(scenario.id, "#", undo=True)
        scenario.complete("#.b", cancelled(), None)
        begin(scenario)
        claim(scenario)
        assert storage.renew([Hold(scenario.id, "#", 2)], holder="token", lease=LEASE) == [Grip.HELD]

    def test_over(self, storage: Storage, scenario: Scenario) -> None:
        assert storage.claim_undo("nobody", 1, token="t", worker="w", lease=LEASE).state == "over"
        assert claim(scenario).state == "over"
        begin(scenario)
        assert [claim(scenario, run=run).state for run in (1, 3)] == ["over", "over"]
        for path in ("#.a.b", "#.a.c", "#.a"):
            claim(scenario)
            end(scenario, path)
        assert claim(scenario).state == "over"

    def test_not_of_a_run(self, scenario: Scenario) -> None:
        scenario.start()
        assert claim(scenario).state == "over"


class TestUndoEnd(Ended):
    def test_undone(self, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario)
        before = scenario.snapshot
        assert end(scenario, "#.a.b") == Undone(True, more=True)
        record = scenario.task("#.a.b")
        assert (record["status"], record["undo"], record["undoError"]) == ("cancelled", "ok", None)
        [attempt] = scenario.attempts("#.a.b")
        assert (attempt["status"], attempt["run"], attempt["body"]) == ("ok", 1, "result of #.a.b")
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks
        assert scenario.instance.counts["cancelled"] == 1
        scenario.bring_due("undo")
        assert ("undo", "#") in scenario.kinds()

    def test_the_last_one(self, scenario: Scenario) -> None:
        begin(scenario)
        for path in ("#.a.b", "#.a.c"):
            claim(scenario)
            end(scenario, path)
        claim(scenario, lease=GONE)
        assert end(scenario, "#.a") == Undone(True, finished="cancelled")
        header = scenario.instance
        assert (header.status, header.undo) == ("cancelled", "done")
        assert header.finished_at is not None
        assert scenario.statuses == {"#.a": "cancelled", "#.a.b": "cancelled", "#.a.c": "cancelled", "#.d": "failed"}
        event = scenario.last_event()["instance"]
        assert (event["status"], event["undo"]) == ("cancelled", "done")
        scenario.bring_due("undo")
        scenario.bring_due("ended", detail="2 cancelled")
        scenario.bring_due("ephemeral")
        assert scenario.kinds() == {("ended", "#"), ("ephemeral", "#")}

    def test_one_that_cannot_be(self, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario)
        end(scenario, "#.a.b")
        claim(scenario)
        before = scenario.snapshot
        assert end(scenario, "#.a.c", error=UNDO_ERROR) == Undone(True, finished="failed")
        header = scenario.instance
        assert (header.status, header.undo, header.error) == ("failed", "failed", {**UNDO_ERROR, "path": "#.a.c"})
        record = scenario.task("#.a.c")
        assert (record["status"], record["undo"], record["undoError"]) == ("ok", "failed", UNDO_ERROR)
        assert scenario.statuses["#.a"] == "ok", "the others are not undone"
        assert merge(before.tasks, scenario.events(before.seq)) == scenario.snapshot.tasks
        assert claim(scenario).state == "over"
        scenario.bring_due("undo")
        scenario.bring_due("ended", detail="2 failed")
        assert scenario.kinds() == {("ended", "#")}

    def test_again_after_one_could_not_be(self, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario)
        end(scenario, "#.a.b", error=UNDO_ERROR)
        assert begin(scenario) is not None
        assert undos(scenario) == {"#.a": "queued", "#.a.b": "queued", "#.a.c": "queued"}
        assert scenario.task("#.a.b")["undoError"] is None
        assert claim(scenario).path == "#.a.b"

    def test_answered_again(self, scenario: Scenario) -> None:
        begin(scenario)
        for path in ("#.a.b", "#.a.c", "#.a"):
            claim(scenario, path)
            first = end(scenario, path, path)
            before = scenario.snapshot
            assert end(scenario, path, path) == first
            assert scenario.snapshot == before

    def test_answered_again_when_it_could_not_be(self, scenario: Scenario) -> None:
        begin(scenario)
        claim(scenario)
        first = end(scenario, "#.a.b", error=UNDO_ERROR)
        assert end(scenario, "#.a.b", error=UNDO_ERROR) == first

    def test_refused(self, storage: Storage, scenario: Scenario) -> None:
        assert not end(scenario, "#.a.b").recorded
        begin(scenario)
        assert not end(scenario, "#.a.b").recorded
        claim(scenario)
        before = scenario.snapshot
        assert not end(scenario, "#.a.b", "other").recorded
        assert not end(scenario, "#.a.c").recorded
        assert not storage.end_undo(scenario.id, 1, "#.a.b", token="token", error=None).recorded
        assert not storage.end_undo("nobody", 2, "#.a.b", token="token", error=None).recorded
        assert scenario.snapshot == before

    def test_the_next_run_begins_without(self, scenario: Scenario) -> None:
        begin(scenario)
        for path in ("#.a.b", "#.a.c", "#.a"):
            claim(scenario)
            end(scenario, path)
        scenario.start()
        assert scenario.instance.undo is None
        assert undos(scenario) == {}
        assert [attempt["status"] for attempt in scenario.attempts("#.a")] == ["ok", "cancelled"]
        assert scenario.attempts("#.d")[0]["error"] == ERROR
