"""Pictures of workflows and runs: what is on them, where it stands, and that nothing breaks out of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_flow.errors import InvalidArgument
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.drawing import mermaid, svg
from jobs_flow.workflows.drawing_layout import Layout, Place, layout
from jobs_flow.workflows.drawing_shape import MAX_BOXES, Shape, shape
from jobs_flow.workflows.drawing_text import clean, clip, duration, number, width
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import TaskStatus
from tests.support.plans import plans, work

SVG = "{http://www.w3.org/2000/svg}"

Tree = list[dict[str, Any]]


def task(name: str, *subtasks: Task, description: str = "") -> Task:
    return Task(name, work, subtasks=subtasks, description=description)


def tree(*tasks: Task) -> Tree:
    return Plan.of(Workflow("w", tasks)).describe()


NESTED = tree(
    task("first"),
    task("block", task("a"), task("b", task("x"), task("y")), task("c", task("only"))),
    task("last", description="The end"),
)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Tree, dict[str, dict[str, Any]]]:
    """Descriptions with task views, some of them with wide blocks. Few draws, since each of many is slow."""
    chance = Random(draw(st.integers(0, 2**32)))
    forest: list[Any] = []
    blocks = [forest]
    for _ in range(draw(st.integers(1, 80))):
        own: list[Any] = []
        # The first ones again and again, so that there are wide blocks; the last ones, so that there are deep ones.
        chance.choice(chance.choice([blocks[:2], blocks[-2:], blocks])).append(own)
        blocks.append(own)
    described = _described(forest, "#")
    views = {
        path: {
            "status": str(chance.choice(list(TaskStatus))),
            "duration": chance.choice([None, chance.randrange(10**9)]),
            "progress": chance.random(),
        }
        for path in paths_of(described)
    }
    return described, views


def _described(forest: list[Any], path: str) -> Tree:
    named = [(f"t{n}", f"{path}.t{n}", below) for n, below in enumerate(forest)]
    return [{"name": n, "path": p, "description": "", "children": _described(below, p)} for n, p, below in named]


def paths_of(described: Tree) -> Iterator[str]:
    for node in described:
        yield node["path"]
        yield from paths_of(node["children"])


def parsed(text: str) -> ET.Element:
    """The picture, once it is seen to be well-formed XML."""
    return ET.fromstring(text)


def nodes(root: ET.Element) -> dict[str, ET.Element]:
    """The boxes of a picture by the first line of their titles that is a path, or by their whole title."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        lines = [line for line in title.splitlines() if line.startswith("#")]
        key = title if "jf-more" in group.attrib["class"] else lines[0]
        found[key] = group
    return found


def picture(described: Tree, views: Mapping[str, Any] | None = None) -> tuple[Shape, Layout]:
    found = shape(described, views)
    return found, layout(found)


def overlap(one: Place, other: Place) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def pieces(line: str) -> list[Place]:
    """A connection as straight pieces, each a rectangle without area."""
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"-?[\d.]+ -?[\d.]+", line)]
    return [
        Place(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)) for (x1, y1), (x2, y2) in itertools.pairwise(points)
    ]


def inside(place: Place) -> Place:
    """A rectangle without its edge, on which connections begin and end."""
    return Place(place.x + 0.5, place.y + 0.5, place.width - 1, place.height - 1)


