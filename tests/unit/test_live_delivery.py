"""How changes reach the sockets of a process: read from one journal, and sent in rounds."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from jobs_flow.errors import InstanceNotFound
from jobs_flow.storages.records import Event, Instance, Snapshot
from jobs_flow_django.live.changes import Change
from jobs_flow_django.live.folding import Fold
from jobs_flow_django.live.journal import FAR, KEPT, Journal, Reader
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.rounds import LONGEST, SHORTEST, Rounds, get_rounds
from jobs_flow_django.live.state import Shot, State
from jobs_flow_django.live.telling import AUDIENCES, Audience, Frame, shot_frames


def journal(tasks: int = 3) -> Journal:
    nodes = [{"name": f"t{n}", "path": f"#.t{n}", "children": []} for n in range(tasks)]
    views: dict[str, dict[str, Any]] = {f"#.t{n}": {"status": "queued"} for n in range(tasks)}
    times = {"created_at": 1, "updated_at": 1, "started_at": 1, "finished_at": None}
    texts = {"id": "i1", "workflow": "w", "fingerprint": "f", "realm": "", "name": "", "status": "working"}
    instance = Instance(
        **texts,  # type: ignore[arg-type]
        **times,  # type: ignore[arg-type]
        data={},
        base_context={},
        ephemeral=False,
        run=1,
        revision=1,
        error=None,
        counts={},
        seq=1,
    )
    return Journal(State(Shot(Snapshot(instance, nodes, views), {})))


class Counted(Reader):
    """A reader that is slow, and counts how often it was told to read."""

    def __init__(self, journal: Journal, **audience: Any) -> None:
        self.audience = Audience(**audience)
        self.noticed = 0
        journal.join(self)

    def notice(self) -> None:
        self.noticed += 1


def happen(journal: Journal, count: int, path: str = "#.t0") -> None:
    for _ in range(count):
        number = journal.seq + 1
        journal.add(Event(number, {"tasks": {path: {"progress": number / 1e6}}}))


class TestJournal:
    def test_tells_who_has_not_read_once(self) -> None:
        kept = journal()
        reader = Counted(kept)
        happen(kept, 5)
        assert reader.noticed == 1

        kept.take(reader)
        happen(kept, 5)
        assert reader.noticed == 2

    def test_gives_what_happened_as_one_change_and_nothing_twice(self) -> None:
        kept = journal()
        reader = Counted(kept)
        happen(kept, 5)
        [frame] = kept.take(reader)

        assert json.loads(frame)["statuses"] == {"#.t0": {"progress": 6e-06}}
        assert frame.seq == 6
        assert kept.take(reader) == ()

    def test_keeps_nothing_that_everybody_has_read(self) -> None:
        kept = journal()
        quick, slow, gone = Counted(kept), Counted(kept), Counted(kept)
        happen(kept, 5)
        kept.take(quick)
        assert len(kept._posts) == 5
        kept.take(slow)
        kept.leave(gone)

        assert kept._posts == []

    @pytest.mark.parametrize("number", [1, KEPT, 2 * KEPT - 1, 2 * KEPT, 5 * KEPT + 3])
    def test_holds_for_the_slow_as_much_as_one_change_and_gives_them_all(self, number: int) -> None:
        kept = journal()
        reader = Counted(kept)
        happen(kept, number)
        happen(kept, 1, "#.t2")
        assert len(kept._posts) < 2 * KEPT
        [frame] = kept.take(reader)

        assert json.loads(frame)["statuses"] == {
            "#.t0": {"progress": (number + 1) / 1e6},
            "#.t2": {"progress": (number + 2) / 1e6},
        }

    def test_those_who_stopped_at_the_same_time_share_what_waits_for_them(self) -> None:
        kept = journal()
        first = [Counted(kept) for _ in range(10)]
        happen(kept, KEPT // 2)
        second = [Counted(kept) for _ in range(10)]
        happen(kept, 5 * KEPT)

        assert len({id(reader.backlog) for reader in first}) == 1
        assert len({id(reader.backlog) for reader in second}) == 1
        assert first[0].backlog is not second[0].backlog

    def test_what_those_who_come_back_together_missed_is_encoded_once(self) -> None:
        known = journal()
        missed = [Event(number, {"tasks": {"#.t0": {"progress": number / 10}}}) for number in (2, 3, 4)]
        for event in missed:
            known.add(event)
        change = known.since(2, missed)
        first, second, masked, late = Counted(known), Counted(known), Counted(known, payload=False), Counted(known)
        for reader in (first, second, masked, late):
            reader.backlog = change
        frames = known.take(first)
        assert [json.loads(frame)["seq"] for frame in frames] == [4, 4]
        assert json.loads(frames[0])["statuses"] == {"#.t0": {"progress": 0.4}}
        assert known.take(second) is frames
        assert known.take(masked) is not frames
        happen(known, 1)
        assert [json.loads(frame)["seq"] for frame in known.take(late)] == [5, 5]
        assert [json.loads(frame)["seq"] for frame in known.take(first)] == [5]

    def test_one_who_shares_does_not_change_what_the_others_get(self) -> None:
        kept = journal()
        readers = [Counted(kept) for _ in range(3)]
        happen(kept, 3 * KEPT)
        first = kept.take(readers[0])
        happen(kept, 3, "#.t1")

        assert json.loads(first[0])["statuses"].keys() == {"#.t0"}
        told = [json.loads(kept.take(reader)[0])["statuses"] for reader in readers[1:]]
        assert told[0] == told[1]
        assert told[0].keys() == {"#.t0", "#.t1"}

    def test_holds_no_results_for_those_who_fold_them_away(self) -> None:
        kept = journal(40)
        reader = Counted(kept, fold=Fold(10), logs=False)
        for number in range(3 * KEPT):
            logs = {"#.t1": {"from": number, "lines": ["line"]}}
            kept.add(Event(kept.seq + 1, {"tasks": {"#.t30": {"status": "ok", "body": number}}, "logs": logs}))

        assert reader.backlog == Change(kept.seq - len(kept._posts), blocks={"#"})

    def test_frames_say_where_a_client_has_got_to(self) -> None:
        kept = journal()
        reader = Counted(kept)
        kept.add(Event(2, {"tasks": {"#.t0": {"status": "ok"}}, "instance": {"status": "done"}}))

        assert [frame.seq for frame in kept.take(reader)] == [None, 2]
        assert isinstance(kept.take(reader), tuple)
        assert Frame.of({"type": "hello"}).seq is None


class TestAbsence:
    """Of readers who want nothing for now, as hidden pages do."""

    @pytest.mark.parametrize("away", [False, True])
    def test_what_is_merged_for_them_ends(self, away: bool) -> None:
        kept = journal()
        readers = []
        for _ in range(5):
            readers.append(Counted(kept))
            readers[-1].away = away
            happen(kept, 3)
        happen(kept, FAR + 2 * KEPT)

        assert [kept.has_lost(reader) for reader in readers] == [away] * 5
        assert [reader.backlog is None for reader in readers] == [away] * 5
        assert [reader.noticed for reader in readers] == [1] * 5

    def test_nothing_is_kept_for_them_alone(self) -> None:
        kept = journal()
        quick, away = Counted(kept), Counted(kept)
        away.away = True
        for _ in range(FAR + 2 * KEPT):
            happen(kept, 1)
            kept.take(quick)

        assert kept.has_lost(away)
        assert kept._posts == []

    def test_a_short_one_is_told_as_what_changed(self) -> None:
        kept = journal()
        reader = Counted(kept)
        reader.away = True
        happen(kept, FAR - KEPT)
        reader.away = False
        happen(kept, FAR)

        assert not kept.has_lost(reader)
        assert len(kept.take(reader)) == 1

    def test_a_long_one_ends_with_all_there_is_and_the_errors_of_the_time(self) -> None:
        kept = journal()
        mailbox, woken = self._mailbox(kept)
        mailbox.take()
        mailbox.away = True
        for number in (1, FAR, FAR):
            happen(kept, number)
            kept.add(Event(kept.seq + 1, {"error": {"code": "E", "message": f"the one of {number}"}}))
        assert kept.has_lost(mailbox)
        happen(kept, 5, "#.t1")
        mailbox.away = False
        told = [json.loads(frame) for frame in mailbox.take()]

        assert [message["type"] for message in told] == [
            *("workflowDescription", "setWorkflowStatus", "setTasksStatuses"),
            *["executionError"] * 3,
        ]
        assert [message["error"]["message"] for message in told[3:]] == [f"the one of {n}" for n in (1, FAR, FAR)]
        assert told[2]["statuses"]["#.t1"]["progress"] == kept.seq / 1e6
        assert mailbox.read == kept.seq
        happen(kept, 1)
        assert [json.loads(frame)["type"] for frame in mailbox.take()] == ["setTasksStatuses"]
        assert len(woken) == 3

    def test_who_may_see_results_from_now_on_is_told_all_there_is(self) -> None:
        kept = journal()
        woken: list[Mailbox] = []
        mailbox = Mailbox("i1", woken.append, payload=False)
        mailbox.start(kept)
        happen(kept, 3)
        kept.add(Event(kept.seq + 1, {"tasks": {"#.t0": {"status": "ok", "body": 7, "bodySize": 1}}}))
        assert "body" not in json.loads(mailbox.take()[2])["statuses"]["#.t0"]
        told = len(woken)
        mailbox.payload = True

        assert len(woken) == told + 1
        assert json.loads(mailbox.take()[2])["statuses"]["#.t0"]["body"] == 7
        mailbox.payload = False
        assert mailbox.take() == []

    def test_but_not_of_an_instance_that_is_gone(self) -> None:
        kept = journal()
        mailbox = Mailbox("i1", lambda mailbox: None, payload=False)
        mailbox.start(kept)
        mailbox.take()
        mailbox.end(InstanceNotFound(instance_id="i1"))
        mailbox.payload = True

        assert [json.loads(frame)["type"] for frame in mailbox.take()] == ["executionError"]
        happen(kept, 1)
        assert mailbox.take() == []

    def test_who_comes_back_together_gets_the_same_frames(self) -> None:
        kept = journal()
        mailboxes = [self._mailbox(kept)[0] for _ in range(3)]
        for mailbox in mailboxes:
            mailbox.take()
            mailbox.away = True
            happen(kept, 1)
        happen(kept, FAR + 2 * KEPT)
        frames = [mailbox.take() for mailbox in mailboxes]

        assert all(one is other for one, other in zip(frames[0], frames[2], strict=True))

    def _mailbox(self, kept: Journal) -> tuple[Mailbox, list[Mailbox]]:
        woken: list[Mailbox] = []
        mailbox = Mailbox("i1", woken.append)
        mailbox.start(kept)
        return mailbox, woken


class TestShots:
    def test_keep_no_frames_for_everybody_who_ever_asked(self) -> None:
        shot = journal().state.shot()
        for number in range(10 * AUDIENCES):
            frames = shot_frames("i1", shot, Audience(logs=frozenset({f"#.t{number}"})))
            assert shot_frames("i1", shot, Audience(logs=frozenset({f"#.t{number}"}))) is frames
            assert len(shot.frames) <= AUDIENCES


class FakeLoop:
    """The clock and the timers of an event loop, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., None], *args: Any) -> Any:
        self.timers.append((when, call, args))
        return self

    def call_soon(self, call: Callable[..., None], *args: Any) -> Any:
        return self.call_at(self.now, call, *args)

    def run(self, cost: float = 0.0) -> None:
        """What is due first; it takes so many seconds."""
        self.timers.sort(key=lambda timer: timer[0])
        when, call, args = self.timers.pop(0)
        self.now = max(self.now, when)
        call(*args)
        self.now += cost


