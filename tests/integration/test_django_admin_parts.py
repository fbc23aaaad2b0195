"""What the admin's page is made of: rows of the tree, spans of the timeline, values as text. No database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.workflows.estimates import Remaining
from jobs_flow_django.admin.formats import (
    VALUE_LIMIT,
    about_text,
    duration_text,
    left_text,
    percent,
    pretty_json,
    printable,
)
from jobs_flow_django.admin.timeline import Timeline, times_text
from jobs_flow_django.admin.tree import ATTENTION_SHOWN, EXPANDED_SHOWN, ROWS, SHOWN, Fold, TaskNode, walk


def node(path: str, *children: dict[str, Any]) -> dict[str, Any]:
    return {"name": path.rpartition(".")[2], "description": "", "path": path, "children": list(children)}


def block(width: int, path: str = "#.block") -> dict[str, Any]:
    return node(path, *(node(f"{path}.t{number}") for number in range(width)))


def views(*nodes: dict[str, Any], **statuses: str) -> dict[str, dict[str, str]]:
    """A view for each path; ``statuses`` by the task's own name, else ok."""
    found: dict[str, dict[str, str]] = {}
    stack = list(nodes)
    while stack:
        each = stack.pop()
        found[each["path"]] = {"status": statuses.get(each["name"], "ok")}
        stack += each["children"]
    return found


def rows(*tree: dict[str, Any], **options: Any) -> list[str]:
    """Paths of the rows; a fold as the number it hides."""
    statuses = options.pop("statuses", {})
    found = walk(tree, views(*tree, **statuses), **options)
    return [row.path if isinstance(row, TaskNode) else f"+{row.count}" for row in found]


class TestTree:
    def test_is_in_pre_order_with_depths(self) -> None:
        tree = [node("#.a", node("#.a.b", node("#.a.b.c")), node("#.a.d")), node("#.e")]
        found = [(row.path, row.depth) for row in walk(tree, views(*tree)) if isinstance(row, TaskNode)]
        assert found == [("#.a", 0), ("#.a.b", 1), ("#.a.b.c", 2), ("#.a.d", 1), ("#.e", 0)]

    def test_a_block_of_the_limit_is_whole(self) -> None:
        assert len(rows(block(SHOWN))) == 1 + SHOWN

    def test_a_wider_one_is_folded_after_its_first(self) -> None:
        found = rows(block(SHOWN + 7), node("#.after"))
        assert found == ["#.block", *(f"#.block.t{n}" for n in range(SHOWN)), "+7", "#.after"]

    def test_many_root_tasks_are_folded_too(self) -> None:
        assert rows(*(node(f"#.t{n}") for n in range(SHOWN + 3)))[-1] == "+3"

    @pytest.mark.parametrize("status", ["failed", "cancelled", "running"])
    def test_what_needs_attention_is_shown(self, status: str) -> None:
        assert rows(block(100), statuses={"t77": status})[-2:] == ["#.block.t77", "+49"]

    def test_with_the_blocks_around_it(self) -> None:
        wide = block(60)
        wide["children"][55]["children"] = [node("#.block.t55.deep")]
        assert rows(wide, statuses={"deep": "failed"})[-3:] == ["#.block.t55", "#.block.t55.deep", "+9"]

    def test_a_selected_task_is_never_hidden(self) -> None:
        failing = {f"t{n}": "failed" for n in range(SHOWN, 500)}
        found = rows(block(500), statuses=failing, selected="#.block.t499")
        assert "#.block.t499" in found
        assert len(found) == 1 + SHOWN + ATTENTION_SHOWN + 1

    def test_failures_come_before_what_runs(self) -> None:
        statuses = {f"t{n}": "running" for n in range(SHOWN, 400)} | {"t450": "failed"}
        assert "#.block.t450" in rows(block(500), statuses=statuses)

    def test_a_fold_counts_statuses(self) -> None:
        tree = [block(SHOWN + 3)]
        fold = list(walk(tree, views(*tree, t51="queued", t52="skipped")))[-1]
        assert isinstance(fold, Fold)
        assert fold.statuses == {"ok": 1, "queued": 1, "skipped": 1}
        assert (fold.parent, fold.depth, fold.expandable) == ("#.block", 1, True)

    def test_an_expanded_block_has_a_limit_of_its_own(self) -> None:
        found = rows(block(EXPANDED_SHOWN + 9), expanded={"#.block"})
        assert (len(found), found[-1]) == (1 + EXPANDED_SHOWN + 1, "+9")

    def test_a_page_has_a_last_row(self) -> None:
        tree = [block(40, f"#.b{n}") for n in range(45)] + [block(400, "#.wide"), block(EXPANDED_SHOWN, "#.last")]
        found = rows(*tree, expanded={"#.last"})
        assert len(found) == ROWS + 1
        assert found[-1] == f"+{45 * 41 + 401 + EXPANDED_SHOWN + 1 - (ROWS - 1) - 350}"

    def test_any_depth(self) -> None:
        deep = node("#.a")
        for _ in range(1000):
            deep = node("#.a", deep)
        assert rows(deep)[-1] == "#.a"


