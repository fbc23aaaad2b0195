"""What a task sees: arguments and contexts (features S23 to S26, S29 to S31, S38)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs_flow.errors import InvalidUpdater
from jobs_flow.storages.records import Input
from jobs_flow.workflows import context
from jobs_flow.workflows.context import Given
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan


def work(res: Any) -> Any:
    return res


PLAN = Plan.of(
    Workflow.parse(
        "w",
        [
            Task("first", work, dest="one"),
            Task(
                "block",
                work,
                dest="two",
                subtasks=[Task("a", work, dest="three"), Task("b", work, subtasks=[Task("x", work)])],
            ),
            Task("last", work, context_vars=["m"]),
            Task("end", work),
        ],
    )
)


def ok(path: str, value: Any, at: int = 1) -> Input:
    return Input("ok", path, at, json.dumps(value))


def build(
    path: str,
    handed: dict[str, Input],
    explicit: str | None = None,
    updaters: dict[str, list[Any]] | None = None,
    **base: Any,
) -> Given:
    wanted = context.inputs(PLAN, path)
    return context.build(
        PLAN,
        path,
        {p: i for p, i in handed.items() if p in wanted},
        base_context=base,
        explicit=explicit,
        updaters={p: json.dumps(u) for p, u in (updaters or {}).items()},
    )


HANDED = {
    "#.first": ok("#.first", 1),
    "#.block": ok("#.block", 2),
    "#.block.a": ok("#.block.a", 3),
    "#.block.b": ok("#.block.b", 4),
    "#.block.b.x": ok("#.block.b.x", 5),
    "#.last": ok("#.last", {"m": 6}),
}


class TestArgument:
    def test_the_first_task_gets_an_empty_dict(self) -> None:
        assert build("#.first", {}).argument == {}

    def test_a_root_task_gets_the_result_before_it(self) -> None:
        assert build("#.block", HANDED).argument == 1

    def test_a_subtask_gets_the_result_of_its_parent(self) -> None:
        assert build("#.block.b", HANDED).argument == 2
        assert build("#.block.b.x", HANDED).argument == 4

    def test_after_a_block_it_is_a_dict_by_name_whatever_the_count(self) -> None:
        assert build("#.last", HANDED).argument == {"a": 3, "b": {"x": 5}}

    def test_an_explicit_one_wins_also_when_it_is_falsy(self) -> None:
        for text, value in (("0", 0), ("null", None), ('""', ""), ("false", False), ("[]", [])):
            assert build("#.block", HANDED, explicit=text).argument == value

    def test_a_skipped_task_passes_on_what_stands_in_the_record_it_names(self) -> None:
        handed = HANDED | {
            "#.block": Input("skipped", "#.first", 1, "1"),
            "#.block.a": Input("skipped", "#.first", 1, "1"),
        }
        given = build("#.last", handed)
        assert (given.argument, given.source) == (1, "#.first")

    def test_a_skipped_subtask_is_none_in_the_dict(self) -> None:
        handed = HANDED | {"#.block.a": Input("skipped", "#.block", 1, "2")}
        assert build("#.last", handed).argument == {"a": None, "b": {"x": 5}}


class TestContext:
    def test_later_tasks_and_subtasks_see_dest(self) -> None:
        assert build("#.block.b.x", HANDED).context == {"one": 1, "two": 2}
        assert build("#.end", HANDED).context == {"one": 1, "two": 2, "m": 6}

    def test_parallel_siblings_and_what_is_inside_a_block_are_not_seen(self) -> None:
        assert "three" not in build("#.block.b", HANDED).context
        assert "three" not in build("#.last", HANDED).context

    def test_nothing_of_a_later_task_leaks_into_an_earlier_one(self) -> None:
        assert build("#.block", HANDED).context == {"one": 1}
        assert "#.last" not in context.inputs(PLAN, "#.block")

    def test_a_missing_member_is_none(self) -> None:
        assert build("#.end", HANDED | {"#.last": ok("#.last", {"n": 1})}).context["m"] is None
        assert build("#.end", HANDED | {"#.last": ok("#.last", [1])}).context["m"] is None

    def test_the_base_context_is_there_and_dest_wins(self) -> None:
        assert build("#.block", HANDED, one=0, base=9).context == {"one": 1, "base": 9}

    def test_a_task_that_did_not_run_hands_nothing_on(self) -> None:
        assert build("#.block", {"#.first": Input("inactive", None, None, None)}).context == {}


class TestRecord:
    def test_what_was_received_is_recorded(self) -> None:
        given = build("#.block.b", HANDED)
        assert json.loads(given.argument_record) == 2
        assert json.loads(given.context_record) == {"one": 1, "two": 2}

    def test_what_is_long_is_recorded_as_where_it_stands(self) -> None:
        long = "x" * (context.INLINE_LIMIT + 1)
        given = build("#.block", HANDED | {"#.first": ok("#.first", long, at=77)})
        reference = {"$ref": "#.first", "executionTime": 77, "length": len(long) + 2}
        assert given.argument == long
        assert json.loads(given.argument_record) == reference
        assert json.loads(given.context_record) == {"one": reference}

    def test_an_explicit_argument_is_recorded_whole(self) -> None:
        text = json.dumps("x" * (context.INLINE_LIMIT + 1))
        assert build("#.block", HANDED, explicit=text).argument_record == text


class TestUpdaters:
    def test_those_of_earlier_root_tasks_and_of_the_tasks_around_are_replayed_in_order(self) -> None:
        updaters = {
            path: [{"seen": {"$push": [path]}}] for path in ("#.block.b", "#.last", "#.block", "#.first", "#.block.a")
        }
        assert build("#.block.b.x", HANDED, updaters=updaters, seen=[]).context["seen"] == [
            "#.first",
            "#.block",
            "#.block.b",
        ]
        assert build("#.end", HANDED, updaters=updaters, seen=[]).context["seen"] == ["#.first", "#.block", "#.last"]
        assert build("#.block.a", HANDED, updaters=updaters, seen=[]).context["seen"] == ["#.first", "#.block"]

    def test_nothing_of_the_task_itself_or_of_a_later_one_leaks(self) -> None:
        updaters = {path: [{"x": {"$set": 1}}] for path in ("#.block", "#.block.a", "#.last", "#.end", "#.gone")}
        assert build("#.block", HANDED, updaters=updaters).context == {"one": 1}

    def test_they_come_right_after_the_tasks_own_members(self) -> None:
        updaters: dict[str, list[Any]] = {"#.first": [{"one": {"$set": 10}, "two": {"$set": 20}}]}
        assert build("#.block", HANDED, updaters=updaters).context == {"one": 10, "two": 20}
        # The block's dest is put in later, and wins.
        assert build("#.block.b", HANDED, updaters=updaters).context == {"one": 10, "two": 2}

    def test_a_list_is_replayed_in_order(self) -> None:
        updaters: dict[str, list[Any]] = {"#.first": [{"one": {"$set": []}}, {"one": {"$push": [1]}}]}
        assert build("#.block", HANDED, updaters=updaters).context == {"one": [1]}

    def test_one_that_no_longer_fits_names_the_path_it_was_recorded_at(self) -> None:
        with pytest.raises(InvalidUpdater) as wrong:
            build("#.last", HANDED, updaters={"#.block": [{}, {"one": {"$push": [1]}}]})
        assert wrong.value.where == "[1]#.one.$push, recorded at #.block"

    def test_the_record_has_what_they_made(self) -> None:
        long = "x" * (context.INLINE_LIMIT + 1)
        handed = HANDED | {"#.first": ok("#.first", long, at=77)}
        updaters: dict[str, list[Any]] = {
            "#.first": [
                {"base": {"$set": 1}, "two": {"$set": long}, "$unset": "gone"},
                {"ref": {"$set": {"$ref": "a"}}},
            ]
        }
        given = build("#.block", handed, updaters=updaters, base=long, gone=long, stays=long)
        kept = json.loads(given.context_record)
        assert kept == {
            "base": 1,
            "one": {"$ref": "#.first", "executionTime": 77, "length": len(long) + 2},
            "ref": {"$ref": None, "value": {"$ref": "a"}},
            "stays": {"$ref": "#", "length": len(long) + 2, "member": "stays"},
            "two": {"$ref": "#.first", "updated": True, "length": len(long) + 2, "member": "two"},
        }
        record = {"executionTime": 77, "status": "ok", "body": long, "argument": None}
        resolved = {name: context.resolve(member, lambda _: record, {"stays": long}) for name, member in kept.items()}
        assert resolved == given.context | {"two": kept["two"]}

    def test_a_member_that_is_replaced_by_a_later_dest_is_recorded_as_that(self) -> None:
        long = "x" * (context.INLINE_LIMIT + 1)
        given = build("#.block.b", HANDED, updaters={"#.first": [{"two": {"$set": long}}]})
        assert json.loads(given.context_record) == given.context == {"one": 1, "two": 2}

    def test_the_base_context_of_the_caller_is_not_changed(self) -> None:
        base: dict[str, Any] = {"rows": []}
        handed = {"#.first": HANDED["#.first"]}
        updaters = {"#.first": '[{"rows": {"$push": [1]}}]'}
        given = context.build(PLAN, "#.block", handed, base_context=base, explicit=None, updaters=updaters)
        assert (given.context["rows"], base) == ([1], {"rows": []})
