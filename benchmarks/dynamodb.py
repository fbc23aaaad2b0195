"""What transitions cost in DynamoDB, and how many there are a second: ``python -m benchmarks.dynamodb URL``.

Units are an estimate by the service's rules, from the size of what is sent and answered: 4 KB of a read and 1 KB of
a write each, doubled in transactions. Use a table of its own: what is made is destroyed, but lanes stay listed.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobs_flow.storages.dynamodb import DynamoStorage
from jobs_flow.testing.scenario import Scenario, ok, task

WRITERS = 8
BLOCK = 60


class Meter:
    """Counts the requests of a storage."""

    def __init__(self, storage: DynamoStorage) -> None:
        self.requests: Counter[str] = Counter()
        self.reads = self.writes = 0.0
        self._call = storage.connection.call
        storage.connection.call = self._metered  # type: ignore[method-assign]

    def _metered(self, operation: str, **kwargs: Any) -> dict[str, Any]:
        answer = self._call(operation, **kwargs)
        self.requests[operation] += 1
        match operation:
            case "get_item":
                self.reads += _units(answer.get("Item"), 4096)
            case "batch_get_item":
                self.reads += sum(_units(item, 4096) for items in answer["Responses"].values() for item in items)
            case "transact_get_items":
                self.reads += sum(2 * _units(each.get("Item"), 4096) for each in answer["Responses"])
            case "query":
                self.reads += _units(answer["Items"], 4096) * (0.5 if "IndexName" in kwargs else 1)
            case "transact_write_items":
                self.writes += sum(2 * _units(each, 1024) for each in kwargs["TransactItems"])
            case "batch_write_item":
                self.writes += sum(_units(each, 1024) for part in kwargs["RequestItems"].values() for each in part)
            case _:
                self.writes += _units(kwargs, 1024)
        return answer

    def report(self, name: str, call: Callable[[], Any]) -> None:
        """Print what a call costs."""
        self.requests.clear()
        self.reads = self.writes = 0.0
        call()
        said = ", ".join(f"{count} {operation}" for operation, count in self.requests.items())
        print(f"{name:>28}: {self.reads:5.1f} read units, {self.writes:5.1f} write units: {said}")


def _units(what: Any, of: int) -> int:
    return max(1, -(-len(json.dumps(what, default=str)) // of))


def costs(storage: DynamoStorage) -> None:
    """Print what the calls of one task cost."""
    meter = Meter(storage)
    scenario = Scenario(storage, task("a", *(task(f"t{n}") for n in range(10))), task("b"))
    scenario.start()
    scenario.do("#.a")
    meter.report("claim", lambda: scenario.claim("#.a.t0", inputs=["#.a"]))
    meter.report(
        "set_progress", lambda: storage.set_progress(scenario.id, "#.a.t0", 1, token="token", value=0.5, text="")
    )
    meter.report("append_logs", lambda: storage.append_logs(scenario.id, "#.a.t0", 1, token="token", lines=["x"]))
    meter.report("renew", lambda: scenario.renew("#.a.t0"))
    meter.report("complete", lambda: scenario.complete("#.a.t0", ok("#.a.t0", 1)))
    meter.report("snapshot of 12 tasks", lambda: storage.snapshot(scenario.id))
    meter.report("get_task", lambda: storage.get_task(scenario.id, "#.a"))
    meter.report("due", storage.due)
    meter.report("delete_instance", lambda: storage.delete_instance(scenario.id))


def throughput(url: str, instances: int) -> None:
    """Print how many claims and completions of empty tasks a second WRITERS get done."""
    storages = [DynamoStorage(url) for _ in range(WRITERS)]
    scenarios = [Scenario(storages[0], task("a", *(task(f"t{n}") for n in range(BLOCK)))) for _ in range(instances)]
    shares: list[list[tuple[str, str]]] = [[] for _ in range(WRITERS)]
    for number, scenario in enumerate(scenarios):
        scenario.start()
        for place, path in enumerate(scenario.do("#.a").queued):
            shares[(number if instances > 1 else place) % WRITERS].append((scenario.id, path))

    def work(storage: DynamoStorage, share: list[tuple[str, str]]) -> None:
        for instance_id, path in share:
            mine = Scenario.there(storage, instance_id, task("a", *(task(f"t{n}") for n in range(BLOCK))))
            mine.do(path)

    began = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(work, *each) for each in zip(storages, shares, strict=True)]:
            done.result()
    took = time.monotonic() - began
    transitions = 2 * BLOCK * instances
    print(f"{WRITERS} writers, {instances} instances: {transitions / took:.0f} transitions a second")
    for scenario in scenarios:
        storages[0].delete_instance(scenario.id)
    for storage in storages:
        storage.close()


if __name__ == "__main__":
    measured = DynamoStorage(sys.argv[1])
    costs(measured)
    measured.close()
    throughput(sys.argv[1], 1)
    throughput(sys.argv[1], WRITERS)
