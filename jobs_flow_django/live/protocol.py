"""The messages of the socket: JSON text frames ``{"type": …, …}``. Pure, no I/O.

From a client: ``parse`` (of ``live/parsing.py``) gives a request or raises ``ProtocolError``, nothing else.
To a client: one function a message.

``seq`` says up to which event of the instance a client is told. Where one change takes several messages,
all but the last carry ``more: true``; a client that remembers ``seq`` for its next ``watch`` (``since``)
does so at the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Instance, Json, Snapshot
from jobs_flow_django.live.changes import Change, Lines
from jobs_flow_django.live.errors import TooManyRequests
from jobs_flow_django.live.parsing import REQUESTS, parse
from jobs_flow_django.live.requests import ExecuteAll, ExecuteTask, Ref, Request, Unwatch, Watch

__all__ = [
    "REQUESTS",
    "ExecuteAll",
    "ExecuteTask",
    "Message",
    "Ref",
    "Request",
    "Unwatch",
    "Watch",
    "ack",
    "app_error",
    "change_messages",
    "deleted_messages",
    "execution_error",
    "hello",
    "instance_snapshot",
    "instance_view",
    "mask",
    "mask_error",
    "parse",
    "snapshot_messages",
    "task_details",
    "task_logs",
]

#: Goes up when a client written for the one before would misunderstand.
VERSION = 1
#: About how many bytes of task records go into one message.
STATUSES_LIMIT = 256 * 1024

Message = dict[str, Any]

#: What of an error everybody who may see the instance is told.
_ERROR_KINDS = ("code", "type", "path")
#: What of a task's view tells what it worked on. Updaters come with the change that replaces them.
_PAYLOAD = frozenset({"body", "progressText", "updaters"})
#: What those are told of errors who may not see messages.
_MASKED = "It was asked for something that it could not do."


def hello(time: int) -> Message:
    """The first message of every connection; ``time`` (epoch ms) lets a client correct its clock."""
    return {"type": "hello", "version": VERSION, "time": time}


def ack(ref: Ref, **fields: Json) -> Message:
    """The answer to a request that did what it was to do."""
    return {"type": "ack", "ref": ref, **fields}


def app_error(error: JobsFlowError, *, ref: Ref = None, instance_id: str | None = None) -> Message:
    """To the caller: what is wrong. ``id`` where it concerns an instance."""
    problem: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, TooManyRequests):
        problem["retryAfter"] = error.retry_after
    message: Message = {"type": "appError", "error": problem}
    if instance_id is not None:
        message["id"] = instance_id
    if ref is not None:
        message["ref"] = ref
    return message


def execution_error(instance_id: str, error: Mapping[str, Any], seq: int | None = None) -> Message:
    """To all watchers: what is wrong with it, as ``JobsFlowError.to_wire`` says it."""
    message = {"type": "executionError", "id": instance_id, "error": dict(error)}
    return message if seq is None else {**message, "seq": seq}


def deleted_messages(instance_id: str, seq: int) -> Iterator[Message]:
    """To all watchers, the last of all: the instance and its records are gone, the watch is over."""
    yield {"type": "setWorkflowStatus", "id": instance_id, "status": "deleted", "seq": seq, "more": True}
    yield {"type": "workflowDeleted", "id": instance_id}


def task_details(
    instance_id: str,
    path: str,
    task: Mapping[str, Json],
    attempts: Sequence[Mapping[str, Json]],
    omitted: Sequence[str],
    *,
    ref: Ref = None,
) -> Message:
    """All of a task; ``omitted`` names what of it is too large for a message."""
    message = {
        "type": "taskDetails",
        "id": instance_id,
        "taskPath": path,
        "task": dict(task),
        "attempts": [dict(attempt) for attempt in attempts],
        "omitted": list(omitted),
    }
    return message if ref is None else {**message, "ref": ref}


def task_logs(instance_id: str, path: str, start: int, lines: Sequence[str], total: int, *, ref: Ref = None) -> Message:
    """Lines of a task's log; the first has index ``start``, and the log has ``total``."""
    message = {
        "type": "taskLogs",
        "id": instance_id,
        "taskPath": path,
        "from": start,
        "lines": list(lines),
        "total": total,
    }
    return message if ref is None else {**message, "ref": ref}


