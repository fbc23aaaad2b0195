"""The workflows on trial, built from data (``shapes``). Every execution leaves its lines in the ledger.

The base context of an instance names the ``ledger``; with ``pace`` 0 nothing takes time and nobody dies, for the
undisturbed run that others are compared with.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from jobs_flow import Job, Retry, Task, workflow
from tests.chaos.ledger import Ledger
from tests.chaos.shapes import Node

#: Milliseconds between two looks up, in a function that looks up.
SLICE = 50
#: Seconds after which a task that hangs is to be stopped.
PATIENCE = 1.0


@workflow("chaos_tree")
def tree(data: dict[str, Any]) -> list[Task]:
    """``data["tasks"]`` are nodes; with ``data["hurry"]`` retries do not wait."""
    return [build(node, 0.0 if data.get("hurry") else 0.05) for node in data["tasks"]]


def build(node: Node, backoff: float) -> Task:
    """The task that a node describes."""
    options: dict[str, Any] = {"on_failure": node["on_failure"]} if "on_failure" in node else {}
    match node["do"]:
        case "flaky" | "flaky_until":
            options["retry"] = Retry(max=node["times"], backoff=backoff)
        case "hopeless":
            options["retry"] = Retry(max=2, backoff=backoff)
        case "hangs":
            options["timeout"] = PATIENCE
        case "skips":
            options["condition"] = lambda: False
        case "undoable":
            options["undo"] = undo
    children = [build(child, backoff) for child in node["children"]]
    return Task(node["name"], executed(node), subtasks=children, **options)


def executed(node: Node) -> Callable[[Any, Job], Any]:
    """The function of a node: does it, and gives what depends on the node's path and argument alone."""
    do = DEEDS.get(node["do"], _nothing)

    def function(res: Any, job: Job) -> Any:
        ledger = Ledger(job.context["ledger"])
        ledger.note("start", job)
        do(node, job, ledger)
        text = json.dumps(res, sort_keys=True)
        result = {"path": job.path, "given": hashlib.sha1(text.encode()).hexdigest()[:12]}
        ledger.note("end", job)
        return result

    return function


def undo(res: Any, job: Job) -> None:
    """Leaves a line."""
    Ledger(job.context["ledger"]).note("undo", job)


def _nothing(node: Node, job: Job, ledger: Ledger) -> None:
    pass


def _work(node: Node, job: Job, ledger: Ledger) -> None:
    _wait(node.get("for_ms", 100) / 1000 * job.context["pace"], job)


def _gated(node: Node, job: Job, ledger: Ledger) -> None:
    """Goes on when the file is there."""
    while not os.path.exists(job.context["gate"]):  # noqa: PTH110
        _wait(SLICE / 1000, job)


def _spins(node: Node, job: Job, ledger: Ledger) -> None:
    end = time.monotonic() + node.get("for_ms", 100) / 1000 * job.context["pace"]
    while time.monotonic() < end:
        pass


def _flaky(node: Node, job: Job, ledger: Ledger) -> None:
    if ledger.paths(job.workflow_id, "raise").count(job.path) < node["times"]:
        _fails(node, job, ledger)


def _flaky_until(node: Node, job: Job, ledger: Ledger) -> None:
    """Until some process has come to the place of a fault: an attempt may be lost after it has left its line."""
    if job.context["pace"] and not ledger.tickets(f"{job.workflow_id}-{node['until']}"):
        _fails(node, job, ledger)


def _fails(node: Node, job: Job, ledger: Ledger) -> None:
    ledger.note("raise", job)
    raise ValueError(f"{job.path} was told to fail")


def _dies(node: Node, job: Job, ledger: Ledger) -> None:
    if job.context["pace"]:
        os.kill(os.getpid(), signal.SIGKILL)
    _fails(node, job, ledger)


def _dies_once(node: Node, job: Job, ledger: Ledger) -> None:
    if job.context["pace"] and ledger.ticket(f"{job.workflow_id}-{job.path}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def _dies_until(node: Node, job: Job, ledger: Ledger) -> None:
    """Until some process has come to the place of a fault (``node["until"]``): whoever was on its way may die too."""
    if job.context["pace"] and not ledger.tickets(f"{job.workflow_id}-{node['until']}"):
        os.kill(os.getpid(), signal.SIGKILL)


def _hangs(node: Node, job: Job, ledger: Ledger) -> None:
    if job.context["pace"]:
        _wait(60, job)
    _fails(node, job, ledger)


def _breaks(node: Node, job: Job, ledger: Ledger) -> None:
    """Fails until the file is there."""
    if not os.path.exists(job.context["gate"]):  # noqa: PTH110
        _fails(node, job, ledger)


def _reports(node: Node, job: Job, ledger: Ledger) -> None:
    job.progress(0.5, "half")
    job.log("half of it is done")


def _wait(seconds: float, job: Job) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        job.heartbeat()
        time.sleep(min(left, SLICE / 1000))


DEEDS = {
    "work": _work,
    "gated": _gated,
    "spins": _spins,
    "flaky": _flaky,
    "flaky_until": _flaky_until,
    "fails": _fails,
    "hopeless": _fails,
    "dies": _dies,
    "dies_once": _dies_once,
    "dies_until": _dies_until,
    "hangs": _hangs,
    "breaks": _breaks,
    "reports": _reports,
}
