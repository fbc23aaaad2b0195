"""Workers that do the same thing at the same moment, in threads and in processes: one of them did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import EVENTS_KEPT, Loss
from jobs_flow.testing.conformance import race_jobs as jobs
from jobs_flow.testing.crowd import Crowd, Processes, Threads
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import GONE, LEASE, Scenario, ok, task

#: Instances that are fought for in each test, one after the other.
ROUNDS = 6


def apart(answers: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Of each round what every worker was answered, from each worker's answers of all rounds."""
    return list(zip(*answers, strict=True))


def ids(scenarios: Sequence[Scenario]) -> list[str]:
    return [scenario.id for scenario in scenarios]


class Races:
    """The tests; who works is said by a subclass."""

    def test_one_creates(self, storage: Storage, crowd: Crowd) -> None:
        new = [storage.new_id() for _ in range(ROUNDS)]
        for round_ in apart(crowd.together(jobs.create, new)):
            assert Counter(round_) == {"created": 1, "exists": crowd.size - 1}
        assert soon(lambda: sorted(storage.list_ids())) == sorted(new)
        for instance_id in new:
            assert [event.seq for event in storage.events(instance_id, 0) or []] == [1]

    def test_one_of_fifty_has_the_key(self, storage: Storage, crowd: Crowd) -> None:
        said = crowd.together(jobs.create_with_key, -(-50 // crowd.size), "realm", "order 7")
        [winner] = {instance_id for answers in said for instance_id, _ in answers}
        assert sum(created for answers in said for _, created in answers) == 1
        assert storage.find_key("scenario", "order 7", realm="realm") == winner
        assert soon(storage.list_ids) == [winner]

    def test_one_starts(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(ROUNDS)]
        for round_ in apart(crowd.together(jobs.start, ids(scenarios))):
            assert Counter(round_) == {1: 1, "refused": crowd.size - 1}
        assert [(each.instance.run, each.instance.seq) for each in scenarios] == [(1, 2)] * ROUNDS

    def test_all_are_answered_a_start_of_one_name(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(ROUNDS)]
        for round_ in apart(crowd.together(jobs.start, ids(scenarios), "call")):
            assert Counter(round_) == {1: crowd.size}
        assert [(each.instance.run, each.instance.seq) for each in scenarios] == [(1, 2)] * ROUNDS

    def test_one_is_granted_each_task(self, storage: Storage, crowd: Crowd) -> None:
        scenario = Scenario(storage, *jobs.block(12))
        scenario.start()
        scenario.do("#.a")
        paths = scenario.plan.flow("#.a").children
        for path, round_ in zip(paths, apart(crowd.together(jobs.claim, scenario.id, 12)), strict=True):
            assert Counter(round_) == {"granted": 1, "running": crowd.size - 1}
            holder = f"token {round_.index('granted')}"
            loser = f"token {(round_.index('granted') + 1) % crowd.size}"
            assert not scenario.complete(path, ok(path), loser).recorded
            assert scenario.complete(path, ok(path), holder).recorded
            assert scenario.task(path)["attempt"] == 1
        # create, start, claim and outcome of the block, of each of its tasks
        assert [event.seq for event in scenario.events()] == list(range(1, 5 + 2 * len(paths)))
        assert scenario.statuses["#.z"] == "queued"

    @pytest.mark.parametrize("status", ["ok", "failed"])
    def test_one_joins_the_block(self, storage: Storage, crowd: Crowd, status: str) -> None:
        scenarios = [Scenario(storage, *jobs.block(crowd.size)) for _ in range(ROUNDS)]
        for scenario in scenarios:
            scenario.start()
            scenario.do("#.a")
        said = apart(crowd.together(jobs.claim_and_complete, ids(scenarios), crowd.size, status))
        for scenario, round_ in zip(scenarios, said, strict=True):
            joined = [each for each in round_ if each != ((), None)]
            assert joined == ([(("#.z",), None)] if status == "ok" else [((), "failed")])
            assert [event.seq for event in scenario.events()] == list(range(1, 5 + 2 * crowd.size))
            counts = {name: number for name, number in scenario.instance.counts.items() if number}
            last = "queued" if status == "ok" else "inactive"
            assert counts == Counter(ok=1) + Counter({status: crowd.size}) + Counter({last: 1})

    def test_one_outcome_is_recorded(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, *jobs.block(2)) for _ in range(ROUNDS)]
        for scenario in scenarios:
            scenario.start()
            scenario.do("#.a")
        for scenario, round_ in zip(scenarios, apart(crowd.together(jobs.report, ids(scenarios))), strict=True):
            assert sum(round_) == 1
            winner = round_.index(True)
            assert scenario.statuses["#.a.n0"] == ("failed" if winner % 2 else "ok")
            done = scenario.do("#.a.n1")
            assert (list(done.queued), done.finished) == (([], "failed") if winner % 2 else (["#.z"], None))

    def test_numbers_have_no_gap(self, storage: Storage, crowd: Crowd) -> None:
        scenario = Scenario(storage, *jobs.block(crowd.size))
        scenario.start()
        scenario.do("#.a")
        first, each = scenario.instance.seq, 12
        said = crowd.together(jobs.write, scenario.id, crowd.size, each)
        events = scenario.events()
        # Of each worker a claim, then progress, a line and an event in turn.
        assert [event.seq for event in events] == list(range(1, first + crowd.size * (1 + 3 * each) + 1))
        assert len(events) < EVENTS_KEPT
        numbers = [seq for answers in said for seq in answers]
        assert len(set(numbers)) == len(numbers) == crowd.size * each
        assert all(answers == sorted(answers) for answers in said)
        added = {event.seq: event.data["number"] for event in events if "number" in event.data}
        assert [[added[seq] for seq in answers] for answers in said] == [list(range(each))] * crowd.size
        assert scenario.instance.seq == events[-1].seq
        for number in range(crowd.size):
            path = f"#.a.n{number}"
            assert storage.get_logs(scenario.id, [path]) == {path: [str(line) for line in range(each)]}

    def test_a_renewal_or_the_outcome(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a"), task("b")) for _ in range(ROUNDS)]
        for scenario in scenarios:
            scenario.start()
            scenario.claim("#.a")
        for scenario, round_ in zip(
            scenarios, apart(crowd.together(jobs.renew_or_complete, ids(scenarios))), strict=True
        ):
            recorded, *renewed = round_
            assert recorded
            assert {said for answers in renewed for said in answers} <= {"held", "lost"}
            assert all(answers == sorted(answers) for answers in renewed), "what was lost is not held again"
            assert scenario.renew("#.a", lease=GONE) == ["lost"]
            assert scenario.kinds() == set(), "no lease is left of a task that has ended"

    def test_the_outcome_or_the_loss(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a"), task("b")) for _ in range(ROUNDS)]
        for scenario in scenarios:
            scenario.start()
            scenario.claim("#.a")
        for scenario, round_ in zip(
            scenarios, apart(crowd.together(jobs.complete_or_lose, ids(scenarios))), strict=True
        ):
            lost = Loss.REQUEUED in round_
            # Whoever completes it under the same token is answered again.
            others = {"refused": crowd.size // 2, "recorded": crowd.size // 2}
            assert Counter(round_) == ({"refused": crowd.size - 1, Loss.REQUEUED: 1} if lost else others)
            assert scenario.statuses == (
                {"#.a": "queued", "#.b": "inactive"} if lost else {"#.a": "ok", "#.b": "queued"}
            )
            assert len(scenario.attempts("#.a")) == lost
            assert scenario.instance.seq == 4

    def test_one_releases(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(ROUNDS)]
        for scenario in scenarios:
            scenario.start()
            scenario.claim("#.a")
            scenario.retry("#.a", LEASE)
        for round_ in apart(crowd.together(jobs.release, ids(scenarios))):
            assert Counter(round_) == {True: 1, False: crowd.size - 1}

    def test_a_revert_or_a_claim(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(2 * ROUNDS)]
        for scenario in scenarios:
            scenario.start()
        for reverted, *claimed in apart(crowd.together(jobs.revert_or_claim, ids(scenarios))):
            refused = {"halted": crowd.size - 1}
            assert Counter(claimed) == (refused if reverted else {"granted": 1, "running": crowd.size - 2})

    def test_one_updates(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(ROUNDS)]
        for scenario, round_ in zip(scenarios, apart(crowd.together(jobs.update, ids(scenarios))), strict=True):
            assert Counter(round_) == {True: 1, False: crowd.size - 1}
            header = scenario.instance
            assert (header.name, header.revision, header.seq) == (f"name {round_.index(True)}", 2, 2)

    def test_one_undoes(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a"), task("b")) for _ in range(ROUNDS)]
        for scenario in scenarios:
            scenario.start()
            scenario.do("#.a")
            scenario.do("#.b")
            storage.begin_undo(scenario.id, ["#.a", "#.b"])
        for scenario, round_ in zip(scenarios, apart(crowd.together(jobs.undo, ids(scenarios))), strict=True):
            assert Counter(round_) == {"granted": 1, "running": crowd.size - 1}
            assert sorted(view["undo"] for view in scenario.snapshot.tasks.values()) == ["queued", "running"]

    def test_one_deletes(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a"), key=f"{number}") for number in range(ROUNDS)]
        for round_ in apart(crowd.together(jobs.delete, ids(scenarios))):
            assert Counter(round_) == {True: 1, False: crowd.size - 1}
        assert storage.get_instances(ids(scenarios)) == [None] * ROUNDS

    def test_a_deletion_or_an_event(self, storage: Storage, crowd: Crowd) -> None:
        scenarios = [Scenario(storage, task("a")) for _ in range(ROUNDS)]
        for scenario, round_ in zip(
            scenarios, apart(crowd.together(jobs.delete_or_write, ids(scenarios))), strict=True
        ):
            deleted, *written = round_
            numbers = sorted(number for number in written if number is not None)
            assert deleted
            assert numbers == list(range(2, 2 + len(numbers)))
            last = 2 + len(numbers)
            assert [(event.seq, event.data) for event in scenario.events(last - 1)] == [(last, {"deleted": True})]
            assert storage.get_instance(scenario.id) is None

    def test_one_is_elected(self, crowd: Crowd) -> None:
        for round_ in apart(crowd.together(jobs.elect, [f"role {number}" for number in range(ROUNDS)])):
            assert Counter(round_) == {True: 1, False: crowd.size - 1}


class TestThreads(Races):
    """Threads that share one storage."""

    @pytest.fixture
    def crowd(self, storage: Storage) -> Crowd:
        return Threads(storage)


class TestProcesses(Races):
    """Processes with a storage each."""

    @pytest.fixture
    def crowd(self, processes: Processes, open_again: Callable[[], Storage]) -> Crowd:
        return processes.of(open_again)