def connections(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^ +(\w+) (?:-->|==>) (\w+)$", text, re.MULTILINE))


class TestWhatFollowsWhat:
    def test_a_task_its_block_its_join_and_the_next(self) -> None:
        assert connections(mermaid(NESTED)) == {
            ("t_first", "t_block"),
            *(("t_block", f"t_block__{name}") for name in "abc"),
            *(("t_block__b", f"t_block__b__{name}") for name in "xy"),
            *((f"t_block__b__{name}", "j_block__b") for name in "xy"),
            ("t_block__c", "t_block__c__only"),
            ("t_block__a", "j_block"),
            ("j_block__b", "j_block"),
            ("t_block__c__only", "j_block"),
            ("j_block", "t_last"),
        }

    @given(plans())
    def test_it_is_what_the_plan_says(self, plan: Plan) -> None:
        """Each task is reached from exactly those whose ends the engine waits for."""
        found = shape(plan.describe(), None)
        into: dict[Any, set[Any]] = {}
        for edge in found.edges():
            into.setdefault(edge.target, set()).add(edge.source)

        def before(target: Any) -> set[str]:
            """The tasks that a point waits for, joins taken apart."""
            waited: set[str] = set()
            for source in into.get(target, ()):
                waited |= before(source) if source.join else {found.boxes[source.index].path}
            return waited

        for box in found.boxes:
            points = [edge.target for edge in found.edges() if edge.target.index == box.index and not edge.target.join]
            node = plan.nodes[box.path]
            if node.parent is not None:
                expected = {node.parent}
            elif node.position:
                earlier = plan.roots[node.position - 1]
                expected = {p for p in (earlier, *plan.descendants(earlier)) if not plan.nodes[p].children}
            else:
                expected = set()
            assert (before(points[0]) if points else set()) == expected
            assert len(set(points)) <= 1

    def test_what_the_run_has_taken(self) -> None:
        views = {path: {"status": "ok"} for path in paths_of(NESTED)}
        views["#.block.c"] = {"status": "failed"}
        views["#.block.c.only"] = views["#.last"] = {"status": "inactive"}
        text = mermaid(NESTED, views)
        assert "t_block ==> t_block__c\n" in text
        assert "t_block__c --> t_block__c__only\n" in text
        assert "j_block__b ==> j_block\n" in text
        assert "t_block__c__only --> j_block\n" in text
        assert "j_block --> t_last\n" in text
        circles = parsed(svg(NESTED, views)).iter(f"{SVG}circle")
        assert sorted(circle.attrib["class"] for circle in circles) == ["jf-join", "jf-join jf-taken"]

    @pytest.mark.parametrize(("started", "sign"), [(None, "-->"), (5, "==>")])
    def test_a_cancelled_task_was_reached_if_it_ran(self, started: int | None, sign: str) -> None:
        views = {"#.a": {"status": "ok"}, "#.b": {"status": "cancelled", "executionTime": started}}
        assert f"t_a {sign} t_b" in mermaid(tree(task("a"), task("b")), views)


class TestPlaces:
    @settings(max_examples=25, deadline=None)
    @given(runs())
    def test_nothing_lies_on_anything(self, run: tuple[Tree, dict[str, Any]]) -> None:
        _, found = picture(*run)
        places = [*found.boxes.values(), *found.joins.values()]
        for one, other in itertools.combinations(places, 2):
            assert not overlap(one, other)
        for place in places:
            assert place.x >= 0
            assert place.y >= 0
            assert place.x + place.width <= found.width
            assert place.y + place.height <= found.height
        lines = [piece for line in found.lines for piece in pieces(line.line)]
        for piece, place in itertools.product(lines, map(inside, found.boxes.values())):
            assert not overlap(piece, place)

    def test_to_the_right_unless_that_is_too_wide(self) -> None:
        assert picture(NESTED)[1].right
        _, long = picture(tree(*(task(f"s{n}") for n in range(100))))
        assert not long.right
        assert len(long.boxes) == 100
        assert long.width < 300
        for text in (mermaid(NESTED), mermaid(tree(*(task(f"s{n}") for n in range(9))))):
            assert ("flowchart LR" in text) == ("t_first" in text)


class TestFolding:
    WIDE = tree(task("a"), task("each", *(task(f"i{n}") for n in range(10_000))), task("z"))
    VIEWS = {path: {"status": "ok" if n < 9_000 else "inactive"} for n, path in enumerate(paths_of(WIDE))} | {
        "#.each.i5000": {"status": "failed"},
        "#.each.i7000": {"status": "running"},
    }

    def test_a_wide_block_says_how_many_more(self) -> None:
        found = nodes(parsed(svg(self.WIDE)))
        assert len(found) == 24
        assert "+\xa09\xa0980 more\n#.each: i20 … i9999" in found

    def test_in_a_run_what_needs_attention_is_shown(self) -> None:
        found = nodes(parsed(svg(self.WIDE, self.VIEWS)))
        assert {"#.each.i5000", "#.each.i7000", "#.each.i17"} <= set(found)
        assert "#.each.i18" not in found
        [more] = [title for title in found if title.startswith("+")]
        assert more.splitlines()[0] == "+\xa09\xa0980 more: 1\xa0002 inactive, 8\xa0978 ok"

    def test_a_failure_deep_inside_is_shown_too(self) -> None:
        described = tree(task("each", *(task(f"i{n}", task("deep")) for n in range(100))))
        views = {path: {"status": "ok"} for path in paths_of(described)}
        views["#.each.i77.deep"] = {"status": "failed"}
        assert "#.each.i77.deep" in nodes(parsed(svg(described, views)))

    def test_a_long_sequence_is_folded_in_its_middle(self) -> None:
        described = tree(*(task(f"s{n}") for n in range(1_000)))
        found = nodes(parsed(svg(described)))
        assert {"#.s0", "#.s999"} <= set(found)
        [more] = [title for title in found if title.startswith("+")]
        assert more.startswith("+\xa0880 more")
        assert re.search(r"^ +t_s59 --> more1\n +more1 --> t_s940$", mermaid(described), re.MULTILINE)
        views = {"#.s500": {"status": "failed"}}
        assert len([t for t in nodes(parsed(svg(described, views))) if t.startswith("+")]) == 2

    def test_one_more_is_shown_rather_than_counted(self) -> None:
        assert "more" not in mermaid(tree(task("b", *(task(f"i{n}") for n in range(21)))))

    def test_wide_blocks_in_wide_blocks_stay_readable(self) -> None:
        described = tree(task("b", *(task(f"i{n}", *(task(f"j{m}") for m in range(30))) for n in range(30))))
        assert len(nodes(parsed(svg(described)))) <= MAX_BOXES
        text = mermaid(described)
        assert len(connections(text)) <= 500
        assert len(text) <= 50_000

    def test_mermaid_takes_the_longest_names_there_are(self) -> None:
        described = tree(task("b", *(task("😀" * 90 + str(n), description="$" * 200) for n in range(100))))
        assert len(mermaid(tree(*(task(f"{n}" + "😀" * 90, description="&" * 99) for n in range(120))))) <= 50_000
        assert len(mermaid(described)) <= 50_000

    def test_any_depth(self) -> None:
        innermost = task("t")
        for _ in range(200):
            innermost = task("t", innermost, task("u"))
        described = tree(innermost)
        assert len(nodes(parsed(svg(described)))) == 401
        assert mermaid(described)


class TestSvg:
    @settings(max_examples=50, deadline=None)
    @given(runs())
    def test_every_task_is_there_with_its_status(self, run: tuple[Tree, dict[str, Any]]) -> None:
        described, views = run
        root = parsed(svg(described, views, title="T"))
        found = nodes(root)
        shown = {path for path in found if path.startswith("#")}
        hidden = sum(int(re.sub(r"\D", "", title.split(" more")[0])) for title in found if title.startswith("+"))
        every = list(paths_of(described))
        assert shown <= set(every)
        if not hidden:
            assert shown == set(every)
        for path in shown:
            status = views[path]["status"]
            assert found[path].attrib["class"] == f"jf-node jf-{status}"
            assert status in found[path].attrib["aria-label"]
            assert found[path].find(f"{SVG}path") is not None

    @settings(max_examples=20, deadline=None)
    @given(runs())
    def test_the_same_again(self, run: tuple[Tree, dict[str, Any]]) -> None:
        assert svg(*run) == svg(*run)
        assert mermaid(*run) == mermaid(*run)

    def test_without_views_it_says_what_the_tasks_are(self) -> None:
        found = nodes(parsed(svg(NESTED)))
        assert "jf-plain" in found["#.last"].attrib["class"]
        assert [text.text for text in found["#.last"].iter(f"{SVG}text")] == ["last", "The end"]

    @pytest.mark.parametrize(
        ("view", "note"),
        [
            ({"status": "ok", "duration": 1234}, "ok · 1.2 s"),
            ({"status": "running", "progress": 0.999}, "running · 99\xa0%"),
            ({"status": "running", "progress": None}, "running"),
            (
                {"status": "failed", "error": {"code": "TIMEOUT", "message": "m"}, "duration": 60_000},
                "failed · TIMEOUT",
            ),
            ({"status": "failed", "error": {"code": "EXECUTION_FAILED"}, "retries": 2}, "failed · 3 tries"),
            ({"status": "failed", "error": {"code": "<of a user>"}}, "failed"),
            ({"status": "inactive"}, "What it does"),
            ({"status": "queued"}, "queued"),
            ({"status": "nonsense"}, "What it does"),
            ({}, "What it does"),
        ],
    )
    def test_the_second_line(self, view: dict[str, Any], note: str) -> None:
        root = parsed(svg(tree(task("a", description="What it does")), {"#.a": view}))
        [shown] = [text.text or "" for text in root.iter(f"{SVG}text") if text.attrib["class"] == "jf-note"]
        assert shown.startswith(note)

    def test_nothing_of_a_payload_is_drawn(self) -> None:
        secret = {"error": {"code": "TIMEOUT", "message": "SECRET"}, "body": "SECRET", "progressText": "SECRET"}
        for status in TaskStatus:
            view = {"#.first": {"status": str(status), "argument": "SECRET", "progress": 0.1, **secret}}
            assert "SECRET" not in svg(NESTED, view) + mermaid(NESTED, view)

    def test_a_page_under_a_strict_policy_can_hold_it(self) -> None:
        text = svg(NESTED, {"#.first": {"status": "ok"}}, title="T", standalone=False)
        assert not re.search(r"<style|\sstyle=|<script|\son\w+=|\sid=|url\(", text)
        assert "jf-heading" not in text
        assert text.count("aria-label=") == 1 + 9

    def test_a_file_by_itself_has_its_colours_and_title(self) -> None:
        text = svg(NESTED, title="Monthly <report>")
        root = parsed(text)
        assert "prefers-color-scheme:dark" in (root.findtext(f"{SVG}style") or "")
        assert root.findtext(f"{SVG}title") == root.attrib["aria-label"] == "Monthly <report>"
        assert "9 tasks shown, 3 after each other." in (root.findtext(f"{SVG}desc") or "")
        for status in TaskStatus:
            assert text.count(f"--jf-{status}:") == 2

    def test_no_tasks(self) -> None:
        assert parsed(svg([])).findtext(f"{SVG}desc") == "There are no tasks."
        assert mermaid([]) == 'flowchart LR\n    none["no tasks"]\n'


class TestLinks:
    def test_tasks_lead_to_pages(self) -> None:
        text = svg(NESTED, links={"#.block.a": "/runs/1/?task=%23.block.a&x=1", "#.none": "/x"})
        [link] = parsed(text).iter(f"{SVG}a")
        assert link.attrib == {"class": "jf-link", "href": "/runs/1/?task=%23.block.a&x=1"}
        assert link.findtext(f"{SVG}g/{SVG}title") == "#.block.a"

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            " javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "JAVASCRIPT:x",
            "",
        ],
    )
    def test_what_would_be_executed_is_refused(self, url: str) -> None:
        with pytest.raises(InvalidArgument, match="links"):
            svg(NESTED, links={"#.first": url})