def instance_view(instance: Instance) -> dict[str, Any]:
    """What watchers are told of an instance's header; of its data, nothing."""
    return {
        "workflow": instance.workflow,
        "name": instance.name,
        "status": instance.status,
        "run": instance.run,
        "startedAt": instance.started_at,
        "finishedAt": instance.finished_at,
        "error": instance.error,
        "paused": instance.paused,
        "cancelled": list(instance.cancelled),
        "undo": instance.undo,
    }


def mask(record: Mapping[str, Any]) -> dict[str, Any]:
    """A task view for those who may see that a task ran, and not what came out of it.

    What a task says of itself, its error included, may hold what it worked on.
    """
    return mask_error({field: value for field, value in record.items() if field not in _PAYLOAD})


def mask_error(view: Mapping[str, Any]) -> dict[str, Any]:
    """A view whose ``error`` says of which kind it is and where, and not the message."""
    if not view.get("error"):
        return dict(view)
    return {**view, "error": {name: value for name, value in view["error"].items() if name in _ERROR_KINDS}}


def mask_wire(error: Mapping[str, Any]) -> dict[str, Any]:
    """An ``executionError`` for those: its message and fields may quote a path or an argument that somebody typed."""
    return {"type": error.get("type", "EXECUTION_FAILED"), "payload": {"message": _MASKED}}


def snapshot_messages(
    instance_id: str, snapshot: Snapshot, logs: Mapping[str, Lines], *, payload: bool
) -> Iterator[Message]:
    """All there is to know: description, status, statuses of all paths, then logs."""
    instance, seq = snapshot.instance, snapshot.seq
    status = {**instance_view(instance), "progress": instance.progress}
    status = status if payload else mask_error(status)
    yield from _marked(
        [
            {"type": "workflowDescription", "id": instance_id, "tasks": snapshot.tree},
            {"type": "setWorkflowStatus", "id": instance_id, **status, "seq": seq},
            *_statuses(instance_id, snapshot.tasks, seq, payload),
            *_logs(instance_id, logs, seq),
        ]
    )


def instance_snapshot(instance_id: str, snapshot: Snapshot, *, payload: bool) -> dict[str, Any]:
    """All but logs in one object, for those who ask now and then."""
    instance = snapshot.instance
    view = {**instance_view(instance), "progress": instance.progress, "counts": dict(instance.counts)}
    return {
        "id": instance_id,
        "seq": snapshot.seq,
        **(view if payload else mask_error(view)),
        "tasks": snapshot.tree,
        "statuses": snapshot.tasks if payload else {path: mask(view) for path, view in snapshot.tasks.items()},
    }


def change_messages(instance_id: str, change: Change, *, payload: bool) -> Iterator[Message]:
    """What changed: statuses first and the instance's last, so that who sees ``done`` has seen all of it."""
    seq = change.seq
    messages = [
        *(_statuses(instance_id, change.tasks, seq, payload) if change.tasks else ()),
        *_logs(instance_id, change.logs, seq),
        *(execution_error(instance_id, error if payload else mask_wire(error), seq) for error in change.errors),
    ]
    if change.instance is not None:
        view = change.instance if payload else mask_error(change.instance)
        messages.append({"type": "setWorkflowStatus", "id": instance_id, **view, "seq": seq})
    yield from _marked(messages)


def _marked(messages: Sequence[Message]) -> Iterator[Message]:
    for message in messages[:-1]:
        yield {**message, "more": True}
    yield from messages[-1:]


def _statuses(instance_id: str, tasks: Mapping[str, Mapping[str, Any]], seq: int, payload: bool) -> Iterator[Message]:
    """One message, or several where the records are large; they are merged by path at the other end."""
    statuses: dict[str, Any] = {}
    size = 0
    for path, record in tasks.items():
        size += 400 + len(path) + (record.get("bodySize") or 0 if payload and "body" in record else 0)
        if statuses and size > STATUSES_LIMIT:
            yield {"type": "setTasksStatuses", "id": instance_id, "statuses": statuses, "seq": seq}
            statuses, size = {}, 0
        statuses[path] = record if payload else mask(record)
    yield {"type": "setTasksStatuses", "id": instance_id, "statuses": statuses, "seq": seq}


def _logs(instance_id: str, logs: Mapping[str, Lines], seq: int) -> Iterator[Message]:
    for path, lines in logs.items():
        message = {
            "type": "taskLog",
            "id": instance_id,
            "taskPath": path,
            "lines": list(lines.lines),
            "from": lines.start,
            "seq": seq,
        }
        yield {**message, "dropped": lines.dropped} if lines.dropped else message
