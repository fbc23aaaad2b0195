"""Starting runs, and undoing the start of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs_flow.errors import CannotStart, InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import RunSelection, Started
from jobs_flow.testing.scenario import INITIAL, INITIAL_DETAILS, TIME, Scenario, failed, ok, plain, task
from jobs_flow.workflows.selection import select_all

START_ERROR = {"code": "BROKER_UNAVAILABLE", "message": "nobody listens on 5672"}


class TestStart:
    def test_numbers_the_run_and_queues_the_heads(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b")), task("c"))
        assert scenario.start() == Started(run=1, seq=2)
        assert scenario.statuses == {"#.a": "queued", "#.a.b": "inactive", "#.c": "inactive"}
        assert {view["run"] for view in scenario.snapshot.tasks.values()} == {1}
        assert scenario.snapshot.tasks["#.a"]["queuedAt"] == scenario.instance.started_at
        instance = scenario.instance
        assert (instance.status, instance.run, instance.finished_at, instance.error) == ("working", 1, None, None)
        assert scenario.last_event() == {"run": 1, "reset": True}

    def test_unknown_instance(self, storage: Storage) -> None:
        with pytest.raises(InstanceNotFound):
            storage.start_run("nobody", RunSelection(["#.a"], ["#.a"], {}))
        assert storage.get_instance("nobody") is None

    def test_refused_while_working(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        before = scenario.snapshot
        with pytest.raises(CannotStart) as refused:
            scenario.start()
        assert vars(refused.value)["path"] == "#"
        assert scenario.snapshot == before

    def test_expected_number(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        selection = RunSelection(["#.a"], ["#.a"], {})
        before = scenario.snapshot
        for wrong in (0, 2):
            with pytest.raises(CannotStart) as refused:
                storage.start_run(scenario.id, selection, expect_run=wrong)
            assert vars(refused.value)["path"] == "#"
        assert scenario.snapshot == before
        assert storage.start_run(scenario.id, selection, expect_run=1).run == 1

    def test_clears_what_the_run_before_left(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(argument='{"x": 1}')
        scenario.do("#.a", ok("#.a", [1], argument="1", context="{}", updaters="[1]", logs=["line"]))
        scenario.claim("#.b")
        storage.set_progress(scenario.id, "#.b", 1, token="token", value=0.5, text="half")
        storage.append_logs(scenario.id, "#.b", 1, token="token", lines=["line"])
        scenario.complete("#.b", failed(traceback="Traceback", argument="2", context="{}"))
        assert (scenario.instance.status, scenario.instance.error is None) == ("failed", False)

        assert scenario.start().run == 2
        instance = scenario.instance
        assert (instance.status, instance.error, instance.finished_at) == ("working", None, None)
        fresh = INITIAL | INITIAL_DETAILS | {"run": 2}
        assert plain(scenario.task("#.a")) == fresh | {"status": "queued", "queuedAt": TIME}
        assert scenario.task("#.b") == fresh
        assert storage.get_logs(scenario.id, ["#.a", "#.b"]) == {"#.a": [], "#.b": []}

    def test_leaves_the_records_that_are_not_selected(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a", ok("#.a", "kept", logs=["line"]))
        scenario.do("#.b", failed())
        before = scenario.task("#.a")
        scenario.start(RunSelection(["#.b", "#.c"], ["#.b"], {}))
        assert scenario.task("#.a") == before
        assert storage.get_logs(scenario.id, ["#.a"]) == {"#.a": ["line"]}
        assert scenario.statuses == {"#.a": "ok", "#.b": "queued", "#.c": "inactive"}
        assert [view["run"] for view in scenario.snapshot.tasks.values()] == [1, 2, 2]

    def test_several_heads(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c"), task("d")))
        scenario.start(RunSelection(["#.a.b", "#.a.d"], ["#.a.b", "#.a.d"], {"#.a": 2}))
        assert scenario.statuses == {"#.a": "inactive", "#.a.b": "queued", "#.a.c": "inactive", "#.a.d": "queued"}

    @pytest.mark.parametrize("argument", ['{"x": 1}', "null", "0", '""', "false", "[]", "{}"])
    def test_an_explicit_argument_reaches_the_heads_only(self, storage: Storage, argument: str) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(argument=argument)
        assert scenario.claim("#.a").argument == argument
        scenario.complete("#.a", ok("#.a"))
        assert scenario.claim("#.b").argument is None

    def test_no_argument(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start(argument='"of run 1"')
        scenario.do("#.a")
        scenario.start()
        assert scenario.claim("#.a").argument is None

    def test_without_tasks_the_run_is_over_at_once(self, storage: Storage) -> None:
        scenario = Scenario(storage)
        assert scenario.start() == Started(run=1, seq=2)
        instance = scenario.instance
        assert (instance.status, instance.run, instance.error) == ("done", 1, None)
        assert instance.finished_at == instance.started_at is not None
        assert scenario.start().run == 2


class TestRevert:
    def test_puts_the_instance_back_with_the_reason(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(argument="1")
        assert storage.revert_run(scenario.id, 1, START_ERROR) is True
        instance = scenario.instance
        assert (instance.status, instance.run, instance.error) == ("inactive", 1, START_ERROR)
        assert {s: n for s, n in instance.counts.items() if n} == {"inactive": 2}
        assert scenario.snapshot.tasks["#.a"] == INITIAL | {"run": 1}
        assert scenario.last_event() == {"run": 1, "reset": True}
        assert instance.seq == 3

    def test_the_number_stays_used(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        storage.revert_run(scenario.id, 1, START_ERROR)
        assert scenario.claim("#.a").state == "halted"
        assert scenario.start().run == 2
        assert scenario.instance.error is None
        assert scenario.claim("#.a", run=1).state == "stale"
        assert scenario.claim("#.a").argument is None

    @pytest.mark.parametrize("run", [0, 1, 3])
    def test_refused_for_another_run(self, storage: Storage, run: int) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a")
        scenario.start()
        before = scenario.snapshot
        assert storage.revert_run(scenario.id, run, START_ERROR) is False
        assert scenario.snapshot == before

    def test_refused_once_a_task_was_claimed(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.claim("#.a")
        before = scenario.snapshot
        assert storage.revert_run(scenario.id, 1, START_ERROR) is False
        scenario.complete("#.a", ok("#.a"))
        assert storage.revert_run(scenario.id, 1, START_ERROR) is False
        assert before.tasks["#.a"]["status"] == "running"
        assert scenario.statuses == {"#.a": "ok", "#.b": "queued"}

    def test_refused_when_a_task_is_tried_again(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        for again in (scenario.retry, scenario.lose):
            scenario.claim("#.a")
            again("#.a")
            assert scenario.statuses == {"#.a": "queued"}
            assert storage.revert_run(scenario.id, 1, START_ERROR) is False
        assert scenario.claim("#.a").attempt == 3

    def test_refused_when_not_working(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        assert storage.revert_run(scenario.id, 0, START_ERROR) is False
        scenario.start()
        assert storage.revert_run(scenario.id, 1, START_ERROR) is True
        assert storage.revert_run(scenario.id, 1, START_ERROR) is False
        assert scenario.instance.seq == 3

    def test_records_of_earlier_runs_do_not_stand_in_the_way(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.b", failed())
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert storage.revert_run(scenario.id, 2, START_ERROR) is True
        assert scenario.statuses == {"#.a": "ok", "#.b": "inactive"}


class TestRevision:
    def test_paths_selected_before_an_update_start_nothing(self, storage: Storage) -> None:
        scene = Scenario(storage, task("a"), task("b"))
        smaller = Scenario(storage, task("a"))
        selected = select_all(scene.plan)
        updated = storage.update_instance(replace(smaller.new, id=scene.id), revision=1)
        assert updated is not None
        with pytest.raises(CannotStart, match="updated meanwhile"):
            storage.start_run(scene.id, selected, revision=1)
        assert storage.get_task(scene.id, "#.b") is None
        assert storage.start_run(scene.id, select_all(smaller.plan), revision=2).run == 1
