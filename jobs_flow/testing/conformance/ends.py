"""Runs of some tasks only, and what an instance is when its run is over."""

from __future__ import annotations

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import RunSelection
from jobs_flow.testing.conformance.complete import block
from jobs_flow.testing.scenario import Scenario, cancelled, failed, task
from jobs_flow.workflows.selection import select_from, select_one


class TestPartialRuns:
    def test_one_task_leaves_the_rest_inactive(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        done = scenario.do("#.a")
        assert (list(done.queued), done.finished) == ([], "inactive")
        assert scenario.statuses == {"#.a": "ok", "#.b": "inactive"}
        assert scenario.instance.status == "inactive"
        assert scenario.instance.finished_at is not None

    def test_one_task_that_was_the_last_one_missing(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        scenario.do("#.a")
        scenario.start(select_one(scenario.plan, "#.b", scenario.statuses))
        assert scenario.do("#.b").finished == "done"

    def test_a_parent_alone_does_not_start_its_children(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        done = scenario.do("#.a")
        assert (list(done.queued), done.finished) == ([], "inactive")

    def test_a_child_alone_does_not_start_what_follows_its_block(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        scenario.do("#.a")
        scenario.start(select_one(scenario.plan, "#.a.c", scenario.statuses))
        done = scenario.do("#.a.c")
        assert (list(done.queued), done.finished) == ([], "inactive")

    def test_from_a_root_task_on(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), *(task("b", task("c")), task("d")))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        scenario.do("#.a")
        scenario.start(select_from(scenario.plan, "#.b", scenario.statuses))
        scenario.do("#.b")
        assert list(scenario.do("#.b.c").queued) == ["#.d"]
        assert scenario.do("#.d").finished == "done"

    def test_several_children_join_again(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed())
        scenario.do("#.a.c", failed())
        scenario.do("#.a.d")
        scenario.start(RunSelection(["#.a.b", "#.a.c", "#.e"], ["#.a.b", "#.a.c"], {"#.a": 2}))
        assert list(scenario.do("#.a.c").queued) == []
        assert list(scenario.do("#.a.b").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"

    def test_a_block_without_a_counter_is_passed_through(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b", task("c"))), task("d"))
        scenario.start(RunSelection(["#.a.b.c", "#.d"], ["#.a.b.c"], {}))
        assert list(scenario.do("#.a.b.c").queued) == ["#.d"]

    def test_a_failure_passes_a_block_without_a_counter(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), on_failure="continue"), task("d"))
        scenario.start(RunSelection(["#.a.b", "#.d"], ["#.a.b"], {}))
        assert scenario.do("#.a.b", failed()).finished == "failed"

    def test_counters_of_an_earlier_run_are_forgotten(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        for path in ("#.a", "#.a.b", "#.a.c"):
            scenario.do(path)
        scenario.do("#.a.d", failed())
        scenario.start(RunSelection(["#.a.d", "#.e"], ["#.a.d"], {"#.a": 1}))
        assert list(scenario.do("#.a.d").queued) == ["#.e"]


class TestStatusAtTheEnd:
    def test_cancelled(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", cancelled())
        scenario.do("#.a.c")
        assert scenario.do("#.a.d").finished == "cancelled"
        assert scenario.instance.status == "cancelled"

    def test_failed_beats_cancelled(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", cancelled())
        scenario.do("#.a.c", failed())
        assert scenario.do("#.a.d").finished == "failed"

    def test_a_failure_of_an_earlier_run_remains(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed())
        scenario.do("#.a.c", failed())
        scenario.do("#.a.d")
        scenario.start(select_one(scenario.plan, "#.a.b", scenario.statuses))
        assert scenario.do("#.a.b").finished == "failed"
        assert scenario.instance.error is None

    def test_a_tolerated_failure_of_an_earlier_run_does_not(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", on_failure="continue"), task("b"))
        scenario.start()
        scenario.do("#.a", failed(tolerated=True))
        scenario.do("#.b", failed())
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert scenario.do("#.b").finished == "done"

    def test_a_failure_that_a_block_tolerated_in_an_earlier_run_does_not(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), on_failure="continue"), task("c"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed())
        scenario.do("#.c", failed())
        scenario.start(RunSelection(["#.c"], ["#.c"], {}))
        assert scenario.do("#.c").finished == "done"

    def test_a_block_s_tolerance_ends_with_the_failure_that_it_covered(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), on_failure="continue"), task("c"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed())
        scenario.do("#.c", failed())
        scenario.start(select_one(scenario.plan, "#.a.b", {"#.a": "ok"}))
        assert scenario.do("#.a.b").finished == "failed", "the failure of #.c remains, and nothing tolerates it"

    def test_a_tolerated_failure_again(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), on_failure="continue"), task("c"))
        scenario.start()
        scenario.do("#.a")
        for _ in range(2):
            scenario.do("#.a.b", failed())
            scenario.do("#.c", failed())
            scenario.start(RunSelection(["#.a.b", "#.c"], ["#.a.b"], {"#.a": 1}))
        scenario.do("#.a.b")
        assert scenario.do("#.c", failed()).finished == "failed"

    def test_a_tolerated_cancellation_does_not_make_up_for_a_failure(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b", on_failure="continue"))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        scenario.do("#.a", failed())
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert scenario.do("#.b", cancelled(tolerated=True)).finished == "failed"

    def test_a_tolerated_failure_does_not_make_up_for_a_cancellation(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b", on_failure="continue"))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        assert scenario.do("#.a", cancelled()).finished == "cancelled"
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert scenario.do("#.b", failed(tolerated=True)).finished == "failed"

    def test_a_repaired_failure_is_forgotten(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a", failed())
        scenario.start()
        assert scenario.do("#.a").finished == "done"
        assert scenario.instance.error is None

    def test_a_run_of_the_rest_after_a_tolerated_failure_is_inactive_until_all_ran(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", on_failure="continue"), task("b"), task("c"))
        scenario.start(RunSelection(["#.a", "#.b"], ["#.a"], {}))
        scenario.do("#.a", failed(tolerated=True))
        assert scenario.do("#.b").finished == "inactive"
