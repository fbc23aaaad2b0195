"""Outcomes: what is recorded, what is queued next, and how blocks join."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Outcome
from jobs_flow.testing.scenario import ERROR, TIME, Scenario, failed, ok, plain, skipped, task
from jobs_flow.workflows.definition import Task


def block() -> tuple[Task, Task]:
    """A block of three, then a task."""
    return task("a", task("b"), task("c"), task("d")), task("e")


def nested() -> tuple[Task, Task]:
    """A block whose second child is a block of two, then a task."""
    return task("a", task("b"), task("c", task("x"), task("y"))), task("e")


class TestOutcome:
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
        last = order[-1]
        for name in order[:-1]:
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
        names = [f"n{number}" for number in range(120)]
        scenario = Scenario(storage, task("a", *map(task, names)), task("z"))
        scenario.start()
        assert list(scenario.do("#.a").queued) == [f"#.a.{name}" for name in names]
        queued = [list(scenario.do(f"#.a.{name}").queued) for name in names]
        assert queued == [[]] * 119 + [["#.z"]]

    def test_a_second_run_counts_anew(self, storage: Storage) -> None:
        scenario = Scenario(storage, *block())
        for _ in range(2):
            scenario.start()
            for path in ("#.a", "#.a.b", "#.a.c"):
                scenario.do(path)
            assert list(scenario.do("#.a.d").queued) == ["#.e"]
            scenario.do("#.e", failed())
