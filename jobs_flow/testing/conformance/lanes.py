"""Messages that seem lost: which queued tasks are given to be published again, and how often."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Flow, Lane, Queued, RunSelection, Waiting
from jobs_flow.testing.lag import something, soon
from jobs_flow.testing.scenario import Scenario, failed, lengths, ok, pass_time, task

#: Milliseconds, of which the first has to do that is longer than a few calls take here.
GRACES = (40, 40, 200, 1_000, 3_000)


def wide(storage: Storage, width: int, lane: str = "q") -> Scenario:
    """A block of so many tasks that are queued at the same time."""
    names = [f"n{number}" for number in range(width)]
    scenario = Scenario(storage, task("a", *map(task, names)))
    heads = [f"#.a.{name}" for name in names]
    scenario.start(RunSelection(heads, heads, {"#.a": width}, lane=lane))
    return scenario


def single(storage: Storage, lane: str = "q") -> Scenario:
    """One queued task, later than all before it."""
    pass_time()
    return wide(storage, 1, lane)


def lost(storage: Storage, lane: str = "q", *, grace: int = 0, drained: bool = False, limit: int = 100) -> list[str]:
    """Ids of the instances whose task is given."""
    pass_time()
    return [each.instance_id for each in storage.overdue(lane, grace=grace, drained=drained, limit=limit)]


def found(storage: Storage, lane: str = "q", **options: Any) -> Any:
    """The same where some are expected."""
    return something(lambda: lost(storage, lane, **options))


class TestLanes:
    def test_nothing(self, storage: Storage) -> None:
        assert soon(storage.lanes) == []
        Scenario(storage, task("a"))
        assert soon(storage.lanes) == []
        assert lost(storage, drained=True) == []

    def test_length_and_oldest(self, storage: Storage) -> None:
        first, _, other = single(storage), single(storage), single(storage, "other")
        two = Lane("q", 2, first.task("#.a.n0")["queuedAt"], 0)
        one = Lane("other", 1, other.task("#.a.n0")["queuedAt"], 0)
        assert soon(lambda: sorted(storage.lanes(), key=lambda lane: lane.name)) == [one, two]

    def test_left_by_a_claim_an_outcome_and_a_revert(self, storage: Storage) -> None:
        claimed, ended, reverted, deleted = (single(storage) for _ in range(4))
        claimed.claim("#.a.n0")
        assert soon(lambda: [lane.length for lane in storage.lanes()]) == [3]
        ended.complete("#.a.n0", failed(), None)
        assert soon(lambda: [lane.length for lane in storage.lanes()]) == [2]
        storage.revert_run(reverted.id, 1, {"code": "X", "message": "x"})
        assert soon(lambda: [lane.length for lane in storage.lanes()]) == [1]
        storage.delete_instance(deleted.id)
        assert soon(lengths, storage) == {}
        assert lost(storage, drained=True) == []

    def test_the_mark_is_when_what_was_claimed_was_queued(self, storage: Storage) -> None:
        _, second, third, _ = (single(storage) for _ in range(4))
        third.claim("#.a.n0")
        queued = third.task("#.a.n0")["queuedAt"]
        assert soon(lambda: [lane.mark for lane in storage.lanes()]) == [queued]
        second.claim("#.a.n0")
        assert soon(lambda: [lane.mark for lane in storage.lanes()]) == [queued], "it never goes back"

    def test_of_children_and_of_what_follows(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start(RunSelection(list(scenario.plan.nodes), ["#.a"], {"#.a": 2}, lane="heads"))
        assert soon(lengths, storage) == {"heads": 1}
        for path, wanted in (("#.a", {"rest": 1, "slow": 1}), ("#.a.b", {"slow": 1}), ("#.a.c", {"rest": 1})):
            plan = scenario.plan.flow(path)
            flow = Flow(plan.children, plan.subtree, plan.joins, plan.following, "rest", {"#.a.c": Waiting("slow")})
            scenario.claim(path)
            storage.complete(scenario.id, path, 1, token="token", outcome=ok(path), flow=flow)
            assert soon(lengths, storage) == wanted

    def test_queued_again_in_its_own_lane(self, storage: Storage) -> None:
        scenario = single(storage, "own")
        scenario.claim("#.a.n0")
        assert soon(lengths, storage) == {}
        scenario.lose("#.a.n0")
        assert soon(lengths, storage) == {"own": 1}
        scenario.claim("#.a.n0")
        scenario.retry("#.a.n0")
        assert soon(lengths, storage) == {"own": 1}


class TestWatermark:
    def test_a_thousand_of_one_time_are_not_overdue(self, storage: Storage) -> None:
        scenario = wide(storage, 1_000)
        for number in (0, 1, 500):
            scenario.claim(f"#.a.n{number}")
            assert lost(storage) == []
        assert soon(lambda: [lane.length for lane in storage.lanes()]) == [997]

    def test_those_before_the_mark_are(self, storage: Storage) -> None:
        one, two, three, four = (single(storage) for _ in range(4))
        assert lost(storage) == [], "nobody has claimed anything"
        three.claim("#.a.n0")
        assert found(storage) == [one.id, two.id], "the oldest first"
        four.claim("#.a.n0")
        assert one.claim("#.a.n0").state == "granted"

    def test_a_claim_in_another_lane_says_nothing(self, storage: Storage) -> None:
        single(storage)
        single(storage, "other").claim("#.a.n0")
        assert lost(storage) == []

    def test_a_refused_claim_says_nothing(self, storage: Storage) -> None:
        single(storage)
        later = single(storage)
        storage.pause(later.id, True)
        assert later.claim("#.a.n0").state == "paused"
        assert later.claim("#.a.n0", run=7).state == "stale"
        assert lost(storage) == []

    def test_not_before_the_grace_has_passed(self, storage: Storage) -> None:
        single(storage)
        single(storage).claim("#.a.n0")
        assert lost(storage, grace=600_000) == []
        assert lost(storage, grace=600_000, drained=True) == []
        assert len(found(storage, grace=0)) == 1

    def test_before_the_mark_by_more_than_the_grace(self, storage: Storage) -> None:
        early = single(storage)
        pass_time(350)
        late = single(storage)
        last = single(storage)
        last.claim("#.a.n0")
        first, second, mark = (each.task("#.a.n0")["queuedAt"] for each in (early, late, last))
        # Between the two, however long it took to queue them.
        grace = mark - (first + second) // 2
        pass_time(grace + 50)
        assert late.task("#.a.n0")["status"] == "queued"
        assert found(storage, grace=grace) == [early.id], "publishing may have taken them out of their order"

    def test_what_was_published_again_moves_the_mark_no_further_than_its_first_message(self, storage: Storage) -> None:
        again = single(storage)
        assert found(storage, drained=True) == [again.id]
        single(storage)
        again.claim("#.a.n0")
        queued = again.task("#.a.n0")["queuedAt"]
        assert soon(lambda: [lane.mark for lane in storage.lanes()]) == [queued]
        assert lost(storage) == []

    def test_any_when_drained(self, storage: Storage) -> None:
        one, two = single(storage), single(storage)
        single(storage, "other")
        assert lost(storage) == []
        assert found(storage, drained=True) == [one.id, two.id]

    def test_what_it_says(self, storage: Storage) -> None:
        scenario = single(storage)
        pass_time()
        assert something(lambda: storage.overdue("q", grace=0, drained=True)) == [Queued(scenario.id, "#.a.n0", 1)]

    def test_limit(self, storage: Storage) -> None:
        scenarios = [single(storage) for _ in range(3)]
        assert found(storage, drained=True, limit=2) == [scenario.id for scenario in scenarios[:2]]

    def test_not_what_waits_for_its_retry(self, storage: Storage) -> None:
        scenario = single(storage)
        scenario.claim("#.a.n0")
        scenario.retry("#.a.n0", 600_000)
        assert lost(storage, drained=True) == []

    def test_of_a_run_that_was_reset(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start(RunSelection(["#.a", "#.b"], ["#.a", "#.b"], {}, lane="q"))
        scenario.do("#.a", failed())
        assert scenario.instance.status == "failed", "with a task that is still queued"
        scenario.start(RunSelection(["#.b"], ["#.b"], {}, lane="q"))
        pass_time()
        assert something(lambda: storage.overdue("q", grace=0, drained=True)) == [Queued(scenario.id, "#.b", 2)]


class TestOverdueAgain:
    def test_not_before_the_grace_has_passed_and_then_twice_as_long(self, storage: Storage) -> None:
        scenario = single(storage)
        grace = 8
        times: list[tuple[float, float]] = []
        deadline = time.monotonic() + 20
        while len(times) < 5 and time.monotonic() < deadline:
            before = time.monotonic()
            if storage.overdue("q", grace=grace, drained=True) == [Queued(scenario.id, "#.a.n0", 1)]:
                times.append((before, time.monotonic()))
        # From the end of one call to the beginning of the next is less than what passed in the storage.
        gaps = [(later[1] - earlier[0]) * 1000 for earlier, later in pairwise(times)]
        assert len(gaps) == 4, "given again and again"
        for number, gap in enumerate(gaps):
            assert gap >= grace * 2 ** min(number, 1) - 1, gaps

    def test_it_counts_as_published_now(self, storage: Storage) -> None:
        old = single(storage)
        later = single(storage)
        assert found(storage, drained=True, limit=1) == [old.id]
        later.claim("#.a.n0")
        assert lost(storage) == [], "it was published after the one that was claimed"
        single(storage).claim("#.a.n0")
        assert found(storage) == [old.id]

    def test_one_of_two_who_ask_gets_it(self, storage: Storage) -> None:
        for grace in GRACES:
            scenario = single(storage)
            pass_time(grace + 10)
            before = time.monotonic()
            first, second = (storage.overdue("q", grace=grace, drained=True) for _ in range(2))
            if time.monotonic() - before < grace / 1000:
                assert (first, second) == ([Queued(scenario.id, "#.a.n0", 1)], [])
                return
            storage.delete_instance(scenario.id)  # the machine is busy: too long between the two calls
        pytest.fail("the two calls took longer than the grace each time")


class TestOverduePaused:
    def test_put_off(self, storage: Storage) -> None:
        paused, other = single(storage), single(storage)
        storage.pause(paused.id, True)
        assert found(storage, drained=True) == [other.id]
        storage.pause(paused.id, False)
        assert paused.id in found(storage, drained=True)

    def test_they_do_not_fill_the_limit_for_ever(self, storage: Storage) -> None:
        for _ in range(5):
            storage.pause(single(storage).id, True)
        other = single(storage)
        for grace in GRACES:
            pass_time(2 * grace + 5)
            before = time.monotonic()
            found = {each for _ in range(6) for each in lost(storage, grace=grace, drained=True, limit=1)}
            if time.monotonic() - before < grace / 1000:
                assert found == {other.id}
                return
        pytest.fail("the calls took longer than the grace each time")


class TestLaneNames:
    @pytest.mark.parametrize("lane", ["", "celery", "celery:3", "été \n{x}*"])
    def test_any_text(self, storage: Storage, lane: str) -> None:
        scenario = single(storage, lane)
        assert soon(lengths, storage) == {lane: 1}
        assert found(storage, lane, drained=True) == [scenario.id]
