"""How long what is left of a run will take: the longest way through what has not ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow import Jobs, Task
from jobs_flow.estimating import RUNS
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import RunSelection
from jobs_flow.workflows.definition import Workflow
from jobs_flow.workflows.estimates import Estimates, Remaining, Usual, gather, of_task, remaining
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.registry import Registry
from tests.support.plans import plans, work

INACTIVE = {"status": "inactive", "run": 1}
EARLIER = {"status": "inactive", "run": 0}


def usual(*durations: int, waits: tuple[int, ...] = (0,)) -> Usual:
    return Usual(tuple(sorted(waits)), tuple(sorted(durations)))


def running(since: int) -> dict[str, Any]:
    return {"status": "running", "run": 1, "executionTime": since}


def left(plan: Plan, tasks: Mapping[str, Any], known: Mapping[str, Usual], now: int = 0) -> Remaining | None:
    tolerant = {path for path, node in plan.nodes.items() if node.task.on_failure == "continue"}
    return remaining(plan.describe(), tasks, known, run=1, now=now, tolerant=tolerant)


BLOCK = Plan.of(Workflow("w", [Task("a", work, subtasks=[Task("x", work), Task("y", work)]), Task("b", work)]))
KNOWN = {"#.a": usual(10), "#.a.x": usual(20), "#.a.y": usual(50), "#.b": usual(7)}


class Run:
    """When each task of a run begins and ends, with a worker for every one and known durations."""

    def __init__(self, plan: Plan, durations: Mapping[str, int]) -> None:
        self.begins: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        now = 0
        for root in plan.roots:
            end = now
            for path in (root, *plan.descendants(root)):
                above = plan.nodes[path].parent
                self.begins[path] = now if above is None else self.ends[above]
                self.ends[path] = self.begins[path] + durations[path]
                end = max(end, self.ends[path])
            now = end
        self.length = now

    def at(self, moment: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The views of the tasks at a moment."""
        for path, begin in self.begins.items():
            if moment < begin:
                yield path, INACTIVE
            elif moment < self.ends[path]:
                yield path, running(begin)
            else:
                yield path, {"status": "ok", "run": 1}


class TestARun:
    @given(st.data())
    def test_is_estimated_to_the_moment_when_all_goes_as_before(self, data: st.DataObject) -> None:
        plan = data.draw(plans())
        durations = {path: data.draw(st.integers(0, 50)) for path in plan.nodes}
        run = Run(plan, durations)
        moment = data.draw(st.integers(0, run.length))
        known = {path: usual(duration) for path, duration in durations.items()}
        assert left(plan, dict(run.at(moment)), known, moment) == Remaining(run.length - moment)

    @given(st.data())
    def test_never_takes_less_than_nothing_and_no_longer_than_all_its_tasks_one_by_one(
        self, data: st.DataObject
    ) -> None:
        plan = data.draw(plans())
        samples = st.lists(st.integers(0, 50), min_size=1, max_size=4)
        known = {path: usual(*data.draw(samples), waits=tuple(data.draw(samples))) for path in plan.nodes}
        statuses = st.sampled_from(["inactive", "queued", "running", "ok", "skipped", "failed", "cancelled"])
        times = {"run": 1, "queuedAt": 5, "executionTime": 10}
        tasks = {path: {"status": data.draw(statuses), **times} for path in plan.nodes}
        found = left(plan, tasks, known, now=data.draw(st.integers(0, 100)))
        assert found is not None
        bound = sum(max(each.waits) + max(each.durations) + 10 for each in known.values())
        assert 0 <= found.milliseconds <= bound

    @given(st.data())
    def test_one_task_more_that_has_ended_is_never_longer(self, data: st.DataObject) -> None:
        plan = data.draw(plans().filter(lambda plan: bool(plan.nodes)))
        known = {path: usual(data.draw(st.integers(0, 50))) for path in plan.nodes}
        tasks: dict[str, Any] = {
            path: {"status": data.draw(st.sampled_from(["inactive", "ok"])), "run": 1} for path in plan.nodes
        }
        before = left(plan, tasks, known)
        tasks[data.draw(st.sampled_from(list(plan.nodes)))] = {"status": "ok", "run": 1}
        after = left(plan, tasks, known)
        assert before is not None
        assert after is not None
        assert after <= before

    def test_the_longest_subtask_counts(self) -> None:
        assert left(BLOCK, dict.fromkeys(BLOCK.nodes, INACTIVE), KNOWN) == Remaining(10 + 50 + 7)

    def test_tasks_that_this_run_does_not_execute_do_not_count(self) -> None:
        tasks = dict.fromkeys(BLOCK.nodes, EARLIER) | {"#.a.x": running(0)}
        assert left(BLOCK, tasks, {"#.a.x": usual(20)}, now=5) == Remaining(15)

    def test_what_comes_after_a_failure_does_not_start(self) -> None:
        failed = {"status": "failed", "run": 1}
        tasks = {"#.a": {"status": "ok", "run": 1}, "#.a.x": failed, "#.a.y": running(0), "#.b": INACTIVE}
        assert left(BLOCK, tasks, KNOWN, now=20) == Remaining(30)
        tolerant = Workflow(
            "w", [Task("a", work, on_failure="continue", subtasks=BLOCK.nodes["#.a"].task.subtasks), Task("b", work)]
        )
        assert left(Plan.of(tolerant), tasks, KNOWN, now=20) == Remaining(37)

    def test_a_task_that_never_ended_well_makes_it_unknown_until_it_has_ended(self) -> None:
        some = {path: each for path, each in KNOWN.items() if path != "#.a.x"}
        tasks: dict[str, Any] = dict.fromkeys(BLOCK.nodes, INACTIVE)
        assert left(BLOCK, tasks, some) is None
        tasks |= {"#.a": {"status": "ok", "run": 1}, "#.a.x": {"status": "ok", "run": 1}}
        assert left(BLOCK, tasks, some) == Remaining(57)

    def test_deep_ones_need_no_deep_stack(self) -> None:
        node: dict[str, Any] = {"path": "#" + ".a" * 3000, "children": []}
        for depth in range(2999, 0, -1):
            node = {"path": "#" + ".a" * depth, "children": [node]}
        known = {"#" + ".a" * depth: usual(1) for depth in range(1, 3001)}
        tasks = dict.fromkeys(known, INACTIVE)
        assert remaining([node], tasks, known, run=1, now=0) == Remaining(3000)