class TestTimeline:
    def test_spans_are_shares_of_the_axis(self) -> None:
        done = {"run": 1, "status": "ok", "queuedAt": 1000, "executionTime": 1250, "finishedAt": 2000}
        axis = Timeline.of(1, [done], None)
        assert axis is not None
        assert [(span.kind, span.x, span.width) for span in axis.spans(done)] == [
            ("queued", "0.00%", "25.00%"),
            ("ok", "25.00%", "75.00%"),
        ]

    def test_what_goes_on_lasts_until_now(self) -> None:
        running = {"run": 1, "status": "running", "queuedAt": 0, "executionTime": 500}
        waiting = {"run": 1, "status": "queued", "queuedAt": 500}
        axis = Timeline.of(1, [running, waiting], 1000)
        assert axis is not None
        assert (axis.end, axis.now_x) == (1030, "97.09%")
        assert axis.spans(running)[-1].width == axis.spans(waiting)[-1].width == "48.54%"

    def test_a_clock_that_is_behind_gives_no_negative_width(self) -> None:
        running = {"run": 1, "status": "running", "queuedAt": 5000, "executionTime": 6000}
        axis = Timeline.of(1, [running], 10)
        assert axis is not None
        assert axis.end == 6030
        assert [(span.x, span.width) for span in axis.spans(running)] == [("0.00%", "97.09%"), ("97.09%", "0.40%")]

    def test_short_ones_can_be_seen_and_stay_inside(self) -> None:
        long = {"run": 1, "status": "ok", "queuedAt": 0, "executionTime": 0, "finishedAt": 1_000_000}
        short = {"run": 1, "status": "ok", "queuedAt": 999_999, "executionTime": 999_999, "finishedAt": 1_000_000}
        axis = Timeline.of(1, [long, short], None)
        assert axis is not None
        assert [(span.x, span.width) for span in axis.spans(short)] == [("99.60%", "0.40%")]

    def test_tasks_of_other_runs_are_not_on_it(self) -> None:
        old = {"run": 1, "status": "ok", "queuedAt": 0, "executionTime": 0, "finishedAt": 10}
        new = {"run": 2, "status": "ok", "queuedAt": 9_000, "executionTime": 9_000, "finishedAt": 9_010}
        axis = Timeline.of(2, [old, new], None)
        assert axis is not None
        assert (axis.start, axis.spans(old)) == (9_000, [])

    def test_nothing_queued_no_axis(self) -> None:
        assert Timeline.of(0, [{"run": 0, "status": "inactive", "queuedAt": None}], None) is None

    @pytest.mark.parametrize(
        ("length", "labels"),
        [
            (1, ["0"]),
            (7, ["0", "2 ms", "4 ms", "6 ms"]),
            (1_000, ["0", "200 ms", "400 ms", "600 ms", "800 ms"]),
            (2_500, ["0", "500 ms", "1 s", "1.5 s", "2 s"]),
            (100_000, ["0", "30 s", "1 min", "1 min 30 s"]),
            (5 * 3_600_000, ["0", "1 h", "2 h", "3 h", "4 h"]),
            (400 * 86_400_000, ["0", "100 d", "200 d", "300 d"]),
        ],
    )
    def test_ticks_are_round(self, length: int, labels: list[str]) -> None:
        ticks = Timeline(1, 0, length).ticks
        assert [tick.label for tick in ticks] == labels
        assert [tick.minor for tick in ticks] == [bool(n % 2) for n in range(len(labels))]

    @given(st.integers(10, 10 * 365 * 86_400_000))
    def test_ticks_are_neither_few_nor_many(self, length: int) -> None:
        ticks = Timeline(1, 0, length).ticks
        assert 3 <= len(ticks) <= 7
        assert len({tick.label for tick in ticks}) == len(ticks)
        assert all(float(tick.x.rstrip("%")) <= 92.5 for tick in ticks)

    def test_earlier_attempts_are_on_it(self) -> None:
        lost = {"run": 1, "status": "lost", "queuedAt": 0, "executionTime": 100, "finishedAt": 400, "duration": 300}
        other = {**lost, "run": 0}
        done = {"run": 1, "status": "ok", "queuedAt": 400, "executionTime": 500, "finishedAt": 1000, "duration": 500}
        axis = Timeline.of(1, [done], None, {"#.a": [other, lost]})
        assert axis is not None
        assert (axis.start, axis.end) == (0, 1000)
        assert [(span.kind, span.x) for span in axis.spans(done, [other, lost])] == [
            *(("queued", "0.00%"), ("lost", "10.00%")),
            *(("queued", "40.00%"), ("ok", "50.00%")),
        ]
        assert times_text(done, [lost]) == (
            "attempt 1: waited 100 ms, ran 300 ms, lost; attempt 2: waited 100 ms, ran 500 ms"
        )
        assert times_text(done, []) == "waited 100 ms, ran 500 ms"


