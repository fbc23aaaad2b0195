"""Results that rest on replaced ones (feature S22)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.workflows import selection
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.freshness import builds_on, outdated_by, stale
from jobs_flow.workflows.plan import Plan
from tests.support.plans import plans


def work(res: Any) -> Any:
    return res


CHAIN = Plan.of(Workflow("w", [Task(name, work) for name in "abcd"]))
OK = dict.fromkeys(CHAIN.nodes, "ok")
BLOCK = Plan.of(Workflow("w", [Task("p", work, subtasks=[Task("x", work), Task("y", work)]), Task("after", work)]))


class TestStale:
    def test_after_one_was_run_again_those_behind_it_are(self) -> None:
        assert stale(CHAIN, {"#.a": 1, "#.b": 5, "#.c": 3, "#.d": 4}) == {"#.c": "#.b", "#.d": "#.b"}

    def test_the_nearest_newer_one_is_named(self) -> None:
        assert stale(CHAIN, {"#.a": 9, "#.b": 2, "#.c": 6, "#.d": 4}) == {"#.b": "#.a", "#.c": "#.a", "#.d": "#.c"}

    def test_what_started_in_the_same_millisecond_is_not(self) -> None:
        assert stale(CHAIN, dict.fromkeys(CHAIN.nodes, 7)) == {}

    def test_what_was_never_executed_is_not_and_makes_none(self) -> None:
        assert stale(CHAIN, {"#.a": None, "#.b": 5, "#.d": None}) == {}

    def test_a_subtask_rests_on_its_parent_but_not_on_its_siblings(self) -> None:
        assert stale(BLOCK, {"#.p": 5, "#.p.x": 4, "#.p.y": 6, "#.after": 7}) == {"#.p.x": "#.p"}
        assert stale(BLOCK, {"#.p": 1, "#.p.x": 9, "#.p.y": 2, "#.after": 7}) == {"#.after": "#.p.x"}

    @given(st.data())
    def test_it_is_what_a_look_at_every_predecessor_gives(self, data: st.DataObject) -> None:
        plan = data.draw(plans())
        times = {path: data.draw(st.none() | st.integers(1, 9)) for path in plan.nodes}
        expected = {}
        for path in plan.nodes:
            own = times[path]
            if own is not None:
                newer = [other for other in plan.earlier(path) if (times[other] or 0) > own]
                expected |= {path: newer[-1]} if newer else {}
        assert stale(plan, times) == expected


class TestOneTask:
    def test_builds_on_what_is_around_it_and_before_its_block_the_nearest_first(self) -> None:
        assert builds_on(BLOCK, "#.p") == ()
        assert builds_on(BLOCK, "#.p.y") == ("#.p",)
        assert builds_on(BLOCK, "#.after") == ("#.p.y", "#.p.x", "#.p")

    @given(st.data())
    def test_is_stale_by_the_times_of_those_alone_as_among_all(self, data: st.DataObject) -> None:
        plan = data.draw(plans())
        times = {path: data.draw(st.none() | st.integers(1, 9)) for path in plan.nodes}
        expected = stale(plan, times)
        for path in plan.nodes:
            before = builds_on(plan, path)
            known = {other: times[other] for other in before}
            assert outdated_by(times[path], before, known) == expected.get(path)


class TestGate:
    def test_after_b_was_run_again_d_waits_for_c(self) -> None:
        times = {"#.a": 1, "#.b": 5, "#.c": 3, "#.d": 4}
        with pytest.raises(selection.Blocked) as blocked:
            selection.select_one(CHAIN, "#.d", OK, times=times)
        assert (blocked.value.blocking, blocked.value.status) == ("#.c", "stale")
        with pytest.raises(selection.Blocked):
            selection.select_from(CHAIN, "#.d", OK, times=times)
        selection.select_one(CHAIN, "#.c", OK, times=times)
        selection.select_one(CHAIN, "#.d", OK, times=times | {"#.c": 6})

    def test_a_task_that_has_not_passed_is_named_before_a_stale_one(self) -> None:
        with pytest.raises(selection.Blocked) as blocked:
            selection.select_one(CHAIN, "#.d", OK | {"#.c": "failed"}, times={"#.a": 9, "#.b": 1})
        assert blocked.value.status == "failed"

    def test_without_times_nothing_is_stale(self) -> None:
        selection.select_one(CHAIN, "#.d", OK)

    def test_inside_a_block_the_rest_of_it_must_be_fresh_to_go_on(self) -> None:
        statuses, times = dict.fromkeys(BLOCK.nodes, "ok"), {"#.p": 5, "#.p.x": 4, "#.p.y": 3}
        selection.select_one(BLOCK, "#.p.x", statuses, times=times)
        with pytest.raises(selection.Blocked) as blocked:
            selection.select_from(BLOCK, "#.p.x", statuses, times=times)
        assert (blocked.value.blocking, blocked.value.status) == ("#.p.y", "stale")
