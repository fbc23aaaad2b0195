"""What comes due, in which order, and until when; elections among those who see to it."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import EPHEMERAL_KEPT, NOTICE_DELAY, Due, Flow, Outcome, RunSelection, Waiting
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import (
    GONE,
    Scenario,
    cancelled,
    comes_due,
    failed,
    lengths,
    ok,
    pass_time,
    skipped,
    task,
)


class TestNotices:
    """A failure and the end of a run, of which somebody has to be told."""

    def test_of_an_end(self, scenario: Scenario) -> None:
        scenario.do("#.a")
        assert scenario.due() == []
        assert comes_due(scenario.storage, NOTICE_DELAY, scenario.instance.finished_at)
        scenario.bring_due("ended", detail="1 done")
        due = Due("ended", scenario.id, "#", 1, None, "1 done")
        assert scenario.due() == [due]
        scenario.storage.settle(due)
        assert scenario.due() == []
        assert soon(scenario.storage.next_due).none

    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        return scenario

    def test_of_a_failure(self, scenario: Scenario) -> None:
        scenario.do("#.a", failed())
        assert scenario.due() == []
        scenario.bring_due("failed", "#.a")
        scenario.bring_due("ended", detail="1 failed")
        assert scenario.kinds() == {("failed", "#.a"), ("ended", "#")}
        # Whoever recorded it settles what he knows of, without token and with any run.
        scenario.storage.settle(Due("failed", scenario.id, "#.a", 9, "any"))
        assert scenario.kinds() == {("ended", "#")}

    @pytest.mark.parametrize("outcome", [ok("#.a"), skipped(), cancelled()], ids=["ok", "skipped", "cancelled"])
    def test_no_failure(self, scenario: Scenario, outcome: Outcome) -> None:
        scenario.do("#.a", outcome)
        scenario.bring_due("failed", "#.a")
        assert scenario.due() == []

    def test_of_a_tolerated_failure(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", on_failure="continue"), task("b"))
        scenario.start()
        scenario.do("#.a", failed(tolerated=True))
        scenario.bring_due("failed", "#.a")
        assert scenario.kinds() == {("failed", "#.a")}

    def test_an_end_outlives_the_next_start(self, scenario: Scenario) -> None:
        scenario.do("#.a", failed())
        scenario.start()
        scenario.do("#.a")
        for detail in ("1 failed", "2 done"):
            scenario.bring_due("ended", detail=detail)
        assert {due.detail: due.run for due in scenario.due().of(2)} == {"1 failed": 2, "2 done": 2}
        scenario.storage.settle(Due("ended", scenario.id, "#", 2, None, "2 done"))
        assert [due.detail for due in scenario.due().of(1)] == ["1 failed"]

    def test_of_a_run_of_no_tasks(self, storage: Storage) -> None:
        scenario = Scenario(storage, ephemeral=True)
        scenario.start()
        for kind, detail in (("ended", "1 done"), ("ephemeral", "")):
            scenario.bring_due(kind, detail=detail)
        assert scenario.kinds() == {("ended", "#"), ("ephemeral", "#")}

    def test_of_a_reverted_run_there_is_none(self, scenario: Scenario) -> None:
        scenario.storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"})
        assert soon(scenario.storage.next_due).none

    def test_what_an_end_removes_is_not_what_it_sets(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.c", lease=GONE)
        scenario.do("#.a.b", failed(), "other")
        scenario.bring_due("failed", "#.a.b")
        assert scenario.kinds() == {("failed", "#.a.b"), ("lease", "#.a.c")}


class TestEphemeral:
    def ended(self, storage: Storage, *, ephemeral: bool = True, selection: RunSelection | None = None) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"), ephemeral=ephemeral)
        scenario.start(selection)
        scenario.do("#.a", failed() if selection is None else None)
        scenario.bring_due("ephemeral")
        return scenario

    def test_due_after_a_run(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), ephemeral=True)
        scenario.start()
        scenario.do("#.a")
        assert soon(storage.next_due).between(0, NOTICE_DELAY), (
            "first the end is told of: nobody can tell of what is gone"
        )
        storage.settle(Due("ended", scenario.id, "#", 1, None, "1 done"))
        assert comes_due(storage, EPHEMERAL_KEPT, scenario.instance.finished_at)
        assert self.ended(storage).kinds() == {("ephemeral", "#")}

    def test_not_of_others(self, storage: Storage) -> None:
        assert self.ended(storage, ephemeral=False).due() == []

    def test_not_while_tasks_are_inactive(self, storage: Storage) -> None:
        assert self.ended(storage, selection=RunSelection(["#.a"], ["#.a"], {})).due() == []

    def test_not_while_it_runs_again(self, storage: Storage) -> None:
        scenario = self.ended(storage)
        scenario.start()
        assert scenario.due() == []
        scenario.do("#.a", failed())
        assert scenario.due() == [], "the time begins anew"

    def test_not_after_a_reset(self, storage: Storage) -> None:
        scenario = self.ended(storage)
        storage.reset(scenario.id, ["#.a"])
        assert scenario.due() == []


class TestWaiting:
    def started(self, storage: Storage, timeout: int | None = GONE) -> Scenario:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        selection = RunSelection(list(scenario.plan.nodes), ["#.a"], {"#.a": 2}, waiting={"#.a": Waiting("", timeout)})
        scenario.start(selection)
        return scenario

    def test_due_when_nobody_takes_it(self, storage: Storage) -> None:
        scenario = self.started(storage)
        assert scenario.due() == [Due("waiting", scenario.id, "#.a", 1, None)]

    def test_not_without_a_limit(self, storage: Storage) -> None:
        self.started(storage, None)
        assert soon(storage.next_due).none

    def test_gone_with_a_claim(self, storage: Storage) -> None:
        scenario = self.started(storage)
        scenario.claim("#.a")
        assert scenario.due() == []

    def test_gone_with_an_outcome(self, storage: Storage) -> None:
        scenario = self.started(storage)
        scenario.complete("#.a", failed(), None)
        assert scenario.due() == []

    def test_gone_with_a_reverted_start(self, storage: Storage) -> None:
        scenario = self.started(storage)
        storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"})
        assert scenario.due() == []
        assert soon(storage.next_due).none

    def test_of_what_an_outcome_queues(self, storage: Storage) -> None:
        scenario = self.started(storage, None)
        scenario.claim("#.a")
        flow = scenario.plan.flow("#.a")
        flow = Flow(flow.children, flow.subtree, flow.joins, flow.following, waiting={"#.a.c": Waiting("slow", GONE)})
        storage.complete(scenario.id, "#.a", 1, token="token", outcome=ok("#.a"), flow=flow)
        assert scenario.kinds() == {("waiting", "#.a.c")}
        assert soon(lengths, storage) == {"": 1, "slow": 1}

    def test_again_when_it_is_queued_again(self, storage: Storage) -> None:
        scenario = self.started(storage)
        scenario.claim("#.a")
        scenario.lose("#.a")
        assert scenario.kinds() == {("waiting", "#.a")}
        scenario.claim("#.a")
        scenario.retry("#.a", 600_000)
        assert scenario.due() == [], "it does not wait for a worker yet"
        storage.release(scenario.id, "#.a", 1)
        assert scenario.kinds() == {("waiting", "#.a")}

    def test_of_a_paused_instance_it_is_put_off(self, storage: Storage) -> None:
        scenario = self.started(storage)
        storage.pause(scenario.id, True)
        assert scenario.due() == []
        assert soon(storage.next_due).between(0, NOTICE_DELAY)
        storage.pause(scenario.id, False)
        scenario.bring_due("waiting", "#.a")
        assert scenario.kinds() == {("waiting", "#.a")}


class TestDue:
    def test_nothing(self, storage: Storage) -> None:
        assert soon(storage.due) == []
        assert soon(storage.next_due).none
        Scenario(storage, task("a")).start()
        assert soon(storage.next_due).none

    def test_the_earliest_first_and_so_many_at_most(self, storage: Storage) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(5)]
        for scenario in reversed(scenarios):
            scenario.start()
            scenario.claim("#.a", lease=GONE)
            pass_time()
        expected = [scenario.id for scenario in reversed(scenarios)]
        assert [due.instance_id for due in soon(storage.due).of(5)] == expected
        assert [due.instance_id for due in storage.due(limit=2)] == expected[:2]
        assert soon(storage.next_due) == 0

    def test_those_that_do_not_apply_do_not_fill_the_limit(self, storage: Storage) -> None:
        ended = [Scenario(storage, task("a")) for _ in range(4)]
        for scenario in ended:
            scenario.start()
            scenario.claim("#.a", lease=GONE)
            scenario.complete("#.a", ok("#.a"))
            storage.settle(Due("ended", scenario.id, "#", 1, None, "1 done"))
        pass_time()
        last = Scenario(storage, task("a"))
        last.start()
        last.claim("#.a", lease=GONE)
        assert soon(lambda: {due.instance_id for _ in range(10) for due in storage.due(limit=1)}) == {last.id}

    def test_next_is_the_earliest(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.b", lease=500_000)
        scenario.claim("#.a.c", lease=300_000, timeout=400_000)
        assert soon(storage.next_due).between(200_000, 300_000)

    def test_settle_leaves_what_only_a_change_ends(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", lease=GONE)
        [due] = scenario.due().of(1)
        storage.settle(due)
        assert scenario.due() == [due]

    def test_postpone(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", lease=GONE)
        [due] = scenario.due().of(1)
        storage.postpone(due, 600_000)
        assert scenario.due() == []
        assert soon(storage.next_due).between(500_000, 600_000)
        storage.postpone(due, 0)
        assert scenario.due() == [due]

    def test_postpone_makes_none(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        for kind in ("lease", "waiting", "retry", "failed", "ended", "ephemeral", "undo"):
            scenario.bring_due(kind, "#.a")
            scenario.bring_due(kind)
        storage.postpone(Due("lease", "nobody", "#.a", 1, None), 0)
        storage.settle(Due("ended", "nobody", "#", 1, None, "1 done"))
        assert soon(storage.due) == []
        assert soon(storage.next_due).none

    def test_none_of_a_deleted_instance(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", lease=GONE)
        storage.delete_instance(scenario.id)
        assert soon(storage.due) == []
        assert soon(storage.next_due).none


class TestElect:
    def test_one_at_a_time(self, storage: Storage) -> None:
        assert storage.elect("recovery", "one", 600_000) is True
        assert storage.elect("recovery", "two", 600_000) is False
        assert storage.elect("recovery", "one", 600_000) is True
        assert storage.elect("another", "two", 600_000) is True

    def test_the_next_when_the_time_is_over(self, storage: Storage) -> None:
        assert storage.elect("recovery", "one", 1) is True
        pass_time(5)
        assert storage.elect("recovery", "two", 600_000) is True
        assert storage.elect("recovery", "one", 600_000) is False

    def test_resign(self, storage: Storage) -> None:
        storage.resign("recovery", "nobody")
        storage.elect("recovery", "one", 600_000)
        storage.resign("recovery", "two")
        assert storage.elect("recovery", "two", 600_000) is False
        storage.resign("recovery", "one")
        assert storage.elect("recovery", "two", 600_000) is True