class TestFormats:
    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [
            (None, ""),
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (2_400, "2.4 s"),
            (59_960, "60 s"),
            (60_000, "1 min 00 s"),
            (185_000, "3 min 05 s"),
            (7_620_000, "2 h 07 min"),
            (273_600_000, "3 d 4 h"),
        ],
    )
    def test_durations(self, milliseconds: float | None, text: str) -> None:
        assert duration_text(milliseconds) == text

    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [
            (0, "1 s"),
            (9_400, "9 s"),
            (9_600, "10 s"),
            (41_000, "40 s"),
            (57_000, "55 s"),
            (58_000, "1 min"),
            (200_000, "3 min"),
            (3_590_000, "1 h"),
            (7_900_000, "2 h 10 min"),
            (90_000_000, "1 d 1 h"),
        ],
    )
    def test_what_is_left_is_not_said_too_exactly(self, milliseconds: int, text: str) -> None:
        assert about_text(milliseconds) == text
        assert left_text(Remaining(milliseconds)) == f"about {text} left"

    def test_what_takes_longer_than_ever_has_no_end_in_sight(self) -> None:
        assert (left_text(Remaining(0, overrun=True)), left_text(None)) == ("longer than usual", "")

    @pytest.mark.parametrize(
        ("share", "shown"), [(0.0, 0), (0.001, 1), (0.5, 50), (0.999, 99), (1.0, 100), (7.0, 100), (-1.0, 0)]
    )
    def test_only_all_is_a_hundred_percent(self, share: float, shown: int) -> None:
        assert percent(share) == shown

    def test_values(self) -> None:
        assert pretty_json({"ä": ["\ud800", 1]}) == '{\n  "ä": [\n    "?",\n    1\n  ]\n}'
        assert printable("half: \udfff") == "half: ?"
        assert pretty_json("x" * (VALUE_LIMIT + 8)).endswith("\n… 10 more characters")