HOSTILE = [
    '"];click t_a "javascript:alert(1)"',
    "%%{init: {'theme':'dark'}}%%",
    "end",
    "`**bold**`",
    "<script>alert(1)</script>",
    "1 - [x] *a* __init__",
    "style a:#b;c",
    "a]] --> b:::ok",
    "&lt;b&gt; &#0; ]]>",
    "$$x^2$$ $$$",
    "日本語の名前",
    "שלום",
    "﷽",
]


class TestHostileNames:
    def test_svg_shows_them_as_they_are(self) -> None:
        described = tree(task("start"), *(task(name, description=name) for name in HOSTILE if "#" not in name))
        root = parsed(svg(described, title=HOSTILE[4], standalone=False))
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            *("svg", "title", "desc", "g", "rect", "path", "circle", "text")
        }
        shown = {text.text for text in root.iter(f"{SVG}text")}
        assert {"日本語の名前", "שלום", "end", "$$x^2$$ $$$"} <= shown

    def test_mermaid_sees_letters_and_numbers_only(self) -> None:
        """What the real parser and renderer were seen to take for something else is never in a label."""
        described = tree(*(task(name.replace("#", "+"), description=name) for name in HOSTILE))
        labels = re.findall(r'^ +t_\w+\["(.*)"\]:::plain$', mermaid(described), re.MULTILINE)
        assert len(labels) == len(HOSTILE)
        for label in labels:
            bare = label.replace("<br/>", "")
            # Directives, Markdown, formulas, HTML, entities and the end of a label all need one of these.
            assert not re.search(r"[^\w #;,…·\xa0]|_", re.sub(r"#\d+;", "", bare)), label
            # A formula begins with two dollars, even when both are written as numbers.
            assert "#36;#36;" not in label
            assert re.fullmatch(r"(?:[^#;]|#\d+;)*", bare)

    def test_words_of_mermaid_are_no_identifiers(self) -> None:
        text = mermaid(tree(*(task(word) for word in ("end", "graph", "subgraph", "default", "style", "click"))))
        assert connections(text) == {
            ("t_end", "t_graph"),
            ("t_graph", "t_subgraph"),
            ("t_subgraph", "t_default"),
            ("t_default", "t_style"),
            ("t_style", "t_click"),
        }

    def test_identifiers_stay_when_others_come_and_go(self) -> None:
        before = re.findall(r" (t_\w+)\[", mermaid(tree(task("é b"), task("c", task("d_e"), task("f")))))
        after = re.findall(r" (t_\w+)\[", mermaid(tree(task("new"), task("é b"), task("c", task("d_e"), task("f")))))
        assert after[1:] == before
        assert before[1:] == ["t_c", "t_c__d_e", "t_c__f"]

    def test_identifiers_of_different_paths_differ(self) -> None:
        described = tree(task("a", task("b")), task("a_b"), task("a__b"), task("a b"), task("_"), task("A", task("b")))
        ids = re.findall(r" (t_\w+)\[", mermaid(described))
        assert len(set(ids)) == 8

    def test_a_title_cannot_leave_its_line(self) -> None:
        text = mermaid(NESTED, title='x"\n---\nconfig: {a: 1}\u2028\x00')
        assert text.startswith('---\ntitle: "x\\" --- config: {a: 1}"\n---\nflowchart LR\n')

    @given(st.text(max_size=80), st.text(max_size=200))
    def test_any_text(self, name: str, description: str) -> None:
        described = [{"name": name, "path": f"#.{name}", "description": description, "children": []}]
        root = parsed(svg(described, title=description))
        assert len(list(root.iter(f"{SVG}g"))) == 1
        lines = mermaid(described, title=description).split("\n")
        assert len(lines) == (3 if "title" in lines[1] else 0) + 4
        assert not any(char in "".join(lines) for char in "\x00\x0b\x85\u2028\u202e\u2066")


