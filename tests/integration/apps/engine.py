"""A plain Celery project for the tests of the engine: real workers import it with ``-A``."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery

from jobs_flow import Job, Jobs, Retry, Task, workflow
from jobs_flow.backends.celery import guards
from jobs_flow.workflows import retention

if "ENGINE_UNGUARDED" in os.environ:
    guards.install = lambda: None

URLS = {"broker": os.environ["ENGINE_BROKER"], "backend": os.environ.get("ENGINE_RESULTS")}

app = Celery("engine", **URLS, set_as_current=False)
if URLS["broker"].startswith("amqp"):
    # As the readme has it.
    app.conf.update(task_default_queue_type="quorum", task_default_exchange_type="topic")
app.conf.task_routes = {"tests.integration.apps.engine.elsewhere": {"queue": "elsewhere"}}
app.conf.task_create_missing_queues = "ENGINE_NO_QUEUES" not in os.environ
# Short, so that tests see what happens when it has passed.
app.conf.jobs_flow_lease = float(os.environ.get("ENGINE_LEASE", "30"))
app.conf.jobs_flow_max_losses = int(os.environ.get("ENGINE_MAX_LOSSES", "3"))
app.conf.jobs_flow_recovery = "ENGINE_NO_RECOVERY" not in os.environ
if "ENGINE_KEEP" in os.environ:
    retention.SHORTEST_KEEP = 0.0
    app.conf.jobs_flow_keep = float(os.environ["ENGINE_KEEP"])
app.conf.jobs_flow_bodies = os.environ.get("ENGINE_BODIES")
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


class Flaky(Exception):
    """What a task of a test is tried again for."""


@app.task(bind=True, shared=False, max_retries=2, default_retry_delay=0.1)
def tries(self: Any, word: Any) -> list[Any]:
    """Retries itself until the second retry."""
    self.update_state(state="TRYING", meta={"current": self.request.retries, "total": 2})
    if self.request.retries < 2:
        raise self.retry(exc=Flaky("not yet"))
    return [self.request.retries, self.request.id]


@app.task(bind=True, shared=False, max_retries=1, default_retry_delay=0)
def gives_up(self: Any, word: Any) -> None:
    raise self.retry(exc=Flaky("never"))


@app.task(shared=False, autoretry_for=(Flaky,), max_retries=1, retry_backoff=False, default_retry_delay=0)
def retried_for(word: Any) -> None:
    raise Flaky("each time")


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


@workflow("one_word")
def one_word(data: str) -> list[Task]:
    return [Task("a", lambda: data)]


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
        "timeout": Task("a", lambda: time.sleep(60), timeout=1),
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


def count_call(file: str) -> int:
    """How many calls there were, with this one."""
    with Path(file).open("a", encoding="utf-8") as calls:
        calls.write(f"{os.getpid()}\n")
    return len(Path(file).read_text(encoding="utf-8").split())


@workflow("deadly")
def deadly(data: dict[str, Any]) -> list[Task]:
    """A task that kills its process the first ``deaths`` times, then one that says how often it was called."""

    def die() -> int:
        calls = count_call(data["calls"])
        if calls <= data["deaths"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return calls

    return [Task("a", die), Task("b", lambda res: res)]


@workflow("long")
def long(data: dict[str, Any]) -> list[Task]:
    """A task that keeps its process busy, or asleep, for ``seconds``, in a ``queue``; it counts its calls."""

    def work() -> int:
        calls = count_call(data["calls"])
        end = time.monotonic() + data["seconds"]
        while time.monotonic() < end:
            if not data.get("busy"):
                time.sleep(0.05)
        return calls

    queue = data.get("queue")
    return [Task("a", work, queue=queue), Task("b", lambda res: res, queue=queue)]


@workflow("gated")
def gated(data: dict[str, Any]) -> list[Task]:
    """A task that waits for the file ``gate`` the first time, and not again."""

    def wait() -> int:
        calls = count_call(data["calls"])
        while calls == 1 and not Path(data["gate"]).exists():
            time.sleep(0.02)
        return calls

    return [Task("a", wait), Task("b", lambda res: res)]


@workflow("undoing")
def undoing(data: dict[str, Any]) -> list[Task]:
    """Two tasks to undo; the first to be undone kills its process the first ``deaths`` times."""

    def die(res: Any) -> None:
        if count_call(data["calls"]) <= data["deaths"]:
            os.kill(os.getpid(), signal.SIGKILL)

    return [Task("a", lambda: 1, undo=lambda res: None), Task("b", lambda: 2, undo=die)]


@workflow("existing")
def existing(data: str) -> list[Task]:
    """An existing Celery task that retries itself in one of the ways that Celery has."""
    task = {"tries": tries, "gives_up": gives_up, "retried_for": retried_for}[data]
    return [Task("a", lambda: "word"), Task("b", task), Task("c", lambda res: res)]


@workflow("flaky")
def flaky(data: dict[str, Any]) -> list[Task]:
    """A task that fails ``failures`` times, in a block and as a root, and is tried again after ``delay``."""

    def work(name: str) -> Any:
        def run() -> int:
            calls = count_call(f"{data['calls']}{name}")
            if calls <= data["failures"]:
                raise Flaky(name)
            return calls

        return run

    retry = Retry(max=5, backoff=data["delay"], jitter=0)
    return [
        Task("a", work("a"), retry=retry),
        Task("p", lambda: 0, subtasks=[Task("x", work("x"), retry=retry), Task("y", lambda: "y")]),
        Task("c", lambda res: res),
    ]


def large_value(seed: str, length: int) -> dict[str, Any]:
    """A value of about ``length`` bytes of JSON, the same for the same ``seed``, with characters of each length."""
    return {"seed": seed, "rows": [f"{seed} {number} ☂ü🌧" + "x" * 1_000 for number in range(length // 1_020)]}


def digest(value: Any) -> str:
    """What two equal values have in common."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()


@workflow("large")
def large(data: int) -> list[Task]:
    """A result of ``data`` bytes for a next task, and a tenth of it for all of a block, and from all of a block."""
    part = data // 10
    return [
        Task("make", lambda: large_value("make", data)),
        Task("take", digest),
        Task(
            "block",
            lambda: large_value("block", part),
            subtasks=[
                Task("same", lambda res: res),
                Task("other", lambda res: large_value("other", part)),
                *(Task(f"take{number}", digest) for number in range(2)),
            ],
        ),
        Task("join", lambda res: {name: digest(value) for name, value in sorted(res.items())}),
    ]
