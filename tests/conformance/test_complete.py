"""Outcomes: what is recorded, what is queued next, and when a run is over."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Flow, Outcome, RunSelection
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.selection import select_from, select_one
from tests.conformance.scenario import ERROR, TIME, Scenario, cancelled, failed, ok, plain, skipped, task


def block() -> tuple[Task, Task]:
    """A block of three, then a task."""
    return task("a", task("b"), task("c"), task("d")), task("e")


def nested() -> tuple[Task, Task]:
    """A block whose second child is a block of two, then a task."""
    return task("a", task("b"), task("c", task("x"), task("y"))), task("e")


class TestRecord:
    def test_ok(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        outcome = ok("#.a", {"n": 1}, argument="[0]", context='{"k": []}', updaters='[{"op": "set"}]', logs=["done"])
        scenario.do("#.a", outcome)
        record = scenario.task("#.a")
        assert plain(record) == {
            "status": "ok",
            "run": 1,
            "attempt": 1,
            "queuedAt": TIME,
            "executionTime": TIME,
            "finishedAt": TIME,
            "duration": TIME,
            "progress": 1.0,
            "progressText": None,
            "error": None,
            "body": {"n": 1},
            "bodySize": 8,
            "logCount": 1,
            "argument": [0],
            "context": {"k": []},
            "updaters": [{"op": "set"}],
            "source": "#.a",
            "traceback": None,
            "worker": "worker",
            "retries": 0,
            "losses": 0,
            "retryAt": None,
            "undo": None,
            "undoError": None,
        }
        assert record["duration"] == record["finishedAt"] - record["executionTime"]
        assert storage.get_logs(scenario.id, ["#.a"]) == {"#.a": ["done"]}

    def test_failed(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        error = {"code": "EXECUTION_FAILED", "message": "bad", "type": "ValueError"}
        scenario.do("#.a", failed(error, traceback="Traceback…", argument="1", context="{}", logs=["tried"]))
        record = scenario.task("#.a")
        assert (record["status"], record["error"], record["traceback"]) == ("failed", error, "Traceback…")
        assert (record["body"], record["bodySize"], record["progress"], record["source"]) == (None, None, None, None)
        assert (record["argument"], record["context"], record["updaters"]) == (1, {}, [])
        assert scenario.instance.error == {**error, "path": "#.a"}
        assert "traceback" not in scenario.snapshot.tasks["#.a"]

    def test_failure_with_a_payload(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a", failed(body='{"row": 3}'))
        for record in (scenario.task("#.a"), scenario.snapshot.tasks["#.a"], scenario.last_event()["tasks"]["#.a"]):
            assert (record["body"], record["bodySize"], record["error"]) == ({"row": 3}, 10, ERROR)

    def test_pass_through_has_no_body(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a", ok("#.a", 7))
        scenario.do("#.b", Outcome("ok", source="#.a"))
        record = scenario.task("#.b")
        assert (record["status"], record["body"], record["bodySize"], record["source"]) == ("ok", None, None, "#.a")
        assert record["progress"] == 1.0

    def test_progress_of_a_failed_task_stays_where_it_was(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a")
        storage.set_progress(scenario.id, "#.a", 1, token="token", value=0.5, text="half")
        scenario.complete("#.a", failed())
        record = scenario.task("#.a")
        assert (record["progress"], record["progressText"]) == (0.5, "half")


class TestSequence:
    def test_each_queues_the_next_and_the_last_ends_the_run(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        for path, following in (("#.a", "#.b"), ("#.b", "#.c")):
            done = scenario.do(path)
            assert (list(done.queued), done.finished, done.seq) == ([following], None, scenario.instance.seq)
            assert scenario.statuses[following] == "queued"
            assert scenario.snapshot.tasks[following]["queuedAt"] == scenario.snapshot.tasks[path]["finishedAt"]
        last = scenario.do("#.c")
        assert (list(last.queued), last.finished) == ([], "done")
        instance = scenario.instance
        assert (instance.status, instance.error, instance.progress) == ("done", None, 1.0)
        assert instance.finished_at == scenario.snapshot.tasks["#.c"]["finishedAt"]

    def test_a_failure_stops_the_flow(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        done = scenario.do("#.b", failed())
        assert (list(done.queued), done.finished) == ([], "failed")
        assert scenario.statuses == {"#.a": "ok", "#.b": "failed", "#.c": "inactive"}
        instance = scenario.instance
        assert (instance.status, instance.error) == ("failed", {**ERROR, "path": "#.b"})

    def test_a_tolerated_failure_does_not(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", on_failure="continue"), task("b"))
        scenario.start()
        assert list(scenario.do("#.a", failed(tolerated=True)).queued) == ["#.b"]
        assert scenario.instance.error is None
        assert scenario.do("#.b").finished == "done"
        assert scenario.instance.error is None
        assert scenario.task("#.a")["error"] == ERROR

    def test_a_skipped_task_passes_on(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        assert list(scenario.do("#.b", skipped("#.a")).queued) == ["#.c"]
        record = scenario.task("#.b")
        assert (record["status"], record["source"], record["body"]) == ("skipped", "#.a", None)
        assert record["progress"] is None
        assert scenario.do("#.c").finished == "done"


class TestBlocks:
    def test_the_parent_queues_its_children_and_nothing_else(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        done = scenario.do("#.a")
        assert (list(done.queued), done.finished) == (["#.a.b", "#.a.c", "#.a.d"], None)
        assert scenario.statuses["#.e"] == "inactive"

    @pytest.mark.parametrize("order", ["bcd", "dcb", "cbd"])
    def test_the_last_child_to_end_joins(self, storage: Storage, order: str) -> None:
        scenario = Scenario(storage, *block())
        scenario.start()
        scenario.do("#.a")
        *early, last = order
        for name in early:
            assert list(scenario.do(f"#.a.{name}").queued) == []
        assert list(scenario.do(f"#.a.{last}").queued) == ["#.e"]
        assert scenario.do("#.e").finished == "done"

    def test_a_block_at_the_end_ends_the_run(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")))
        scenario.start()
        scenario.do("#.a")
        assert scenario.do("#.a.b").finished is None
        assert scenario.do("#.a.c").finished == "done"

    def test_blocks_follow_each_other(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d", task("e"), task("f")))
        scenario.start()
        for path in ("#.a", "#.a.b", "#.a.c", "#.d", "#.d.e"):
            assert scenario.do(path).finished is None
        assert scenario.do("#.d.f").finished == "done"

    def test_nested_join(self, storage: Storage) -> None:
        scenario = Scenario(storage, *nested())
        scenario.start()
        scenario.do("#.a")
        assert list(scenario.do("#.a.c").queued) == ["#.a.c.x", "#.a.c.y"]
        assert list(scenario.do("#.a.c.y").queued) == []
        assert list(scenario.do("#.a.b").queued) == []
        assert list(scenario.do("#.a.c.x").queued) == ["#.e"]

    def test_nested_block_that_joins_first(self, storage: Storage) -> None:
        scenario = Scenario(storage, *nested())
        scenario.start()
        for path in ("#.a", "#.a.c", "#.a.c.y", "#.a.c.x"):
            scenario.do(path)
        assert scenario.statuses["#.e"] == "inactive"
        assert list(scenario.do("#.a.b").queued) == ["#.e"]

    def test_deep_nesting_joins_all_at_once(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b", task("c", task("d", task("e"))))), task("f"))
        scenario.start()
        path = "#"
        for name in "abcd":
            path += f".{name}"
            scenario.do(path)
        assert list(scenario.do("#.a.b.c.d.e").queued) == ["#.f"]

    def test_wide_block(self, storage: Storage) -> None:
        names = [f"n{number}" for number in range(300)]
        scenario = Scenario(storage, task("a", *map(task, names)), task("z"))
        scenario.start()
        assert list(scenario.do("#.a").queued) == [f"#.a.{name}" for name in names]
        queued = [list(scenario.do(f"#.a.{name}").queued) for name in names]
        assert queued == [[]] * 299 + [["#.z"]]

    def test_a_second_run_counts_anew(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        for _ in range(2):
            scenario.start()
            for path in ("#.a", "#.a.b", "#.a.c"):
                scenario.do(path)
            assert list(scenario.do("#.a.d").queued) == ["#.e"]
            scenario.do("#.e", failed())


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


class TestAskedAgain:
    """Whoever completed and did not get the answer gets the same one, and nothing is written twice."""

    def again(self, scenario: Scenario, path: str, outcome: Outcome) -> None:
        scenario.claim(path)
        first = scenario.complete(path, outcome)
        before = scenario.snapshot
        assert scenario.complete(path, outcome) == first
        assert scenario.snapshot == before

    def test_in_a_sequence(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        self.again(scenario, "#.a", ok("#.a", logs=["line"]))
        self.again(scenario, "#.b", ok("#.b"))
        assert scenario.snapshot.instance.status == "done"

    def test_in_a_block(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        self.again(scenario, "#.a", ok("#.a"))
        self.again(scenario, "#.a.b", failed())
        self.again(scenario, "#.a.c", ok("#.a.c"))
        assert scenario.snapshot.instance.status == "failed"

    def test_what_was_claimed_since_is_not_queued_again(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")))
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.b")
        assert list(scenario.complete("#.a", ok("#.a")).queued) == ["#.a.c"]

    def test_with_what_the_token_begins_with(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.claim("#.a", "worker.7.x")
        first = scenario.complete("#.a", failed(), "worker.7.*")
        assert (first.recorded, first.finished) == (True, "failed")
        for token in ("worker.7.*", "worker.7.x", "*"):
            assert scenario.complete("#.a", failed(), token) == first
        assert not scenario.complete("#.a", failed(), "worker.8.*").recorded

    def test_not_in_another_run(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a")
        scenario.start()
        assert not scenario.complete("#.a", ok("#.a"), run=1).recorded


class TestRefused:
    """``recorded`` is False, and nothing has changed."""

    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a")
        return scenario

    def refused(self, scenario: Scenario, path: str, token: str | None, run: int = 1) -> bool:
        before = scenario.snapshot
        done = scenario.complete(path, ok(path, "late", logs=["late"]), token, run)
        unchanged = scenario.snapshot == before and len(scenario.events()) == before.seq
        return unchanged and (done.recorded, list(done.queued), done.finished) == (False, [], None)

    def test_another_token(self, scenario: Scenario) -> None:
        scenario.claim("#.b", "mine")
        assert self.refused(scenario, "#.b", "other")
        assert self.refused(scenario, "#.b", "")
        assert scenario.complete("#.b", ok("#.b"), "mine").recorded

    def test_the_beginning_of_another_token(self, scenario: Scenario) -> None:
        scenario.claim("#.b", "mine.1")
        assert self.refused(scenario, "#.b", "mine.2*")
        assert self.refused(scenario, "#.b", "mine.")
        assert scenario.complete("#.b", ok("#.b"), "mine.*").recorded

    def test_queued_under_a_token(self, scenario: Scenario) -> None:
        assert self.refused(scenario, "#.b", "token")

    @pytest.mark.parametrize("token", ["token", None])
    def test_not_queued_yet(self, scenario: Scenario, token: str | None) -> None:
        assert self.refused(scenario, "#.c", token)

    @pytest.mark.parametrize("token", ["another", None])
    def test_twice(self, scenario: Scenario, token: str | None) -> None:
        scenario.do("#.b")
        assert self.refused(scenario, "#.b", token)
        assert self.refused(scenario, "#.a", token)

    @pytest.mark.parametrize("token", ["token", None])
    @pytest.mark.parametrize("run", [0, 2])
    def test_another_run(self, scenario: Scenario, token: str | None, run: int) -> None:
        scenario.claim("#.b")
        assert self.refused(scenario, "#.b", token, run)

    @pytest.mark.parametrize("token", ["another", None])
    def test_the_run_is_over(self, scenario: Scenario, token: str | None) -> None:
        scenario.do("#.b", failed())
        assert [self.refused(scenario, path, token) for path in ("#.a", "#.b", "#.c")] == [True] * 3

    @pytest.mark.parametrize("token", ["token", None])
    def test_the_run_before(self, scenario: Scenario, token: str | None) -> None:
        scenario.do("#.b", failed())
        scenario.start()
        scenario.claim("#.a", "new")
        assert self.refused(scenario, "#.a", token, run=1)

    @pytest.mark.parametrize("token", ["token", None])
    def test_a_reverted_run(self, storage: Storage, token: str | None) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        storage.revert_run(scenario.id, 1, ERROR)
        assert self.refused(scenario, "#.a", token)

    def test_unknown(self, storage: Storage, scenario: Scenario) -> None:
        for instance_id, path in (("nobody", "#.a"), (scenario.id, "#.nobody")):
            done = storage.complete(instance_id, path, 1, token=None, outcome=ok(path), flow=Flow())
            assert not done.recorded
        assert storage.get_task(scenario.id, "#.nobody") is None


class TestReports:
    """``token=None``: somebody reports of a queued task what no step can."""

    def test_of_a_queued_task(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        assert scenario.complete("#.a", failed({"code": "UNKNOWN_TASK", "message": "not registered"}), None).recorded
        record = scenario.task("#.a")
        assert (record["status"], record["executionTime"], record["duration"]) == ("failed", None, None)
        assert record["finishedAt"] is not None
        assert scenario.instance.status == "failed"

    def test_not_of_a_running_task(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a")
        before = scenario.snapshot
        assert not scenario.complete("#.a", failed({"code": "WORKER_LOST", "message": "SIGKILL"}), None).recorded
        assert scenario.snapshot == before
        assert scenario.complete("#.a", ok("#.a")).recorded

    def test_counts_down_once(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        scenario.do("#.a")
        reports = [scenario.complete("#.a.b", failed(), None).recorded for _ in range(3)]
        assert reports == [True, False, False]
        assert scenario.instance.status == "working"
        assert scenario.do("#.a.c").finished == "failed"
