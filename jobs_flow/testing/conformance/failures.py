"""Failures and skipped tasks in blocks: what goes on, what does not, and what is recorded with them."""

from __future__ import annotations

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import RunSelection
from jobs_flow.testing.conformance.complete import block, nested
from jobs_flow.testing.scenario import ERROR, Scenario, failed, skipped, task


class TestFailureInABlock:
    def test_siblings_finish_and_the_next_task_does_not_start(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        assert scenario.do("#.a.b", failed()).finished is None
        assert scenario.instance.status == "working"
        assert scenario.instance.error == {**ERROR, "path": "#.a.b"}
        assert scenario.do("#.a.c").finished is None
        done = scenario.do("#.a.d")
        assert (list(done.queued), done.finished) == ([], "failed")
        assert scenario.statuses["#.e"] == "inactive"

    def test_the_first_failure_is_the_instance_s_error(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.c", failed({"code": "EXECUTION_FAILED", "message": "first"}))
        scenario.do("#.a.b", failed({"code": "EXECUTION_FAILED", "message": "second"}))
        scenario.do("#.a.d")
        assert scenario.instance.error == {"code": "EXECUTION_FAILED", "message": "first", "path": "#.a.c"}

    def test_the_failure_of_the_last_child(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        for path in ("#.a", "#.a.b", "#.a.c"):
            scenario.do(path)
        assert scenario.do("#.a.d", failed()).finished == "failed"

    def test_a_failed_parent_ends_its_block(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        assert scenario.do("#.a", failed()).finished == "failed"
        assert set(scenario.statuses.values()) == {"failed", "inactive"}

    def test_a_failed_nested_parent_counts_as_one_subtree(self, storage: Storage) -> None:
        scenario = Scenario(storage, *nested())
        scenario.start()
        scenario.do("#.a")
        assert scenario.do("#.a.c", failed()).finished is None
        assert scenario.do("#.a.b").finished == "failed"
        assert scenario.statuses["#.a.c.x"] == "inactive"

    def test_a_nested_failure_goes_up(self, storage: Storage) -> None:
        scenario = Scenario(storage, *nested())
        scenario.start()
        for path in ("#.a", "#.a.c", "#.a.b"):
            scenario.do(path)
        scenario.do("#.a.c.x", failed())
        done = scenario.do("#.a.c.y")
        assert (list(done.queued), done.finished) == ([], "failed")

    def test_a_tolerated_child_lets_the_block_pass(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b", on_failure="continue"), task("c")), task("e"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed(tolerated=True))
        assert list(scenario.do("#.a.c").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"

    def test_a_tolerated_child_does_not_excuse_its_siblings(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b", on_failure="continue"), task("c")), task("e"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.c", failed())
        assert scenario.do("#.a.b", failed(tolerated=True)).finished == "failed"

    def test_a_tolerated_failure_skips_what_was_under_it(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b", task("x"), on_failure="continue"), task("c")), task("e"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed(tolerated=True, source="#.a"))
        assert scenario.statuses["#.a.b.x"] == "skipped"
        assert scenario.task("#.a.b.x")["source"] == "#.a"
        assert list(scenario.do("#.a.c").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"

    def test_a_tolerated_block_lets_the_flow_go_on(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c"), on_failure="continue"), task("e"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed())
        assert list(scenario.do("#.a.c").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"
        assert scenario.statuses["#.a.b"] == "failed"

    def test_a_tolerated_inner_block_keeps_the_outer_one_whole(self, storage: Storage) -> None:
        inner = task("c", task("x"), task("y"), on_failure="continue")
        scenario = Scenario(storage, task("a", task("b"), inner), task("e"))
        scenario.start()
        for path in ("#.a", "#.a.b", "#.a.c", "#.a.c.x"):
            scenario.do(path)
        assert list(scenario.do("#.a.c.y", failed()).queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"

    def test_a_tolerated_inner_block_does_not_excuse_the_outer_one(self, storage: Storage) -> None:
        inner = task("c", task("x"), on_failure="continue")
        scenario = Scenario(storage, task("a", task("b"), inner), task("e"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b", failed())
        scenario.do("#.a.c")
        assert scenario.do("#.a.c.x", failed()).finished == "failed"

    def test_a_tolerated_outer_block_covers_an_inner_one(self, storage: Storage) -> None:
        inner = task("c", task("x"), task("y"))
        scenario = Scenario(storage, task("a", task("b"), inner, on_failure="continue"), task("e"))
        scenario.start()
        for path in ("#.a", "#.a.c", "#.a.c.x"):
            scenario.do(path)
        scenario.do("#.a.c.y", failed())
        assert list(scenario.do("#.a.b").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"


class TestSkippedSubtrees:
    def test_all_of_it_is_skipped_with_the_source(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b", task("c", task("d")), task("e")), task("f"))
        scenario.start()
        scenario.do("#.a")
        assert list(scenario.do("#.b", skipped("#.a")).queued) == ["#.f"]
        assert {path: s for path, s in scenario.statuses.items() if path.startswith("#.b")} == {
            "#.b": "skipped",
            "#.b.c": "skipped",
            "#.b.c.d": "skipped",
            "#.b.e": "skipped",
        }
        assert {scenario.task(path)["source"] for path in ("#.b", "#.b.c", "#.b.c.d", "#.b.e")} == {"#.a"}
        assert scenario.snapshot.tasks["#.b.c"]["finishedAt"] is None
        assert scenario.do("#.f").finished == "done"

    def test_a_skipped_child_counts_down(self, storage: Storage) -> None:
        scenario = Scenario(storage, *nested())
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.a.b")
        assert list(scenario.do("#.a.c", skipped("#.a")).queued) == ["#.e"]
        assert scenario.statuses["#.a.c.x"] == "skipped"

    def test_without_a_source(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b")))
        scenario.start()
        assert scenario.do("#.a", skipped(None)).finished == "done"
        assert scenario.task("#.a.b")["source"] is None

    def test_only_what_this_run_selected(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")))
        scenario.start(RunSelection(["#.a", "#.a.b"], ["#.a"], {"#.a": 1}))
        scenario.do("#.a", skipped())
        assert scenario.statuses == {"#.a": "skipped", "#.a.b": "skipped", "#.a.c": "inactive"}
