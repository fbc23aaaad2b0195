"""The messages of steps: names, ids, sizes.

A message carries instance id, path and run, nothing of the user's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.canvas import Signature

from jobs_flow.ids import message_id
from jobs_flow.workflows.definition import CELERY_OPTIONS
from jobs_flow.workflows.plan import Plan

STEP = "jobs_flow.step"
CANVAS_BEGIN = "jobs_flow.canvas_begin"
CANVAS_STEP = "jobs_flow.canvas_step"
CANVAS_JOIN = "jobs_flow.canvas_join"
CANVAS_END = "jobs_flow.canvas_end"
UNDO = "jobs_flow.undo"

#: Every task of ours.
NAMES = (STEP, CANVAS_BEGIN, CANVAS_STEP, CANVAS_JOIN, CANVAS_END, UNDO)
#: Tasks whose first three arguments are instance id, path and run, and which execute a task.
STEPS = frozenset({STEP, CANVAS_STEP})
#: Tasks that hold something under a lease; their arguments say what, as those of a step do.
HOLDERS = STEPS | {UNDO}

#: Seconds after its ``timeout`` at which the process of a task that still runs is killed, to free its place.
TIMEOUT_GRACE = 1

#: Longest chain of sequential tasks in one message.
SEGMENT_LENGTH = 16
#: Estimated bytes that the embedded rest of a chain may take, so that the whole message, headers
#: and base64 included, stays under 8 KiB.
SEGMENT_BYTES = 5_600
#: Bytes of one embedded signature beside its path, as Redis carries it (base64 of JSON); measured, rounded up.
SIGNATURE_BYTES = 420
#: Characters of a path that monitors show among the arguments.
SHOWN_PATH = 160
#: Characters of the name that monitors show.
SHADOW_LIMIT = 64


def signature(app: Celery, name: str, instance_id: str, path: str, run: int, plan: Plan | None = None) -> Signature:
    """The immutable signature of one step, with its derived id and the options its task declares."""
    ident = message_id(instance_id, path, run, name.rpartition(".")[2])
    sig = app.signature(name, args=(instance_id, path, run), immutable=True, task_id=ident)
    sig.options.update(_shown(instance_id, path, run))
    if plan is not None:
        sig.options.update(_options(app, plan, path))
    return sig


def _shown(instance_id: str, path: str, run: int) -> dict[str, Any]:
    """Celery puts the arguments into a header as well, escaped and at length: a long path is cut there."""
    if len(ascii(path)) <= SHOWN_PATH:
        return {}
    return {"argsrepr": f"('{instance_id}', {ascii(path)[:SHOWN_PATH]}..., {run})"}


def _options(app: Celery, plan: Plan, path: str) -> dict[str, Any]:
    """The name that monitors show, and what the task declares.

    An existing Celery task goes where ``task_routes`` sends it.
    """
    options: dict[str, Any] = {"shadow": f"{plan.workflow}{path[1:]}"[:SHADOW_LIMIT]}
    if path not in plan:
        return options
    task = plan.nodes[path].task
    options |= {name: getattr(task, name) for name in CELERY_OPTIONS if getattr(task, name) is not None}
    if task.timeout is not None:
        limit = math.ceil(task.timeout) + TIMEOUT_GRACE
        options["time_limit"] = min(limit, options.get("time_limit", limit))
        if options.get("soft_time_limit", 0) > options["time_limit"]:
            del options["soft_time_limit"]
    existing = getattr(task.task, "name", None)
    if "queue" not in options and existing and hasattr(task.task, "apply_async"):
        route = app.amqp.router.lookup_route(existing) or {}
        options |= {name: route[name] for name in ("queue", "priority") if name in route and name not in options}
    return options


def lane_of(app: Celery, plan: Plan, path: str) -> str:
    """Where the message of a step waits: ``<priority>:<queue>``, as its options, the routes and the defaults decide.

    A router that looks at the arguments of a task is asked without them.
    """
    options = _options(app, plan, path)
    given: dict[str, Any] = {name: options[name] for name in ("queue", "priority") if name in options}
    try:
        route = app.amqp.router.route(dict(given), STEP)
    except Exception:
        # A queue that is not configured: publishing says so.
        route = given
    queue = route.get("queue") or app.conf.task_default_queue
    priority = route.get("priority", app.conf.task_default_priority)
    return f"{'' if priority is None else priority}:{getattr(queue, 'name', queue)}"


def queue_of(lane: str) -> str:
    """The name of the queue of a lane."""
    return lane.partition(":")[2]


def options_of(lane: str) -> dict[str, Any]:
    """Options that publish a message into a lane."""
    priority, _, queue = lane.partition(":")
    return {"queue": queue} | ({"priority": int(priority)} if priority else {})


def size_of(app: Celery, plan: Plan, path: str) -> int:
    """Estimated bytes of a step's signature embedded in another message."""
    # JSON escapes what is not ASCII, and base64 adds a third.
    text = json.dumps([path, _options(app, plan, path), _shown("", path, 0)])
    return SIGNATURE_BYTES + len(text) * 4 // 3


def embedded_paths(signature_: Mapping[str, Any]) -> list[str]:
    """The paths of the steps that publishing a signature (a step, a chain or a group) would start at once."""
    kind, kwargs = signature_.get("subtask_type"), signature_.get("kwargs") or {}
    if kind == "group":
        return [path for member in kwargs.get("tasks", ()) for path in embedded_paths(member)]
    if kind == "chain":
        return embedded_paths(kwargs["tasks"][0])
    args: tuple[Any, ...] = tuple(signature_.get("args") or ())
    return [args[1]] if len(args) == 3 else []
