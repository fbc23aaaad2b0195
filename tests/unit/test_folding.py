"""Wide blocks, folded: what a client is told of them is what who is told everything knows."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_flow.storages.records import Event, Instance, Snapshot
from jobs_flow_django.live.changes import Lines
from jobs_flow_django.live.errors import TooManyWindows
from jobs_flow_django.live.folding import MOVED_WINDOWS, Fold, Outline
from jobs_flow_django.live.journal import KEPT, Journal
from jobs_flow_django.live.mailbox import MOVES, Mailbox
from jobs_flow_django.live.state import LOGGED_LINES, LOGGED_SIZE, LOGGED_TASKS, Shot, State
from tests.support.live import FoldedWatcher, Watcher
from tests.support.schema import check_message

STATUSES = ("inactive", "queued", "running", "ok", "failed", "skipped")

Shape = Sequence["int | Shape"]


def tree(shape: Any, parent: str = "#") -> list[dict[str, Any]]:
    """Nested numbers of children: ``[3, [2]]`` is a task with three and one with one that has two."""
    nodes = []
    for number, below in enumerate(shape):
        path = f"{parent}.t{number}"
        children = [0] * below if isinstance(below, int) else below
        nodes.append({"name": f"t{number}", "path": path, "children": tree(children, path)})
    return nodes


def paths_of(nodes: list[dict[str, Any]]) -> list[str]:
    return [path for node in nodes for path in (node["path"], *paths_of(node["children"]))]


def state_of(shape: Any, *, seq: int = 1, status: str = "inactive") -> State:
    nodes = tree(shape)
    tasks = {path: {"status": status, "run": 1, "logCount": 0} for path in paths_of(nodes)}
    instance = Instance(
        id="i1",
        workflow="w",
        data={},
        base_context={},
        fingerprint="f",
        realm="",
        name="",
        ephemeral=False,
        status="working",
        run=1,
        revision=1,
        created_at=1,
        updated_at=1,
        started_at=1,
        finished_at=None,
        error=None,
        counts={},
        seq=seq,
    )
    return State(Shot(Snapshot(instance, nodes, tasks), {}))


class Room:
    """One journal, and the mailboxes of those who watch it."""

    def __init__(self, state: State) -> None:
        self.journal = Journal(state)
        self.watchers: dict[Mailbox, Watcher] = {}

    @property
    def state(self) -> State:
        return self.journal.state

    def watch(self, watcher: Watcher, **options: Any) -> Mailbox:
        mailbox = Mailbox("i1", lambda mailbox: None, **options)
        self.watchers[mailbox] = watcher
        mailbox.start(self.journal)
        return mailbox

    def happen(self, **data: Any) -> None:
        self.journal.add(Event(self.state.seq + 1, data))

    def begin_again(self, state: State) -> None:
        self.journal = Journal(state)
        for mailbox in self.watchers:
            mailbox.start(self.journal)

    def read(self, *mailboxes: Mailbox) -> None:
        for mailbox in mailboxes or self.watchers:
            for frame in mailbox.take():
                self.watchers[mailbox].receive(json.loads(frame))


def agree(folded: FoldedWatcher, full: Watcher, size: int) -> None:
    """Assert that the one knows of what it shows what the other knows of all."""
    assert folded.shown == {path: full.statuses[path] for path in folded.shown}
    whole = FoldedWatcher()
    whole.tree = full.tree
    assert folded.counts == counted(full.statuses.values())
    blocks = children_of(full.tree)
    for path, counts in folded.folded.items():
        assert len(blocks[path]) > size
        assert counts == counted(full.statuses[child] for child in blocks[path])
    shown = children_of(folded.tree)
    for path, children in shown.items():
        start = folded.windows["#"][0] if path == "#" and folded.windows else None
        if path != "#":
            start = next(node for node in nodes_of(folded.tree) if node["path"] == path).get("from")
        if start is None:
            assert children == blocks[path]
        else:
            assert children == blocks[path][start : start + size]
            assert len(children) == size


def counted(views: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for view in views:
        counts[view["status"]] = counts.get(view["status"], 0) + 1
    return counts


def nodes_of(nodes: list[Any]) -> list[Any]:
    return [each for node in nodes for each in (node, *nodes_of(node["children"]))]


def children_of(nodes: list[Any]) -> dict[str, list[str]]:
    found = {node["path"]: [child["path"] for child in node["children"]] for node in nodes_of(nodes)}
    return {"#": [node["path"] for node in nodes]} | {path: children for path, children in found.items() if children}


class TestWindows:
    OUTLINE = Outline(tree([0] * 25))

    def test_begin_at_the_beginning(self) -> None:
        window = self.OUTLINE.window("#", Fold(10))

        assert window is not None
        assert (window.start, window.total, window.folded) == (0, 25, True)
        assert [node["name"] for node in window.nodes] == [f"t{number}" for number in range(10)]

    @pytest.mark.parametrize(("asked", "given_"), [(0, 0), (3, 3), (15, 15), (16, 15), (10**15, 15)])
    def test_never_end_beyond_the_block(self, asked: int, given_: int) -> None:
        window = self.OUTLINE.window("#", Fold(10).moved("#", asked))

        assert window is not None
        assert (window.start, len(window.nodes)) == (given_, 10)

    def test_a_block_that_is_no_wider_than_one_is_shown_whole(self) -> None:
        outline = Outline(tree([10]))
        window = outline.window("#.t0", Fold(10).moved("#.t0", 5))

        assert window is not None
        assert (window.start, window.total, window.folded) == (0, 10, False)
        assert "total" not in outline.describe("#", Fold(10))[0]

    def test_of_no_block(self) -> None:
        assert self.OUTLINE.window("#.t0", Fold(10)) is None
        assert self.OUTLINE.window("#.nobody", Fold(10)) is None

    def test_of_a_window_are_folded_too(self) -> None:
        outline = Outline(tree([30, 5, [0, 12]]))
        wide, narrow, nested = outline.describe("#", Fold(10).moved("#.t0", 20).moved("#.t2.t1", 1))

        assert (wide["total"], wide["from"], len(wide["children"])) == (30, 20, 10)
        assert "total" not in narrow
        assert (nested["children"][1]["total"], nested["children"][1]["from"]) == (12, 1)
        assert outline.in_view(Fold(10)).blocks == {"#.t0", "#.t2.t1"}

    def test_that_were_moved_are_bounded(self) -> None:
        fold = Fold(10)
        for number in range(10 * MOVED_WINDOWS):
            fold = fold.moved(f"#.t{number}", 5)

        assert len(fold.starts) == MOVED_WINDOWS
        assert fold.moved(f"#.t{10 * MOVED_WINDOWS - 1}", 0).starts == fold.starts[:-1]


SHAPES = st.sampled_from([[0] * 40, [25, 3, 12], [[12, 0, 30], 0, 11], [[[15], 2]] * 12, [0] * 4])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("happen"), st.lists(st.tuples(st.integers(0), st.sampled_from(STATUSES)), max_size=5)),
        st.tuples(st.just("detail"), st.integers(0)),
        st.tuples(st.just("end"), st.sampled_from(["done", "failed"])),
        st.tuples(st.just("read"), st.none()),
        st.tuples(st.just("answers"), st.none()),
        st.tuples(st.just("move"), st.tuples(st.integers(0), st.integers(0, 50))),
        st.tuples(st.just("again"), SHAPES),
        st.tuples(st.just("many"), st.sampled_from(STATUSES)),
    ),
    max_size=30,
)


class TestFoldedClients:
    @settings(deadline=None)
    @given(SHAPES, ACTIONS)
    def test_know_of_what_they_show_what_others_know(self, shape: Any, actions: list[tuple[str, Any]]) -> None:
        room = Room(state_of(shape))
        full, folded = Watcher(), FoldedWatcher()
        room.watch(full)
        mailbox = room.watch(folded, fold=10)
        moves = 0
        for action, what in [*actions, ("read", None)]:
            paths = list(room.state.tasks)
            if action == "happen":
                room.happen(tasks={paths[index % len(paths)]: {"status": status} for index, status in what})
            elif action == "detail":
                room.happen(tasks={paths[what % len(paths)]: {"progress": 0.5}})
            elif action == "end":
                room.happen(tasks={paths[-1]: {"status": "ok"}}, instance={"status": what})
            elif action == "many":
                for path, _ in zip(itertools.cycle(paths), range(3 * KEPT), strict=False):
                    room.happen(tasks={path: {"status": what}})
            elif action == "again":
                room.begin_again(state_of(what, seq=room.state.seq + 1))
            elif action == "move":
                blocks = list(children_of(room.state.outline.tree))  # type: ignore[arg-type]
                mailbox.move(blocks[what[0] % len(blocks)], what[1], moves)
                moves += 1
            elif action == "answers" and mailbox.answered:
                for frame in mailbox.take_answers():
                    folded.receive(json.loads(frame))
            else:
                room.read()
                agree(folded, full, 10)
        answers = [message["ref"] for message in folded.messages if message["type"] in ("workflowBlock", "appError")]
        assert answers == list(range(moves))

    def test_are_told_as_the_schema_says(self) -> None:
        room = Room(state_of([[12, 0, 30], [0] * 11, 0]))
        folded = FoldedWatcher()
        mailbox = room.watch(folded, fold=10, ref="r")
        room.happen(tasks={"#.t0.t2.t20": {"status": "ok"}}, instance={"status": "done"}, logs={"#.t2": lines(0, "a")})
        room.read()
        for number, path in enumerate(("#", "#.t0", "#.t0.t2", "#.t1", "#.nobody")):
            mailbox.move(path, 3, number)
        room.happen(tasks={"#.t0.t2.t20": {"progress": 1.0}})
        room.read()

        assert {"workflowBlock", "appError", "taskLog", "ack"} <= set(folded.types)
        for message in folded.messages:
            check_message(message)

    def test_are_told_the_share_that_has_ended(self) -> None:
        room = Room(state_of([0] * 40))
        folded = FoldedWatcher()
        room.watch(folded, fold=10)
        room.happen(tasks={f"#.t{number}": {"status": "ok"} for number in range(30)}, instance={"paused": True})
        room.read()

        assert folded.counts == {"inactive": 10, "ok": 30}
        assert folded.instance["progress"] == 0.75

    def test_are_told_of_what_they_do_not_see_in_numbers_only(self) -> None:
        room = Room(state_of([0] * 40))
        mailbox = room.watch(FoldedWatcher(), fold=10)
        room.read()
        room.happen(tasks={"#.t30": {"status": "ok", "body": "x" * 1000}})
        [frame] = mailbox.take()

        assert json.loads(frame) == {
            "type": "setTasksStatuses",
            "id": "i1",
            "statuses": {},
            "seq": 2,
            "counts": {"inactive": 39, "ok": 1},
            "blocks": {"#": {"inactive": 39, "ok": 1}},
        }

    def test_are_told_nothing_of_details_that_they_do_not_see_but_that_it_goes_on(self) -> None:
        room = Room(state_of([0] * 40))
        mailbox = room.watch(FoldedWatcher(), fold=10)
        room.read()
        room.happen(tasks={"#.t30": {"progress": 0.5}})
        [message] = map(json.loads, mailbox.take())

        assert message["statuses"] == {}
        assert "blocks" not in message

    def test_that_may_not_see_results_do_not_see_them_in_windows(self) -> None:
        room = Room(state_of([0] * 40))
        mailbox = room.watch(FoldedWatcher(), fold=10, payload=False)
        room.happen(tasks={"#.t30": {"body": "secret", "progressText": "secret"}}, logs={"#.t1": lines(0, "secret")})
        room.read()
        mailbox.move("#", 30, 1)

        assert not any("secret" in frame for frame in mailbox.take())

    def test_hear_the_logs_of_what_they_see_and_of_what_they_name(self) -> None:
        room = Room(state_of([0] * 40))
        sees = room.watch(FoldedWatcher(), fold=10)
        names = room.watch(FoldedWatcher(), fold=10, logs=frozenset({"#.t30"}))
        nobody = room.watch(FoldedWatcher(), fold=10, logs=False)
        room.read()
        room.happen(logs={"#.t1": lines(0, "seen")})
        room.happen(logs={"#.t30": lines(0, "named")})

        assert [json.loads(frame)["lines"] for frame in sees.take()] == [["seen"]]
        assert [json.loads(frame)["lines"] for frame in names.take()] == [["named"]]
        assert nobody.take() == []

    def test_of_ten_thousand_tasks_get_little(self) -> None:
        room = Room(state_of([10_000], status="ok"))
        mailbox = room.watch(FoldedWatcher(), fold=100)

        assert sum(map(len, mailbox.take())) < 20_000

    def test_that_ask_for_what_is_not_there_are_told_so(self) -> None:
        room = Room(state_of([0] * 40))
        mailbox = room.watch(FoldedWatcher(), fold=10)
        room.read()
        mailbox.move("#.nobody", 3, "r")
        [answer] = map(json.loads, mailbox.take())

        assert (answer["type"], answer["error"]["code"], answer["ref"]) == ("appError", "CANNOT_FIND_TASK", "r")

    def test_may_not_ask_without_end(self) -> None:
        mailbox = Room(state_of([0] * 40)).watch(FoldedWatcher(), fold=10)
        for number in range(MOVES):
            mailbox.move("#", number, number)
        with pytest.raises(TooManyWindows):
            mailbox.move("#", 1, "one too many")

        assert sum('"workflowBlock"' in frame for frame in mailbox.take()) == MOVES


class TestSharing:
    def test_who_gets_the_same_gets_the_very_same_frames(self) -> None:
        room = Room(state_of([0] * 40))
        alike = [room.watch(Watcher()) for _ in range(3)]
        folded = [room.watch(FoldedWatcher(), fold=10) for _ in range(2)]
        other = room.watch(Watcher(), payload=False)
        for happens in (lambda: None, lambda: room.happen(tasks={"#.t1": {"status": "ok"}})):
            happens()
            frames = [mailbox.take() for mailbox in (*alike, *folded, other)]
            taken = [tuple(map(id, each)) for each in frames]
            assert taken[0] == taken[1] == taken[2]
            assert taken[3] == taken[4]
            assert len(set(taken)) == 3

    def test_a_newcomer_gets_what_the_others_have(self) -> None:
        room = Room(state_of([3]))
        early, late = Watcher(), Watcher()
        room.watch(early)
        room.happen(tasks={"#.t0": {"status": "ok", "body": 1}}, logs={"#.t0": lines(0, "a", "b")})
        room.happen(instance={"status": "done", "finishedAt": 7, "cancelled": ["#"]})
        room.watch(late)
        room.happen(logs={"#.t0": lines(2, "c")})
        room.read()

        assert late.knowledge == early.knowledge
        assert late.logs == {"#.t0": ["a", "b", "c"]}

    def test_what_a_newcomer_was_given_does_not_change(self) -> None:
        room = Room(state_of([3]))
        room.happen(logs={"#.t0": lines(0, "a")})
        shot = room.state.shot()
        before = copy.deepcopy((shot.snapshot, shot.logs))
        room.happen(tasks={"#.t0": {"status": "ok"}}, instance={"status": "done"}, logs={"#.t0": lines(1, "b")})

        assert (shot.snapshot, shot.logs) == before
        assert room.state.shot() is not shot
        assert room.state.shot() is room.state.shot()


class TestLogsKeptForNewcomers:
    def test_are_the_ends_of_the_latest(self) -> None:
        state = state_of([LOGGED_TASKS + 5])
        for number, path in enumerate(state.tasks):
            state.apply(Event(number + 2, {"logs": {path: lines(0, *map(str, range(LOGGED_LINES + 10)))}}))
        logs = state.shot().logs

        assert len(logs) == LOGGED_TASKS
        assert list(logs) == list(state.tasks)[-LOGGED_TASKS:]
        assert all((each.start, len(each.lines), each.dropped) == (10, LOGGED_LINES, 0) for each in logs.values())

    def test_are_bounded_in_size(self) -> None:
        state = state_of([40])
        for number, path in enumerate(state.tasks):
            state.apply(Event(number + 2, {"logs": {path: lines(0, *["x" * 2000] * LOGGED_LINES)}}))

        assert sum(each.size for each in state.shot().logs.values()) <= LOGGED_SIZE
        assert "#.t0.t39" in state.shot().logs

    def test_that_were_not_there_at_first_are_filled_in(self) -> None:
        state = state_of([2])
        state.partial.add("#.t0")
        state.apply(Event(2, {"logs": {"#.t0": lines(5, "f")}}))
        state.fill_logs({"#.t0": Lines.of(4, ["e", "f"])})

        assert state.shot().logs == {"#.t0": Lines.of(4, ["e", "f"])}
        assert not state.partial


def lines(start: int, *texts: str) -> dict[str, Any]:
    return {"from": start, "lines": list(texts)}
