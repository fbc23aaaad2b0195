"""The Celery project that is measured: the same work as a plain canvas and as a recorded workflow."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, chain, chord
from celery.canvas import Signature

from jobs_flow import Jobs, Task, workflow

URL = os.environ.get("BENCHMARK_REDIS", "redis://127.0.0.1:6379")

app = Celery("benchmarks", broker=f"{URL}/0", backend=f"{URL}/1", set_as_current=False)
jobs = Jobs(app, storage=f"{URL}/2")


@app.task(shared=False)
def work(*_: Any) -> None:
    """Nothing: what is left is what running a task costs."""


@app.task(shared=False)
def gather(results: list[Any]) -> int:
    """The body of the plain chord."""
    return len(results)


def plain_chain(size: int) -> Signature:
    """A chain as users write it."""
    return chain(*[work.si() for _ in range(size)], app=app)


def plain_block(size: int) -> Signature:
    """A chord as users write it."""
    return chord([work.si() for _ in range(size)], gather.s(), app=app)


@workflow("chain")
def recorded_chain(size: int) -> list[Task]:
    """The same chain, recorded."""
    return [Task(f"t{number}", work) for number in range(size)]


@workflow("block")
def recorded_block(size: int) -> list[Task]:
    """The same block and its join, recorded."""
    return [Task("split", subtasks=[Task(f"s{number}", work) for number in range(size)]), Task("gather", gather)]