class TestRounds:
    @pytest.fixture
    def loop(self) -> FakeLoop:
        return FakeLoop()

    def test_wake_all_who_joined_once(self, loop: FakeLoop) -> None:
        rounds = Rounds(loop)  # type: ignore[arg-type]
        woken: list[str] = []
        first, second = (lambda: woken.append("first")), (lambda: woken.append("second"))
        for wake in (first, second, first):
            rounds.join(wake)
        assert len(loop.timers) == 1
        loop.run()

        assert woken == ["first", "second"]

    def test_do_not_wake_who_left(self, loop: FakeLoop) -> None:
        rounds = Rounds(loop)  # type: ignore[arg-type]
        woken: list[str] = []
        wake = lambda: woken.append("gone")  # noqa: E731
        rounds.join(wake)
        rounds.leave(wake)
        loop.run()

        assert woken == []

    @pytest.mark.parametrize(
        ("cost", "pause"), [(0.0, SHORTEST), (0.04, 0.06), (1.0, LONGEST)], ids=["short", "long", "too long"]
    )
    async def test_are_the_further_apart_the_longer_one_takes(self, cost: float, pause: float) -> None:
        loop = FakeLoop()
        rounds = Rounds(loop)  # type: ignore[arg-type]
        rounds.join(lambda: None)
        began = loop.now
        loop.run(cost)
        while loop.timers:
            loop.run()
        rounds.join(lambda: None)
        [(when, _, _)] = loop.timers

        assert when - began == pytest.approx(max(pause, loop.now - began))

    def test_do_not_keep_a_loop_that_is_gone(self) -> None:
        async def begin() -> weakref.ref[Any]:
            get_rounds().join(asyncio.Event().set)
            await asyncio.sleep(0)
            return weakref.ref(asyncio.get_running_loop())

        loop = asyncio.run(begin())
        gc.collect()
        assert loop() is None

    async def test_of_a_real_loop_end(self) -> None:
        rounds = Rounds(asyncio.get_running_loop())
        done = asyncio.Event()
        rounds.join(done.set)
        await asyncio.wait_for(done.wait(), 5)
        done.clear()
        rounds.join(done.set)
        await asyncio.wait_for(done.wait(), 5)
