"""Threads that do the same thing at the same moment: one of them did it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from jobs_flow.errors import CannotStart, InstanceExists
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Outcome, Snapshot
from tests.conformance.scenario import Scenario, failed, merge, ok, task

THREADS = 8


def together(*calls: Callable[[], Any]) -> list[Any]:
    """The answers to the calls, made from as many threads at once; an error is an answer too."""
    barrier = threading.Barrier(len(calls))

    def meet(call: Callable[[], Any]) -> Any:
        barrier.wait(10)
        try:
            return call()
        except (CannotStart, InstanceExists) as error:
            return type(error)

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(30) for future in [pool.submit(meet, call) for call in calls]]


def state_of_claim(scenario: Scenario, path: str, token: str) -> str:
    return scenario.claim(path, token).state


class TestRaces:
    def test_one_creates(self, storage: Storage) -> None:
        answers = together(*[lambda: Scenario(storage, task("a"), instance_id="same").id] * THREADS)
        assert Counter(answers) == {"same": 1, InstanceExists: THREADS - 1}
        assert storage.list_ids() == ["same"]

    def test_one_starts(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        answers = together(*[lambda: scenario.start().run] * THREADS)
        assert Counter(answers) == {1: 1, CannotStart: THREADS - 1}
        assert scenario.instance.run == 1

    def test_one_is_granted_the_task(self, storage: Storage) -> None:
        names = [f"n{number}" for number in range(20)]
        scenario = Scenario(storage, task("a", *map(task, names)))
        scenario.start()
        scenario.do("#.a")
        for name in names:
            path = f"#.a.{name}"
            tokens = [f"token {number}" for number in range(THREADS)]
            claims = together(*[partial(state_of_claim, scenario, path, token) for token in tokens])
            assert Counter(claims) == {"granted": 1, "running": THREADS - 1}
            holder = tokens[claims.index("granted")]
            recorded = [scenario.complete(path, ok(path), token).recorded for token in tokens if token != holder]
            assert not any(recorded)
            assert scenario.complete(path, ok(path), holder).recorded
            assert scenario.task(path)["attempt"] == 1
        assert scenario.instance.status == "done"

    @pytest.mark.parametrize("outcome", [ok("#.a.b"), failed()], ids=["ok", "failed"])
    def test_one_joins_the_block(self, storage: Storage, outcome: Outcome) -> None:
        names = [f"n{number}" for number in range(THREADS)]
        for _ in range(10):
            scenario = Scenario(storage, task("a", *map(task, names)), task("z"))
            scenario.start()
            scenario.do("#.a")
            paths = [f"#.a.{name}" for name in names]
            done = together(*[partial(scenario.do, path, outcome) for path in paths])
            joined = [(list(each.queued), each.finished) for each in done if each.queued or each.finished]
            assert joined == ([(["#.z"], None)] if outcome.status == "ok" else [([], "failed")])
            assert [event.seq for event in scenario.events()] == list(range(1, 5 + 2 * THREADS))

    def test_one_outcome_is_recorded(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"))
        scenario.start()
        scenario.do("#.a")
        path = "#.a.b"
        calls = [lambda: scenario.complete(path, ok(path), None).recorded]
        calls += [lambda: scenario.complete(path, failed(), None).recorded] * 7
        assert Counter(together(*calls)) == {True: 1, False: 7}
        status = scenario.statuses[path]
        done = scenario.do("#.a.c")
        assert (list(done.queued), done.finished) == ((["#.d"], None) if status == "ok" else ([], "failed"))

    def test_a_revert_or_a_claim(self, storage: Storage) -> None:
        for _ in range(20):
            scenario = Scenario(storage, task("a"))
            scenario.start()
            reverted, claimed = together(
                partial(storage.revert_run, scenario.id, 1, {"code": "X", "message": "x"}),
                partial(state_of_claim, scenario, "#.a", "token"),
            )
            assert (reverted, claimed) in [(True, "halted"), (False, "granted")]


class TestConsistency:
    def test_snapshots_while_others_write(self, storage: Storage) -> None:
        names = [f"n{number}" for number in range(30)]
        scenario = Scenario(storage, task("a", *map(task, names)), task("z"))
        scenario.start()
        scenario.do("#.a")
        first = scenario.instance.seq

        def work(share: list[str]) -> Callable[[], None]:
            def run() -> None:
                for name in share:
                    path = f"#.a.{name}"
                    scenario.claim(path, name)
                    storage.append_logs(scenario.id, path, 1, token=name, lines=["line"])
                    storage.set_progress(scenario.id, path, 1, token=name, value=0.5, text=name)
                    scenario.complete(path, ok(path, name), name)

            return run

        def watch() -> list[Snapshot]:
            snapshots = [scenario.snapshot]
            while snapshots[-1].tasks["#.z"]["status"] != "queued":
                snapshots.append(scenario.snapshot)
            return snapshots

        *_, snapshots = together(*[work(names[share::4]) for share in range(4)], watch)
        final = scenario.snapshot
        assert [event.seq for event in scenario.events()] == list(range(1, first + 4 * len(names) + 1))
        assert [snapshot.seq for snapshot in snapshots] == sorted(snapshot.seq for snapshot in snapshots)
        for snapshot in snapshots:
            statuses = Counter(view["status"] for view in snapshot.tasks.values())
            assert {s: n for s, n in snapshot.instance.counts.items() if n} == statuses
        for snapshot in {snapshot.seq: snapshot for snapshot in snapshots}.values():
            assert merge(snapshot.tasks, scenario.events(snapshot.seq)) == final.tasks