class TestATask:
    @pytest.mark.parametrize(
        ("elapsed", "expected"),
        [(0, (20, False)), (10, (10, False)), (11, (19, False)), (25, (15, False)), (40, (0, False)), (41, (0, True))],
    )
    def test_that_runs_is_judged_by_those_that_took_longer(self, elapsed: int, expected: tuple[int, bool]) -> None:
        assert of_task(running(0), usual(10, 20, 40), elapsed) == expected

    def test_that_waits_has_its_whole_duration_before_it(self) -> None:
        queued = {"status": "queued", "run": 1, "queuedAt": 100}
        assert of_task(queued, usual(30, waits=(10,)), 104) == (36, False)
        assert of_task(queued, usual(30, waits=(10,)), 150) == (30, True)

    def test_that_is_tried_again_later_waits_until_then(self) -> None:
        queued = {"status": "queued", "run": 1, "queuedAt": 100, "retryAt": 500}
        assert of_task(queued, usual(30, waits=(10,)), 200) == (340, False)

    def test_without_a_past_is_unknown(self) -> None:
        assert of_task(running(0), None, 5) is None


class TestGathering:
    def test_only_what_ended_well_counts_and_what_was_skipped_took_nothing(self) -> None:
        ok = {"status": "ok", "queuedAt": 5, "executionTime": 8, "duration": 30}
        runs = [
            {"#.a": ok, "#.b": {"status": "failed", "duration": 9}},
            {"#.a": {"status": "skipped"}, "#.c": {"status": "inactive"}},
            {"#.a": {**ok, "duration": 10}},
        ]
        assert gather(runs, [100, 300]) == Estimates(3, 200, {"#.a": Usual((0, 3, 3), (0, 10, 30))})

    def test_nothing_is_known_of_no_runs(self) -> None:
        assert gather([]) == Estimates(0, None, {})


class Counting(MemoryStorage):
    """Counts snapshots."""

    read = 0

    def snapshot(self, instance_id: str) -> Any:
        self.read += 1
        return super().snapshot(instance_id)


@pytest.fixture
def jobs() -> Jobs:
    registry = Registry()
    registry.register("two", [Task("a", work), Task("b", work)])
    registry.register("wide", [Task("a", work, subtasks=[Task(f"t{n}", work) for n in range(600)])])
    return Jobs(storage=Counting(), backend="sync", registry=registry)


class TestTheFacade:
    def test_reads_the_latest_runs_once_a_minute(self, jobs: Jobs) -> None:
        for _ in range(RUNS + 3):
            jobs.create_workflow_instance("two", execute=True)
        storage: Any = jobs.storage
        storage.read = 0
        found = jobs.get_estimates("two")
        assert (found.runs, set(found.tasks), storage.read) == (RUNS, {"#.a", "#.b"}, RUNS)
        assert jobs.get_estimates("two") is found
        assert storage.read == RUNS

    def test_leaves_wide_instances_and_failed_ones_out(self, jobs: Jobs) -> None:
        jobs.create_workflow_instance("wide", execute=True)
        jobs.create_workflow_instance("two")
        assert jobs.get_estimates("wide") == jobs.get_estimates("two") == Estimates()

    def test_tells_what_is_left_of_a_run(self, jobs: Jobs) -> None:
        jobs.create_workflow_instance("two", execute=True)
        instance_id = jobs.create_workflow_instance("two")
        assert jobs.get_remaining(instance_id) is None
        jobs.storage.start_run(instance_id, RunSelection(["#.a", "#.b"], ["#.a"], {}))
        found = jobs.get_remaining(instance_id)
        assert found is not None
        assert 0 <= found.milliseconds < 60_000
        jobs.pause(instance_id)
        assert jobs.get_remaining(instance_id) is None

    async def test_has_asynchronous_twins(self, jobs: Jobs) -> None:
        instance_id = jobs.create_workflow_instance("two", execute=True)
        assert (await jobs.aget_estimates("two")).runs == 1
        assert await jobs.aget_remaining(instance_id) is None