class TestText:
    @given(st.text(max_size=60), st.floats(30, 400))
    def test_clipped_text_fits(self, text: str, room: float) -> None:
        shown = clip(text, room, 13)
        assert width(shown, 13) <= room
        assert shown == text or shown.endswith("…")

    def test_what_is_kept_of_a_text(self) -> None:
        assert clean(" a\nb\u2028c\xa0 d ") == "a b c d"
        # Controls, lone surrogates, marks that turn the line round or cannot be seen; not the joiner of an emoji.
        assert clean("a\x00\x1b\ud800\u202eb\u2066\u200b\ufeff\ufffe") == "ab"
        assert clean("👩\u200d👧") == "👩\u200d👧"

    def test_a_mark_stays_with_its_letter(self) -> None:
        assert clip("é" * 20, 60, 13).replace("é", "") == "…"
        assert clip("e\u0301" * 20, 60, 13).replace("e\u0301", "") == "…"

    @pytest.mark.parametrize(
        ("milliseconds", "said"),
        [
            *((0, "0 ms"), (-5, "0 ms"), (250.4, "250 ms"), (1_234, "1.2 s"), (9_949, "9.9 s"), (9_950, "10 s")),
            *((12_400, "12 s"), (59_499, "59 s"), (59_600, "1 min 0 s"), (200_000, "3 min 20 s")),
            *((18_180_000, "5 h 3 min"), (3_600_000_000, "1\xa0000 h 0 min")),
        ],
    )
    def test_durations(self, milliseconds: float, said: str) -> None:
        assert duration(milliseconds) == said

    def test_numbers(self) -> None:
        assert [number(1), number(12_345), number(1_234_567)] == ["1", "12\xa0345", "1\xa0234\xa0567"]
