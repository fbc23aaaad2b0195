"""Plain Celery canvases and recorded workflows, side by side, in one run on one worker.

``make benchmark``: two prefork children, tasks that do nothing, Valkey as broker, results and
storage. Each time is the median of several runs after one to warm up; bytes and commands come from
one more run under MONITOR.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.support.meter import Meter
from tests.support.processes import Worker
from tests.support.servers import Valkey

CASES = (("chain", 100), ("chain", 300), ("block", 100), ("block", 1000))
#: name, width, format
COLUMNS = (
    ("case", 12),
    ("", 9),
    ("seconds", 8),
    ("tasks/s", 8),
    ("messages", 9),
    ("largest", 9),
    ("bytes/task", 11),
    ("commands/task", 14),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each case")
    parser.add_argument("--pool", default="prefork", help="the worker's pool")
    runs, pool = vars(parser.parse_args()).values()
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        os.environ.pop(name, None)
    with Valkey(name="benchmark") as server:
        os.environ["BENCHMARK_REDIS"] = f"redis://127.0.0.1:{server.port}"
        from benchmarks import app as project

        with Worker("benchmarks.app", pool=pool, options=["-l", "WARNING"], name="benchmark") as worker:
            # At this level the worker does not say that it is ready.
            project.work.apply_async().get(timeout=30)
            print(
                f"{pool} worker {worker.name}, 2 processes or threads, {os.cpu_count()} cores; times: median of {runs}"
            )
            print("".join(f"{title:>{width}}" for title, width in COLUMNS))
            for case in CASES:
                measured = [measure(kind, case, plain, runs, server.port) for kind, plain in starters(project, case[0])]
                print(f"{'':>12}{'ratio':>9}{measured[1] / measured[0]:>8.2f}")


def starters(project: Any, shape: str) -> list[tuple[str, Callable[[int], Any]]]:
    """The plain canvas and the recorded workflow of one shape: functions that run it to its end."""
    plain = project.plain_chain if shape == "chain" else project.plain_block

    def run_plain(size: int) -> None:
        plain(size).apply_async().get(timeout=300)

    def run_recorded(size: int) -> None:
        jobs = project.jobs
        jobs.wait(jobs.create_workflow_instance(shape, size, execute=True), 300)

    return [("plain", run_plain), ("recorded", run_recorded)]


def measure(kind: str, case: tuple[str, int], run: Callable[[int], Any], runs: int, port: int) -> float:
    """Run a case, print its row, give its seconds."""
    shape, size = case
    run(size)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        run(size)
        times.append(time.perf_counter() - started)
    seconds = statistics.median(times)
    with Meter(port) as meter:
        run(size)
    tasks = size + (shape == "block") * (1 if kind == "plain" else 2)
    cells = (
        f"{shape} {size}",
        kind,
        f"{seconds:.2f}",
        f"{tasks / seconds:.0f}",
        f"{len(meter.messages)}",
        f"{max(meter.messages)}",
        f"{sum(meter.messages) / tasks:.0f}",
        f"{meter.commands / tasks:.1f}",
    )
    print("".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True)), flush=True)
    return seconds


if __name__ == "__main__":
    main()
