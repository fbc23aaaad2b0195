"""What readers see while others write: whole transitions, in their order."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Snapshot
from jobs_flow.testing.scenario import Scenario, merge, ok, task


class TestConsistency:
    def test_snapshots_while_others_write(self, storage: Storage) -> None:
        names = [f"n{number}" for number in range(20)]
        scenario = Scenario(storage, task("a", *map(task, names)), task("z"))
        scenario.start()
        scenario.do("#.a")
        first = scenario.instance.seq

        def work(share: list[str]) -> None:
            for name in share:
                path = f"#.a.{name}"
                scenario.claim(path, name)
                storage.append_logs(scenario.id, path, 1, token=name, lines=["line"])
                storage.set_progress(scenario.id, path, 1, token=name, value=0.5, text=name)
                scenario.complete(path, ok(path, name), name)

        def watch() -> list[Snapshot]:
            snapshots = [scenario.snapshot]
            while snapshots[-1].tasks["#.z"]["status"] != "queued" and any(not each.done() for each in working):
                snapshots.append(scenario.snapshot)
            return snapshots

        with ThreadPoolExecutor(5) as pool:
            working = [pool.submit(work, names[share::4]) for share in range(4)]
            watching = pool.submit(watch)
            for each in working:
                each.result(120)
            snapshots = watching.result(120)
        final = scenario.snapshot
        assert final.tasks["#.z"]["status"] == "queued"
        assert [event.seq for event in scenario.events()] == list(range(1, first + 4 * len(names) + 1))
        assert [snapshot.seq for snapshot in snapshots] == sorted(snapshot.seq for snapshot in snapshots)
        for snapshot in {snapshot.seq: snapshot for snapshot in snapshots}.values():
            statuses = Counter(view["status"] for view in snapshot.tasks.values())
            assert {s: n for s, n in snapshot.instance.counts.items() if n} == statuses
            assert merge(snapshot.tasks, scenario.events(snapshot.seq)) == final.tasks
