"""A plain Celery project for the tests of the engine: real workers import it with ``-A``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery

from jobs_flow import Job, Jobs, Task, workflow

URLS = {"broker": os.environ["ENGINE_BROKER"], "backend": os.environ.get("ENGINE_RESULTS")}

app = Celery("engine", **URLS, set_as_current=False)
app.conf.task_routes = {"tests.integration.apps.engine.elsewhere": {"queue": "elsewhere"}}
app.conf.task_create_missing_queues = "ENGINE_NO_QUEUES" not in os.environ
jobs = Jobs(app, storage=os.environ["ENGINE_STORAGE"])


@app.task(shared=False)
def double(number: int) -> int:
    return 2 * number


@app.task(shared=False)
def elsewhere(res: Any) -> str:
    return "elsewhere"


@app.task(shared=False)
def note(word: Any) -> Any:
    return word


def fails(res: Any) -> None:
    raise ValueError("no rows")


async def later(res: int, job: Job) -> list[Any]:
    return [res, job.number, job.context["block"]]


def marked(res: Any, job: Job) -> Any:
    """Leaves a line for each call, where a test can count them."""
    with Path(job.context["calls"]).open("a", encoding="utf-8") as file:
        file.write(f"{job.path}\n")
    return job.path


@workflow("nested")
def nested(data: Any) -> list[Task]:
    """A task, a block of three whose second has a block of two, a task."""
    broken = (data or {}).get("broken")
    return [
        Task("first", lambda res: {"number": 3}, dest="first", context_vars=["number"], on_complete="loaded"),
        Task(
            "block",
            lambda res: res["number"] + 1,
            dest="block",
            subtasks=[
                Task("a", later),
                Task("b", double, subtasks=[Task("x", double), Task("y", fails if broken == "y" else sorted_context)]),
                Task("c", lambda res, job: job.log("c") or res, condition=lambda: not broken),
            ],
        ),
        Task("last", lambda res, job: {"got": res, "context": sorted(job.context)}),
    ]


def sorted_context(res: Any, job: Job) -> list[str]:
    return sorted(job.context)


@workflow("chain")
def chained(data: int) -> list[Task]:
    return [Task(f"t{number}", marked if number % 50 == 0 else (lambda res: None)) for number in range(data)]


@workflow("wide")
def wide(data: int) -> list[Task]:
    members = [Task(f"s{number}", lambda res, job: job.path) for number in range(data)]
    return [Task("split", lambda: None, subtasks=members), Task("end", len)]


@workflow("marked")
def marking(data: Any) -> list[Task]:
    return [Task("a", marked), Task("b", marked, subtasks=[Task("x", marked), Task("y", marked)]), Task("c", marked)]


@workflow("skipped_block")
def skipped_block(data: Any) -> list[Task]:
    return [
        Task("a", lambda: 1),
        Task("b", fails, condition=lambda: False, subtasks=[Task("x", fails), Task("y", fails)]),
        Task("c", lambda res: [res]),
    ]


@workflow("routed")
def routed(data: Any) -> list[Task]:
    return [Task("a", elsewhere), Task("b", lambda res: res, queue="elsewhere"), Task("c", lambda res: res)]


def dies(res: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@workflow("deaths")
def deaths(data: str) -> list[Task]:
    """One way to die, then a task that must not start."""
    how: dict[str, Task] = {
        "sigkill": Task("a", dies),
        "hard": Task("a", lambda: time.sleep(60), time_limit=1),
        "soft": Task("a", lambda: time.sleep(60), soft_time_limit=1, time_limit=30),
        "exit": Task("a", lambda: sys.exit(3)),
        "memory": Task("a", lambda: [0] * (1 << 62)),
        "not_json": Task("a", lambda: {"when": object()}),
    }
    return [how[data], Task("b", lambda: None)]


@workflow("coroutines")
def coroutines(data: int) -> list[Task]:
    """Coroutines that are all awaited at the same time."""

    def one(number: int) -> Any:
        async def run(res: Any) -> int:
            await asyncio.sleep(0.3)
            return number

        return run

    return [
        Task("p", subtasks=[Task(f"s{number}", one(number)) for number in range(data)]),
        Task("end", lambda res: res),
    ]


@workflow("misrouted")
def misrouted(data: str) -> list[Task]:
    """A queue that is not there, for the first task or for the one after a block."""
    typo = Task("typo", lambda: 1, queue="typo")
    return [typo] if data == "first" else [Task("p", subtasks=[Task("a", lambda: 1)]), typo]


@workflow("waits")
def waits(data: Any) -> list[Task]:
    """Waits for a file to be there, so that a test decides when it goes on."""

    def wait(res: Any, job: Job) -> str:
        job.progress(0.5, "waiting")
        job.log("waiting")
        while not Path(data).exists():
            time.sleep(0.02)
        return "done"

    return [Task("a", wait), Task("b", lambda res: res)]
