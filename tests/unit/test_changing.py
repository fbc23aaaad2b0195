"""The life of an instance: keys, updates, resets, context updaters, ephemeral ones, and their end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from jobs_flow import Jobs, Registry, Task, syncpoints
from jobs_flow.errors import (
    CannotStart,
    InstanceBusy,
    InstanceNotFound,
    InvalidArgument,
    InvalidUpdater,
    NotJson,
    TaskNotFound,
    UnknownWorkflow,
)
from jobs_flow.invariants import invariants
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import EPHEMERAL_KEPT


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(storage="memory://", backend="sync", registry=Registry())


def run(jobs: Jobs, *tasks: Task, **options: Any) -> str:
    jobs.register_workflow("w", list(tasks))
    return jobs.create_workflow_instance("w", execute=True, **options)


class TestKeys:
    def test_the_same_key_gives_the_same_instance_and_one_execution(self, jobs: Jobs) -> None:
        calls: list[int] = []
        ids = {run(jobs, Task("a", lambda: calls.append(1)), key="2026-11-22") for _ in range(5)}
        assert len(ids) == 1
        assert calls == [1]

    def test_a_key_is_of_its_workflow_and_realm(self, jobs: Jobs) -> None:
        jobs.register_workflow("other", [Task("a", lambda: 1)])
        first = run(jobs, Task("a", lambda: 1), key="k")
        assert jobs.create_workflow_instance("other", key="k") != first
        assert jobs.create_workflow_instance("w", key="k", realm="another") != first

    def test_one_that_was_created_and_never_started_is_started_by_the_next(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        id = jobs.create_workflow_instance("w", key="k")
        assert jobs.create_workflow_instance("w", key="k", execute=True) == id
        assert jobs.wait(id) == 1

    def test_a_destroyed_instance_frees_its_key(self, jobs: Jobs) -> None:
        first = run(jobs, Task("a", lambda: 1), key="k")
        jobs.destroy_workflow(first)
        assert run(jobs, Task("a", lambda: 1), key="k") != first

    @pytest.mark.parametrize("key", [7, "x" * 201, "line\nbreak"])
    def test_a_key_is_short_text(self, jobs: Jobs, key: Any) -> None:
        with pytest.raises(InvalidArgument):
            run(jobs, Task("a", lambda: 1), key=key)
        assert jobs.get_all_workflows() == []


class TestUpdate:
    @staticmethod
    def grown(jobs: Jobs) -> str:
        jobs.register_workflow("w", lambda data: [Task(f"t{n}", lambda: data) for n in range(data)])
        return jobs.create_workflow_instance("w", 2, execute=True)

    def test_new_paths_come_and_missing_ones_go_and_the_others_stay_as_they_are(self, jobs: Jobs) -> None:
        id = self.grown(jobs)
        kept = jobs.get_task(id, "#.t0")
        assert jobs.update_workflow(id, lambda state: state.update(data=3))["data"] == 3
        assert jobs.get_task(id, "#.t0") == kept
        assert list(jobs.get_tasks_statuses(id)) == ["#.t0", "#.t1", "#.t2"]
        assert jobs.preview(id) == ["#.t2"]
        assert jobs.resume(id).wait() == 3
        jobs.update_workflow(id, {"data": {"$set": 1}})
        assert list(jobs.get_tasks_statuses(id)) == ["#.t0"]

    def test_watchers_read_the_new_description(self, jobs: Jobs) -> None:
        id = self.grown(jobs)
        seq = jobs.snapshot(id).seq
        jobs.update_workflow(id, {"data": {"$set": 3}})
        (event,) = jobs.storage.events(id, seq) or []
        assert event.data["reset"] is True
        assert event.data["tree"] is True
        assert [node["name"] for node in jobs.snapshot(id).tree] == ["t0", "t1", "t2"]

    def test_what_is_not_valid_changes_nothing(self, jobs: Jobs) -> None:
        id = self.grown(jobs)
        before = jobs.get_workflow(id)
        for updater, error in [
            ({"workflow": {"$set": "nobody"}}, UnknownWorkflow),
            ({"realm": {"$set": "x"}}, InvalidArgument),
            ({"data": {"$sett": 1}}, InvalidUpdater),
            (lambda state: {**state, "data": object()}, NotJson),
            (lambda state: {"data": 1}, InvalidArgument),
        ]:
            with pytest.raises(error):
                jobs.update_workflow(id, updater)
        assert jobs.get_workflow(id) == before
        with pytest.raises(InstanceNotFound):
            jobs.update_workflow("nobody", {})

    def test_paths_do_not_change_under_a_run_and_data_may(self, jobs: Jobs) -> None:
        problems: list[str] = []

        def work(res: Any, job: Any) -> None:
            try:
                jobs.update_workflow(job.workflow_id, {"data": {"$set": 9}})
            except InstanceBusy as error:
                problems.append(error.code)
            jobs.update_workflow(job.workflow_id, {"base_context": {"late": {"$set": True}}})

        jobs.register_workflow("w", lambda data: [Task(f"t{n}", work) for n in range(data)])
        id = jobs.create_workflow_instance("w", 1, execute=True)
        assert problems == ["INSTANCE_BUSY"]
        assert jobs.runtime.header(id).base_context == {"late": True}


class TestReset:
    def test_one_a_subtree_or_all_go_back_to_inactive(self, jobs: Jobs) -> None:
        members = [Task("x", lambda: 1), Task("y", lambda: 1)]
        id = run(jobs, Task("a", lambda: 1), Task("p", lambda: 1, subtasks=members))

        def inactive() -> set[str]:
            return {path for path, record in jobs.get_tasks_statuses(id).items() if record["status"] == "inactive"}

        jobs.reset(id, "#.p", subtree=False)
        assert inactive() == {"#.p"}
        jobs.reset(id, "#.p")
        assert inactive() == {"#.p", "#.p.x", "#.p.y"}
        assert jobs.get_workflow(id)["status"] == "inactive"
        jobs.reset(id)
        assert len(inactive()) == 4
        assert [attempt["status"] for attempt in jobs.get_attempts(id, "#.a")] == ["ok"]
        with pytest.raises(TaskNotFound):
            jobs.reset(id, "#.z")

    def test_not_while_it_is_working(self, jobs: Jobs) -> None:
        problems: list[str] = []

        def work(res: Any, job: Any) -> None:
            with pytest.raises(InstanceBusy) as busy:
                jobs.reset(job.workflow_id)
            problems.append(busy.value.code)

        run(jobs, Task("a", work))
        assert problems == ["INSTANCE_BUSY"]


class TestContextUpdaters:
    def test_they_are_replayed_for_later_tasks_and_can_be_edited(self, jobs: Jobs) -> None:
        def first(res: Any, job: Any) -> None:
            job.update_context({"seen": {"$set": [1]}})
            job.update_context({"seen": {"$push": [2]}})
            assert job.context["seen"] == [1, 2]

        id = run(jobs, Task("a", first), Task("b", lambda res, job: job.context["seen"]))
        assert jobs.wait(id) == [1, 2]
        assert len(jobs.get_task(id, "#.a")["updaters"]) == 2
        jobs.set_context_updaters(id, "#.a", [{"seen": {"$set": "edited"}}])
        assert jobs.execute_one_task(id, "#.b").wait() == "edited"

    def test_one_that_does_not_fit_fails_its_task_and_is_not_recorded(self, jobs: Jobs) -> None:
        id = run(jobs, Task("a", lambda res, job: job.update_context({"n": {"$push": [1]}})), base_context={"n": 3})
        record = jobs.get_task(id, "#.a")
        assert record["error"]["code"] == "INVALID_UPDATER"
        assert record["updaters"] == []

    def test_only_a_finished_task_has_any(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1)])
        id = jobs.create_workflow_instance("w")
        for path in ("#.a", "#"):
            with pytest.raises(InvalidArgument):
                jobs.set_context_updaters(id, path, [])
        with pytest.raises(TaskNotFound):
            jobs.set_context_updaters(id, "#.b", [])


class TestDestroy:
    def test_everything_goes_and_the_hook_is_told_once(self, jobs: Jobs) -> None:
        told: list[str] = []
        jobs.on_delete(lambda id: told.append(id))
        id = run(jobs, Task("a", lambda res, job: job.log("x")))
        assert jobs.destroy_workflow(id) is True
        assert jobs.destroy_workflow(id) is False
        assert told == [id]
        with pytest.raises(InstanceNotFound):
            jobs.get_workflow(id)
        assert jobs.storage.get_logs(id, ["#.a"]) == {"#.a": []}

    def test_while_it_runs_nothing_is_written_any_more_and_nobody_waits_for_ever(self, jobs: Jobs) -> None:
        begun, go_on = threading.Event(), threading.Event()
        waited: list[BaseException] = []

        def work(res: Any, job: Any) -> None:
            begun.set()
            go_on.wait(20)
            job.log("late")

        def wait() -> None:
            try:
                jobs.wait(id, timeout=20)
            except Exception as error:
                waited.append(error)

        jobs.register_workflow("w", [Task("a", work), Task("b", work)])
        id = jobs.create_workflow_instance("w")
        running = threading.Thread(target=jobs.execute_all_tasks, args=[id])
        waiting = threading.Thread(target=wait)
        running.start()
        assert begun.wait(20)
        waiting.start()
        jobs.destroy_workflow(id)
        waiting.join(20)
        assert [type(error) for error in waited] == [InstanceNotFound]
        go_on.set()
        running.join(20)
        assert not running.is_alive()
        assert jobs.storage.get_instance(id) is None
        assert jobs.storage.get_task(id, "#.a") is None

    def test_a_realm_goes_as_a_whole_and_no_other(self, jobs: Jobs) -> None:
        told: list[str] = []
        jobs.on_delete(lambda id: told.append(id))
        mine = {run(jobs, Task("a", lambda: 1), realm="mine") for _ in range(3)}
        other = run(jobs, Task("a", lambda: 1), realm="other")
        assert jobs.destroy_workflows_by_realm("mine") == 3
        assert sorted(told) == sorted(mine)
        assert [view["id"] for view in jobs.get_all_workflows()] == [other]

    @pytest.mark.parametrize("realm", [None, "", 7])
    def test_without_a_realm_nothing_goes(self, jobs: Jobs, realm: Any) -> None:
        run(jobs, Task("a", lambda: 1))
        with pytest.raises(InvalidArgument, match="the name of a realm"):
            jobs.destroy_workflows_by_realm(realm)
        assert len(jobs.get_all_workflows()) == 1


class TestEphemeral:
    def test_it_outlives_its_run_a_little_and_then_goes(self) -> None:
        now = [1_000_000]
        storage = MemoryStorage(clock=lambda: now[0])
        jobs = Jobs(storage=storage, backend="sync", registry=Registry())
        told: list[str] = []
        jobs.on_delete(lambda id: told.append(id))

        def fails(res: Any) -> None:
            raise ValueError("no")

        ids = [run(jobs, Task("a", lambda: 7), ephemeral=True), run(jobs, Task("a", fails), ephemeral=True)]
        assert jobs.wait(ids[0]) == 7
        jobs.recover()
        assert len(jobs.get_all_workflows()) == 2
        now[0] += EPHEMERAL_KEPT
        jobs.recover()
        assert jobs.get_all_workflows() == []
        assert sorted(told) == sorted(ids)

    def test_a_refused_request_does_not_remove_it(self) -> None:
        now = [1_000_000]
        jobs = Jobs(storage=MemoryStorage(clock=lambda: now[0]), backend="sync", registry=Registry())
        jobs.register_workflow("w", [Task("a", lambda: 1), Task("b", lambda: 1)])
        id = jobs.create_workflow_instance("w", ephemeral=True)
        with pytest.raises(Exception, match="comes before it"):
            jobs.execute_one_task(id, "#.b")
        now[0] += 10 * EPHEMERAL_KEPT
        jobs.recover()
        assert jobs.get_workflow(id)["status"] == "inactive"


class TestChangedDefinitions:
    def test_live_instances_that_the_code_no_longer_fits_are_named(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", [Task("a", lambda: 1), Task("b", lambda: 1)])
        waiting = jobs.create_workflow_instance("w")
        jobs.create_workflow_instance("w", execute=True)
        assert jobs.changed_definitions() == []
        other = Jobs(storage=jobs.storage, backend="sync", registry=Registry())
        other.register_workflow("w", [Task("a", lambda: 1), Task("c", lambda: 1)])
        assert other.changed_definitions() == [(waiting, "w", "#.c")]


class TestHooks:
    def test_each_is_told_once_also_by_recovery(self) -> None:
        now = [1_000_000]
        jobs = Jobs(storage=MemoryStorage(clock=lambda: now[0]), backend="sync", registry=Registry())
        told: list[tuple[Any, ...]] = []
        jobs.on_complete(lambda id: told.append(("complete", id)))
        jobs.on_error(lambda id, path, payload: told.append(("error", path, payload["code"])))
        good = run(jobs, Task("a", lambda: 1))
        run(jobs, Task("b", lambda: 1 / 0))
        now[0] += 3_600_000
        jobs.recover()
        assert told == [("complete", good), ("error", "#.b", "EXECUTION_FAILED")]

    def test_what_nobody_was_told_of_because_a_process_died_recovery_tells(self) -> None:
        now = [1_000_000]
        storage = MemoryStorage(clock=lambda: now[0])
        dead = Jobs(storage=storage, backend="sync", registry=Registry())
        # As if the process had ended between the record and the hooks.
        dead.runtime.report = lambda *args: None  # type: ignore[method-assign]
        ids = [run(dead, Task("a", lambda: 1)), run(dead, Task("b", lambda: 1 / 0))]
        jobs = Jobs(storage=storage, backend="sync", registry=Registry())
        told: list[tuple[Any, ...]] = []
        jobs.on_complete(lambda id: told.append(("complete", id)))
        jobs.on_error(lambda id, path, payload: told.append(("error", id, path, payload["type"])))
        jobs.recover()
        assert told == []
        now[0] += 15_000
        jobs.recover()
        jobs.recover()
        assert sorted(told) == sorted([("complete", ids[0]), ("error", ids[1], "#.b", "ZeroDivisionError")])


class TestMeanwhile:
    """What comes between the look at an instance and the start of its run."""

    def test_an_update_does_not_keep_a_run_from_starting(self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
        jobs.register_workflow("w", lambda data: [Task("a", lambda: data)])
        id = jobs.create_workflow_instance("w", "before")
        updates = [lambda: jobs.update_workflow(id, {"data": {"$set": "after"}})]

        def meanwhile(name: str, *_: Any) -> None:
            if name == "jobs.start" and updates:
                updates.pop()()

        monkeypatch.setattr(syncpoints, "_handler", meanwhile)
        assert jobs.execute_all_tasks(id).wait() == "after"
        assert jobs.get_workflow(id)["run"] == 1

    def test_another_run_does(self, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
        jobs.register_workflow("w", lambda data: [Task("a", lambda: data)])
        id = jobs.create_workflow_instance("w")
        others = [lambda: jobs.execute_all_tasks(id)]

        def meanwhile(name: str, *_: Any) -> None:
            if name == "jobs.start" and others:
                others.pop()()
                jobs.update_workflow(id, {"data": {"$set": "after"}})

        monkeypatch.setattr(syncpoints, "_handler", meanwhile)
        with pytest.raises(CannotStart):
            jobs.execute_all_tasks(id)
        assert jobs.get_workflow(id)["run"] == 1

    def test_tasks_that_an_update_adds_to_a_finished_instance_are_no_violation(self, jobs: Jobs) -> None:
        jobs.register_workflow("w", lambda data: [Task(name, lambda: 1) for name in data])
        id = jobs.create_workflow_instance("w", ["a"], execute=True)
        jobs.update_workflow(id, {"data": {"$push": ["b"]}})
        assert invariants(jobs.storage) == []
        jobs.resume(id)
        assert {path: record["status"] for path, record in jobs.get_tasks_statuses(id).items()} == {
            "#.a": "ok",
            "#.b": "ok",
        }
