"""Which paths a run executes (features S20, S21, S43, S44)."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_flow.workflows import selection
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan


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
