"""What is removed some time after its run: when that comes due, what puts it off, and what is never removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import EPHEMERAL_KEPT, Due, RunSelection
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import ERROR, GONE, Scenario, cancelled, failed, ok, pass_time, task
from jobs_flow.workflows.selection import select_all

#: Longer than any test, and than any timer of an end.
KEEP = 86_400_000


def kept(storage: Storage, keep: int | None = KEEP, **header: Any) -> Scenario:
    """An instance of one task whose run is going on."""
    scenario = Scenario(storage, task("a"), **header)
    scenario.start(replace(select_all(scenario.plan), keep=keep))
    return scenario


def over(storage: Storage, keep: int | None = GONE, status: str = "ok", **header: Any) -> Scenario:
    """One whose run is over and told of."""
    scenario = kept(storage, keep, **header)
    outcome = {"ok": ok("#.a"), "failed": failed(), "cancelled": cancelled()}[status]
    finished = scenario.do("#.a", outcome).finished
    storage.settle(Due("ended", scenario.id, "#", 1, None, f"1 {finished}"))
    storage.settle(Due("failed", scenario.id, "#.a", 1, None))
    return scenario


def undo(scenario: Scenario) -> None:
    """Undo the one task."""
    started = scenario.storage.begin_undo(scenario.id, ["#.a"])
    assert started is not None
    scenario.run = started.run
    claim = scenario.storage.claim_undo(scenario.id, scenario.run, token="undo", worker="w", lease=600_000)
    assert claim.path == "#.a"
    assert scenario.storage.end_undo(scenario.id, scenario.run, "#.a", token="undo", error=None).finished
    scenario.storage.settle(Due("ended", scenario.id, "#", scenario.run, None, f"{scenario.run} cancelled"))


class TestKeep:
    """The timer ``expired``."""

    @pytest.mark.parametrize("status", ["ok", "failed", "cancelled"])
    def test_is_counted_from_the_finish(self, storage: Storage, status: str) -> None:
        scenario = kept(storage)
        assert soon(storage.next_due).none
        outcome = {"ok": ok("#.a"), "failed": failed(), "cancelled": cancelled()}[status]
        finished = scenario.do("#.a", outcome).finished
        storage.settle(Due("ended", scenario.id, "#", 1, None, f"1 {finished}"))
        storage.settle(Due("failed", scenario.id, "#.a", 1, None))
        assert soon(storage.next_due).between(KEEP - 60_000, KEEP)
        scenario.bring_due("expired")
        assert scenario.due() == [Due("expired", scenario.id, "#", 1, None)]

    def test_without_it_nothing_comes_due(self, storage: Storage) -> None:
        over(storage, None)
        assert soon(storage.next_due).none

    def test_is_that_of_the_latest_run(self, storage: Storage) -> None:
        scenario = over(storage)
        scenario.start(select_all(scenario.plan))
        scenario.do("#.a")
        storage.settle(Due("ended", scenario.id, "#", 2, None, "2 done"))
        scenario.bring_due("expired")
        assert scenario.due() == []

    def test_an_ephemeral_instance_has_its_own(self, storage: Storage) -> None:
        scenario = over(storage, ephemeral=True)
        assert soon(storage.next_due).between(0, EPHEMERAL_KEPT)
        scenario.bring_due("ephemeral")
        scenario.bring_due("expired")
        assert scenario.kinds() == {("ephemeral", "#")}

    def test_not_of_a_run_of_some_tasks(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}, keep=GONE))
        assert scenario.do("#.a").finished == "inactive"
        assert scenario.due() == []

    def test_of_a_run_of_no_tasks(self, storage: Storage) -> None:
        scenario = Scenario(storage)
        scenario.start(RunSelection([], [], {}, keep=GONE))
        storage.settle(Due("ended", scenario.id, "#", 1, None, "1 done"))
        assert scenario.kinds() == {("expired", "#")}

    def test_not_while_it_runs_again(self, storage: Storage) -> None:
        scenario = over(storage)
        scenario.start(replace(select_all(scenario.plan), keep=KEEP))
        assert scenario.due() == []
        scenario.do("#.a")
        storage.settle(Due("ended", scenario.id, "#", 2, None, "2 done"))
        assert scenario.due() == [], "the time begins anew"
        scenario.bring_due("expired")
        assert scenario.kinds() == {("expired", "#")}

    def test_not_after_a_reset_or_a_reverted_start(self, storage: Storage) -> None:
        one, other = over(storage), over(storage)
        storage.reset(one.id, ["#.a"])
        other.start(replace(select_all(other.plan), keep=GONE))
        assert storage.revert_run(other.id, 2, ERROR)
        for scenario in (one, other):
            scenario.bring_due("expired")
            assert scenario.due() == []

    def test_begins_anew_at_the_end_of_an_undo(self, storage: Storage) -> None:
        scenario = over(storage, KEEP)
        undo(scenario)
        assert soon(storage.next_due).between(KEEP - 60_000, KEEP)
        scenario.bring_due("expired")
        assert scenario.due() == [Due("expired", scenario.id, "#", 2, None)]

    def test_not_while_it_is_undone(self, storage: Storage) -> None:
        scenario = over(storage)
        storage.begin_undo(scenario.id, ["#.a"])
        scenario.bring_due("expired")
        assert scenario.due() == []

    def test_is_settled_and_postponed(self, storage: Storage) -> None:
        scenario = over(storage)
        (due,) = scenario.due().of(1)
        storage.postpone(due, KEEP)
        assert scenario.due() == []
        assert soon(storage.next_due).between(KEEP - 60_000, KEEP)
        storage.postpone(due, 0)
        assert scenario.due() == [due]
        storage.settle(due)
        assert scenario.due() == []
        storage.postpone(due, 0)
        assert scenario.due() == [], "postponing makes none"

    def test_goes_with_the_instance(self, storage: Storage) -> None:
        scenario = over(storage)
        storage.delete_instance(scenario.id)
        assert scenario.due() == []
        assert soon(storage.next_due).none

    def test_comes_after_all_others(self, storage: Storage) -> None:
        expired = [over(storage) for _ in range(3)]
        pass_time()
        late = kept(storage)
        late.claim("#.a", lease=GONE)
        found = soon(storage.due).of(4)
        assert [due.kind for due in found] == ["lease", *["expired"] * 3]
        assert {due.instance_id for due in found[1:]} == {scenario.id for scenario in expired}
        assert [due.kind for due in storage.due(limit=1)] == ["lease"]
        assert [due.kind for due in storage.due(limit=2)] == ["lease", "expired"]


class TestDeleteRested:
    """``delete_instance(rested=…)``: only what nobody uses any more."""

    @pytest.mark.parametrize("status", ["ok", "failed", "cancelled"])
    def test_what_rests_is_removed_once(self, storage: Storage, status: str) -> None:
        scenario = over(storage, status=status)
        header = storage.delete_instance(scenario.id, rested=1)
        assert header is not None
        assert (header.id, header.run) == (scenario.id, 1)
        assert storage.get_instance(scenario.id) is None
        assert storage.delete_instance(scenario.id, rested=1) is None

    def stays(self, scenario: Scenario, run: int) -> bool:
        before = scenario.storage.snapshot(scenario.id)
        assert scenario.storage.delete_instance(scenario.id, rested=run) is None
        return before is not None and scenario.storage.snapshot(scenario.id) == before

    def test_what_never_ran_stays(self, storage: Storage) -> None:
        assert self.stays(Scenario(storage, task("a")), 0)

    def test_what_is_working_stays(self, storage: Storage) -> None:
        scenario = kept(storage)
        assert self.stays(scenario, 1)
        scenario.claim("#.a")
        assert self.stays(scenario, 1)

    def test_what_was_started_again_stays(self, storage: Storage) -> None:
        scenario = over(storage)
        scenario.start(select_all(scenario.plan))
        assert self.stays(scenario, 1)
        scenario.do("#.a")
        assert self.stays(scenario, 1)
        assert storage.delete_instance(scenario.id, rested=2) is not None

    def test_what_was_reset_stays(self, storage: Storage) -> None:
        scenario = over(storage)
        storage.reset(scenario.id, ["#.a"])
        assert self.stays(scenario, 1)

    def test_what_is_to_be_undone_or_is_being_undone_stays(self, storage: Storage) -> None:
        wanted, running = kept(storage), over(storage)
        storage.cancel(wanted.id, "#", undo=True)
        wanted.complete("#.a", cancelled(), None)
        assert self.stays(wanted, 1)
        storage.begin_undo(running.id, ["#.a"])
        assert self.stays(running, 2)

    def test_what_was_undone_goes(self, storage: Storage) -> None:
        scenario = over(storage)
        undo(scenario)
        assert self.stays(scenario, 1)
        assert storage.delete_instance(scenario.id, rested=2) is not None
