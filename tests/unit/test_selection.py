"""Which paths a run executes (features S20, S21, S43, S44), and what a resume does."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.errors import InvalidArgument
from jobs_flow.workflows import selection
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.flow import RunSelection
from jobs_flow.workflows.plan import Plan
from tests.support.plans import plans


def work(res: Any) -> Any:
    return res


PLAN = Plan.of(
    Workflow.parse(
        "w",
        [
            Task("first", work, on_failure="continue"),
            Task("block", work, subtasks=[Task("a", work), Task("b", work, subtasks=[Task("x", work)])]),
            Task("last", work),
        ],
    )
)
OK = dict.fromkeys(PLAN.nodes, "ok")


class TestAll:
    def test_everything_from_the_first_with_every_join(self) -> None:
        selected = selection.select_all(PLAN, "0")
        assert list(selected.paths) == list(PLAN.nodes)
        assert selected.heads == ("#.first",)
        assert selected.joins == {"#.block": 2, "#.block.b": 1}
        assert selected.argument == "0"

    def test_a_workflow_without_tasks_has_no_head(self) -> None:
        assert selection.select_all(Plan.of(Workflow("w"))).heads == ()


class TestOne:
    def test_only_that_task(self) -> None:
        selected = selection.select_one(PLAN, "#.block.b", OK)
        assert (selected.paths, selected.heads, selected.joins) == (("#.block.b",), ("#.block.b",), {"#.block": 1})

    @pytest.mark.parametrize("status", ["inactive", "queued", "running", "failed", "cancelled"])
    def test_an_earlier_task_that_has_not_passed_blocks_it(self, status: str) -> None:
        with pytest.raises(selection.Blocked) as blocked:
            selection.select_one(PLAN, "#.last", OK | {"#.block.a": status})
        assert (blocked.value.blocking, blocked.value.status) == ("#.block.a", status)

    def test_a_skipped_task_and_a_tolerated_failure_do_not(self) -> None:
        selection.select_one(PLAN, "#.last", OK | {"#.first": "failed", "#.block.a": "skipped"})

    def test_a_parallel_sibling_does_not(self) -> None:
        selection.select_one(PLAN, "#.block.a", OK | {"#.block.b": "failed", "#.last": "inactive"})


class TestFrom:
    def test_that_task_and_all_after_it(self) -> None:
        selected = selection.select_from(PLAN, "#.block", OK)
        assert list(selected.paths) == ["#.block", "#.block.a", "#.block.b", "#.block.b.x", "#.last"]
        assert selected.joins == {"#.block": 2, "#.block.b": 1}

    def test_inside_a_block_the_rest_of_it_is_kept(self) -> None:
        selected = selection.select_from(PLAN, "#.block.b", OK)
        assert list(selected.paths) == ["#.block.b", "#.block.b.x", "#.last"]
        assert selected.joins == {"#.block": 1, "#.block.b": 1}

    def test_the_rest_of_the_block_must_have_passed(self) -> None:
        with pytest.raises(selection.Blocked) as blocked:
            selection.select_from(PLAN, "#.block.b", OK | {"#.block.a": "failed"})
        assert blocked.value.blocking == "#.block.a"

    def test_the_root_is_everything(self) -> None:
        assert selection.select_from(PLAN, "#", {}) == selection.select_all(PLAN)


class TestSubtree:
    def test_a_path_with_all_below_it(self) -> None:
        assert selection.subtree(PLAN, "#.block.b") == ("#.block.b", "#.block.b.x")
        assert selection.subtree(PLAN, "#.last") == ("#.last",)
        assert selection.subtree(PLAN, "#") == tuple(PLAN.nodes)


def chain(length: int) -> Plan:
    return Plan.of(Workflow("w", [Task(f"t{n}", work) for n in range(1, length + 1)]))


class TestResume:
    def test_a_chain_goes_on_at_the_task_that_failed(self) -> None:
        statuses = {f"#.t{n}": "ok" for n in range(1, 7)} | {"#.t7": "failed"}
        for mode in ("failed", "failed_and_downstream"):
            selected = selection.select_resume(chain(10), statuses, mode)
            assert selected.paths == ("#.t7", "#.t8", "#.t9", "#.t10")
            assert (selected.heads, selected.stages, selected.joins) == (("#.t7",), (), {})

    def test_all_is_everything(self) -> None:
        assert selection.select_resume(PLAN, OK, "all", "1") == selection.select_all(PLAN, "1")

    def test_a_path_is_from_there(self) -> None:
        assert selection.select_resume(PLAN, OK, "#.block.b", "1") == selection.select_from(PLAN, "#.block.b", OK, "1")
        with pytest.raises(selection.Blocked):
            selection.select_resume(PLAN, {}, "#.last")
        with pytest.raises(selection.Blocked):
            selection.select_resume(PLAN, OK, "#.last", times={"#.first": 3, "#.block": 2})

    @pytest.mark.parametrize("mode", ["failed", "failed_and_downstream"])
    def test_nothing_to_do(self, mode: str) -> None:
        with pytest.raises(selection.NothingToResume):
            selection.select_resume(PLAN, OK | {"#.block.b": "skipped", "#.block.b.x": "skipped"}, mode)
        with pytest.raises(selection.NothingToResume):
            selection.select_resume(Plan.of(Workflow("w")), {}, "all")

    @pytest.mark.parametrize("mode", ["", "everything", None])
    def test_another_mode_names_those_there_are(self, mode: Any) -> None:
        with pytest.raises(InvalidArgument, match="failed_and_downstream"):
            selection.select_resume(PLAN, OK, mode)

    @pytest.mark.parametrize("status", ["inactive", "queued", "running", "failed", "cancelled"])
    def test_a_hole_inside_a_block_runs_in_stages(self, status: str) -> None:
        statuses = OK | {"#.block.b.x": status, "#.last": "inactive"}
        selected = selection.select_resume(PLAN, statuses, "failed", "0")
        assert selected.paths == ("#.block.b.x", "#.last")
        assert selected.heads == ("#.block.b.x",)
        assert selected.stages == (("#.block.b.x",), ("#.last",))
        assert selected.joins == {"#.block": 1, "#.block.b": 1}
        assert selected.argument == "0"

    def test_parallel_failures_start_together(self) -> None:
        statuses = OK | {"#.block.a": "failed", "#.block.b": "failed", "#.block.b.x": "skipped"}
        selected = selection.select_resume(PLAN, statuses, "failed")
        assert selected.paths == ("#.block.a", "#.block.b", "#.block.b.x")
        assert selected.heads == ("#.block.a", "#.block.b")
        assert selected.joins == {"#.block": 2, "#.block.b": 1}

    def test_a_hole_between_root_tasks(self) -> None:
        statuses = dict.fromkeys(chain(4).nodes, "ok") | {"#.t2": "cancelled", "#.t4": "inactive"}
        selected = selection.select_resume(chain(4), statuses, "failed")
        assert (selected.paths, selected.stages) == (("#.t2", "#.t4"), (("#.t2",), ("#.t4",)))
        selected = selection.select_resume(chain(4), statuses, "failed_and_downstream")
        assert (selected.paths, selected.stages) == (("#.t2", "#.t3", "#.t4"), ())

    def test_a_last_hole_before_tasks_that_are_ok(self) -> None:
        statuses = dict.fromkeys(chain(3).nodes, "ok") | {"#.t2": "failed"}
        assert selection.select_resume(chain(3), statuses, "failed").stages == (("#.t2",),)

    def test_downstream_are_descendants_and_later_root_blocks(self) -> None:
        selected = selection.select_resume(PLAN, OK | {"#.block.b": "failed"}, "failed_and_downstream")
        assert selected.paths == ("#.block.b", "#.block.b.x", "#.last")
        assert selected.stages == (("#.block.b",), ("#.last",))

    def test_a_task_skipped_by_its_own_condition_has_passed(self) -> None:
        selected = selection.select_resume(PLAN, OK | {"#.block.a": "skipped", "#.block.b": "failed"}, "failed")
        assert selected.paths == ("#.block.b",)

    def test_a_new_task_in_a_block_that_was_skipped_runs_only_if_the_block_does(self) -> None:
        statuses = OK | {
            "#.block": "skipped",
            "#.block.a": "skipped",
            "#.block.b": "skipped",
            "#.block.b.x": "inactive",
        }
        selected = selection.select_resume(PLAN, statuses, "failed")
        assert selected.heads == ("#.block",)
        assert selected.paths == ("#.block", "#.block.a", "#.block.b", "#.block.b.x")

    def test_a_task_that_is_ok_between_two_nested_ones_is_never_run_again_unasked(self) -> None:
        statuses = OK | {"#.block": "failed", "#.block.b.x": "failed"}
        with pytest.raises(selection.Blocked) as blocked:
            selection.select_resume(PLAN, statuses, "failed")
        refused = blocked.value
        assert (refused.path, refused.blocking, refused.status) == ("#.block.b.x", "#.block.b", "stale")
        selected = selection.select_resume(PLAN, statuses, "failed_and_downstream")
        assert selected.paths == ("#.block", "#.block.a", "#.block.b", "#.block.b.x", "#.last")


class Run:
    """A run by the rules of ``Storage.complete``, without times and records."""

    def __init__(self, plan: Plan, selected: RunSelection, statuses: dict[str, str]) -> None:
        self.plan, self.statuses = plan, statuses
        self.executed: list[str] = []
        self.finished = 0
        self._selected = set(selected.paths)
        self._stages = list(selected.stages[1:]) if selected.stages else None
        self._outstanding, self._failures = dict(selected.joins), dict.fromkeys(selected.joins, 0)
        self.statuses |= dict.fromkeys(selected.paths, "inactive")
        self._queue: list[str] = []
        self._enqueue(selected.heads)

    def go(self, chance: random.Random, outcome: Callable[[str], str]) -> None:
        """Execute until nothing is queued, in any order."""
        while self._queue:
            path = self._queue.pop(chance.randrange(len(self._queue)))
            self.executed.append(path)
            self._complete(path, outcome(path))

    def _enqueue(self, wanted: Any) -> list[str]:
        ready = [path for path in wanted if path in self._selected and self.statuses[path] == "inactive"]
        self.statuses |= dict.fromkeys(ready, "queued")
        self._queue += ready
        return ready

    def _complete(self, path: str, status: str) -> None:
        assert self.finished == 0, "a task ran after the end of its run"
        flow = self.plan.flow(path)
        self.statuses[path] = status
        if status == "ok" and self._enqueue(flow.children):
            return
        failed = int(status == "failed" and self.plan.nodes[path].task.on_failure != "continue")
        if not failed or any(tolerated for _, tolerated in flow.joins):
            for below in flow.subtree if status != "ok" else ():
                if below in self._selected and self.statuses[below] == "inactive":
                    self.statuses[below] = "skipped"
        for block, tolerated in flow.joins:
            if block in self._outstanding:
                self._outstanding[block] -= 1
                self._failures[block] += failed
                if self._outstanding[block] != 0:
                    return
                failed = 0 if tolerated else self._failures[block]
        after = self._stages.pop(0) if self._stages else [] if self._stages is not None else [flow.following]
        if failed or not self._enqueue(after):
            self.finished += 1


every_status = st.sampled_from(["ok", "ok", "ok", "skipped", "failed", "inactive", "cancelled", "queued", "running"])


class TestEverySelection:
    @given(st.data(), st.randoms(use_true_random=False), st.sampled_from(selection.RESUME_MODES))
    def test_a_resume_that_succeeds_executes_each_selected_task_once_and_leaves_nothing_to_do(
        self, data: st.DataObject, chance: random.Random, mode: str
    ) -> None:
        plan = data.draw(plans())
        statuses = {path: data.draw(every_status) for path in plan.nodes}
        try:
            selected = selection.select_resume(plan, statuses, mode)
        except selection.NothingToResume:
            assert mode == "all" or set(statuses.values()) <= {"ok", "skipped"}
            return
        except selection.Blocked as refused:
            between = (mode, statuses[refused.blocking], refused.status)
            assert between == ("failed", "ok", "stale")
            return
        if mode == "failed":
            assert not any(statuses[path] == "ok" for path in selected.paths)
        assert {path for path in plan.nodes if statuses[path] not in ("ok", "skipped")} <= set(selected.paths)

        run = Run(plan, selected, statuses)
        run.go(chance, lambda path: "ok")
        assert sorted(run.executed) == sorted(selected.paths)
        assert run.finished == 1
        for position, path in enumerate(run.executed):
            assert not set(plan.earlier(path)) & set(run.executed[position:])
        if mode != "all":
            with pytest.raises(selection.NothingToResume):
                selection.select_resume(plan, run.statuses, mode)

    @given(st.data(), st.randoms(use_true_random=False))
    def test_runs_and_resumes_with_failures_end_and_execute_no_task_again_that_was_ok(
        self, data: st.DataObject, chance: random.Random
    ) -> None:
        plan = data.draw(plans())
        faults = {path: data.draw(st.lists(st.sampled_from(["failed", "skipped"]), max_size=2)) for path in plan.nodes}
        ok: list[str] = []

        def outcome(path: str) -> str:
            status = faults[path].pop() if faults[path] else "ok"
            ok.extend([path] if status == "ok" else [])
            return status

        selected = selection.select_all(plan)
        statuses: dict[str, str] = {}
        for _ in range(2 * len(plan.nodes) + 2):
            run = Run(plan, selected, statuses)
            run.go(chance, outcome)
            assert run.finished == (1 if selected.heads else 0)
            assert "queued" not in statuses.values()
            try:
                selected = selection.select_resume(plan, statuses, "failed")
            except selection.NothingToResume:
                break
        else:
            pytest.fail("it was resumed for ever")
        assert len(ok) == len(set(ok))
        assert set(statuses.values()) <= {"ok", "skipped"}

    @given(st.data(), st.randoms(use_true_random=False))
    def test_from_and_one_execute_what_they_select(self, data: st.DataObject, chance: random.Random) -> None:
        plan = data.draw(plans().filter(lambda plan: bool(plan.nodes)))
        path = data.draw(st.sampled_from(list(plan.nodes)))
        statuses: Mapping[str, str] = dict.fromkeys(plan.nodes, "ok")
        for select in (selection.select_one, selection.select_from):
            selected = select(plan, path, statuses)
            run = Run(plan, selected, dict(statuses))
            run.go(chance, lambda path: "ok")
            assert sorted(run.executed) == sorted(selected.paths)
            assert run.finished == 1
