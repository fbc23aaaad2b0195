"""What workers do to an instance, in a process of its own: ``python -m benchmarks.live_driver``.

Reads one JSON object (``Order``) from its standard input, changes task statuses, and prints when it did (epoch ns, by
number of the event) and what that cost this process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from celery import Celery

from jobs_flow.storages import create_storage
from tests.support.live import DrivenInstance


@dataclass(frozen=True, slots=True)
class Order:
    """What to do."""

    storage: str
    #: Of an instance that was created with so many tasks, and not started.
    instance: str
    tasks: int
    #: Changes in a second; 0: as fast as it can.
    rate: float
    #: Seconds, or with no rate the number of changes.
    amount: float
    #: Where to put the state of one task instead, for those who poll.
    results: str = ""


def main() -> None:
    """See above."""
    order = Order(**json.loads(sys.stdin.readline()))
    times: dict[int, int] = {}
    steps = _results(order) if order.results else _transitions(order)
    count = int(order.amount if not order.rate else order.amount * order.rate)
    next(steps)
    began, cpu = time.perf_counter(), time.process_time()
    spent = 0.0
    for number in range(count):
        if order.rate and (wait := began + number / order.rate - time.perf_counter()) > 0:
            time.sleep(wait)
        start = time.perf_counter()
        # Taken before the change is asked for: its way to the storage counts.
        now = time.time_ns()
        times[next(steps)] = now
        spent += time.perf_counter() - start
    cost = {"cpu": (time.process_time() - cpu) / count, "seconds": spent / count}
    json.dump({"times": times, **cost}, sys.stdout)


def _transitions(order: Order) -> Any:
    """Claims and completes tasks of a block; gives the number of each event. The instance never ends."""
    storage = create_storage(order.storage)
    driven = DrivenInstance(storage, [f"t{n}" for n in range(order.tasks)], id=order.instance)
    header = storage.get_instance(order.instance)
    assert header is not None
    driven.run, seq = header.run, header.seq
    path = driven.paths[sum(header.counts.get(status, 0) for status in ("ok", "failed", "skipped"))]
    position = driven.paths.index(path)
    yield 0
    for path in driven.paths[position:]:
        driven.claim(path)
        seq += 1
        yield seq
        for share in (0.25, 0.5, 0.75):
            driven.progress(path, share, f"{share:.0%}")
            seq += 1
            yield seq
        driven.end(path, {"rows": 1000})
        seq += 1
        yield seq


def _results(order: Order) -> Any:
    """States of a task in Celery's result backend."""
    app = Celery("polled", backend=order.results, set_as_current=False)
    yield 0
    number = 0
    while True:
        number += 1
        meta = {"current": number, "total": 1_000_000, "description": "working"}
        app.backend.store_result(order.instance, meta, "PROGRESS")
        yield number


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.live_settings")
    main()
