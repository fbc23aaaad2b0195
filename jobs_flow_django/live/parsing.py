"""Reads requests from JSON. Pure: ``parse`` gives a request or raises ``ProtocolError``, nothing else.

``protocol.schema.json`` says the same; what it cannot say is checked here only: the size of a message in
bytes, and that names have nothing in them that cannot be printed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from jobs_flow.storages.records import Json
from jobs_flow_django.live.errors import MalformedMessage, MessageTooLarge, ProtocolError, UnknownMessageType
from jobs_flow_django.live.requests import (
    LINES,
    MODES,
    ROOT,
    Cancel,
    Create,
    Destroy,
    ExecuteAll,
    ExecuteTask,
    GetTask,
    GetTaskLogs,
    Pause,
    Ref,
    Request,
    Reset,
    Resume,
    SetUpdaters,
    SetVisibility,
    SetWindow,
    Unpause,
    Unwatch,
    Watch,
)

#: Bytes of a message from a client, unless the project says otherwise.
MESSAGE_LIMIT = 64 * 1024
#: Characters of an instance id, a ``ref``, a key, a realm or a name, of a task path, and of a ticket.
NAME_LIMIT = 200
PATH_LIMIT = 4_000
TICKET_LIMIT = 1_000
#: Tasks whose logs a watch may name.
LOGGED_PATHS = 100
#: Lines of a log in one answer.
LINES_LIMIT = 1_000
#: The smallest and the largest window of a folded block.
FOLD_LEAST, FOLD_MOST = 10, 1_000
#: The largest integer that JavaScript reads exactly.
SAFE_INTEGER = 2**53 - 1


def parse(text: str | None, limit: int = MESSAGE_LIMIT) -> Request:
    """The request in a frame of at most ``limit`` bytes; None stands for a frame that is not text.

    Raises ``ProtocolError``.
    """
    data = _decode(text, limit)
    ref = _ref(data)
    try:
        return _request(data, ref)
    except ProtocolError as error:
        error.ref = ref
        raise


def _decode(text: str | None, limit: int) -> Mapping[str, Any]:
    if text is None:
        raise MalformedMessage(reason="it is not a text frame")
    if len(text) > limit or len(text.encode(errors="replace")) > limit:
        raise MessageTooLarge(limit=limit)
    try:
        data = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if "\\u" in text:
            json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
    except RecursionError:
        raise MalformedMessage(reason="it is nested too deeply") from None
    except ValueError:
        raise MalformedMessage(reason="it is not JSON") from None
    if not isinstance(data, dict):
        raise MalformedMessage(reason="it is not an object")
    return data


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


# -- one reader a type -----------------------------------------------------------------------

Data = Mapping[str, Any]


def _watch(data: Data, ref: Ref) -> Request:
    fold = _integer(data, "fold", FOLD_LEAST, FOLD_MOST)
    return Watch(_name(data, "workflowId"), _integer(data, "since"), _logs(data), fold, _ticket(data), ref)


def _set_window(data: Data, ref: Ref) -> Request:
    start = _integer(data, "from")
    if start is None:
        raise MalformedMessage(reason="from is missing or not a number")
    return SetWindow(_name(data, "workflowId"), _path(data), start, ref)


def _set_visibility(data: Data, ref: Ref) -> Request:
    if "visible" not in data:
        raise MalformedMessage(reason="visible is missing")
    return SetVisibility(_flag(data, "visible"), ref)


def _get_task(data: Data, ref: Ref) -> Request:
    return GetTask(_name(data, "workflowId"), _path(data), _ticket(data), ref)


def _get_task_logs(data: Data, ref: Ref) -> Request:
    limit = _integer(data, "limit", 1, LINES_LIMIT) if "limit" in data else LINES
    if limit is None:
        raise MalformedMessage(reason="limit is not a number")
    start = _integer(data, "from")
    return GetTaskLogs(_name(data, "workflowId"), _path(data), start, limit, _ticket(data), ref)


def _execute_task(data: Data, ref: Ref) -> Request:
    return ExecuteTask(_name(data, "workflowId"), _path(data), _argument(data, "arg"), ref)


def _execute_all(data: Data, ref: Ref) -> Request:
    return ExecuteAll(_name(data, "workflowId"), _argument(data, "initialArg"), ref)


def _create(data: Data, ref: Ref) -> Request:
    return Create(
        _name(data, "workflow"),
        data.get("data"),
        _text(data, "realm"),
        _text(data, "name"),
        None if data.get("key") is None else _name(data, "key"),
        _flag(data, "execute"),
        ref,
    )


def _resume(data: Data, ref: Ref) -> Request:
    mode = data.get("mode", MODES[0])
    if not isinstance(mode, str) or mode not in MODES:
        raise MalformedMessage(reason=f"mode is not one of {', '.join(MODES)}")
    path = None if data.get("taskPath") is None else _path(data)
    return Resume(_name(data, "workflowId"), mode, path, _flag(data, "preview"), ref)


def _cancel(data: Data, ref: Ref) -> Request:
    return Cancel(_name(data, "workflowId"), _path(data, ROOT), _flag(data, "undo"), ref)


def _reset(data: Data, ref: Ref) -> Request:
    return Reset(_name(data, "workflowId"), _path(data, ROOT), ref)


def _set_updaters(data: Data, ref: Ref) -> Request:
    updaters = data.get("updaters")
    if not isinstance(updaters, list):
        raise MalformedMessage(reason="updaters is missing or not a list")
    return SetUpdaters(_name(data, "workflowId"), _path(data), updaters, ref)


_READERS: dict[str, Callable[[Data, Ref], Request]] = {
    "watchWorkflowInstance": _watch,
    "unwatchWorkflowInstance": lambda data, ref: Unwatch(_name(data, "workflowId"), ref),
    "setWindow": _set_window,
    "setVisibility": _set_visibility,
    "getTask": _get_task,
    "getTaskLogs": _get_task_logs,
    "createWorkflowInstance": _create,
    "executeTask": _execute_task,
    "executeAllTasks": _execute_all,
    "resumeWorkflow": _resume,
    "cancelWorkflow": _cancel,
    "pauseWorkflow": lambda data, ref: Pause(_name(data, "workflowId"), ref),
    "unpauseWorkflow": lambda data, ref: Unpause(_name(data, "workflowId"), ref),
    "resetWorkflow": _reset,
    "destroyWorkflow": lambda data, ref: Destroy(_name(data, "workflowId"), ref),
    "setContextUpdaters": _set_updaters,
}

#: Types of messages that clients send.
REQUESTS = tuple(_READERS)
#: Requests that change nothing; a later client may say more in them.
_READING = frozenset(
    {"watchWorkflowInstance", "unwatchWorkflowInstance", "setWindow", "setVisibility", "getTask", "getTaskLogs"}
)
#: The fields of the others, besides ``type`` and ``ref``. One that is not known might be what makes one harmless.
_FIELDS: dict[str, frozenset[str]] = {
    "createWorkflowInstance": frozenset({"workflow", "data", "realm", "name", "key", "execute"}),
    "executeTask": frozenset({"workflowId", "taskPath", "arg"}),
    "executeAllTasks": frozenset({"workflowId", "initialArg"}),
    "resumeWorkflow": frozenset({"workflowId", "mode", "taskPath", "preview"}),
    "cancelWorkflow": frozenset({"workflowId", "taskPath", "undo"}),
    "resetWorkflow": frozenset({"workflowId", "taskPath"}),
    "setContextUpdaters": frozenset({"workflowId", "taskPath", "updaters"}),
}
_USUAL_FIELDS = frozenset({"workflowId"})


def _request(data: Data, ref: Ref) -> Request:
    kind = data.get("type")
    if not isinstance(kind, str):
        raise MalformedMessage(reason="its type is missing or not a string")
    reader = _READERS.get(kind)
    if reader is None:
        raise UnknownMessageType(type_name=kind[:50], known=", ".join(REQUESTS))
    known = _FIELDS.get(kind, _USUAL_FIELDS)
    unknown = sorted(set(data) - known - {"type", "ref"})
    if unknown and kind not in _READING:
        raise MalformedMessage(reason=f"{kind} has no field {unknown[0][:50]!r}; it has {', '.join(sorted(known))}")
    return reader(data, ref)


# -- fields ----------------------------------------------------------------------------------


def _ref(data: Data) -> Ref:
    ref = data.get("ref")
    if ref is None or (isinstance(ref, str) and len(ref) <= NAME_LIMIT):
        return ref
    number = _whole(ref)
    if number is not None and abs(number) <= SAFE_INTEGER:
        return number
    raise MalformedMessage(reason=f"ref is not a string of at most {NAME_LIMIT} characters or an integer")


def _name(data: Data, field: str, limit: int = NAME_LIMIT) -> str:
    value = data.get(field)
    if not isinstance(value, str):
        raise MalformedMessage(reason=f"{field} is missing or not a string")
    if not 0 < len(value) <= limit:
        raise MalformedMessage(reason=f"{field} is empty or longer than {limit} characters")
    if not value.isprintable():
        raise MalformedMessage(reason=f"{field} has a character that cannot be printed")
    return value


def _text(data: Data, field: str) -> str:
    """As ``_name``, where the field may be left out or empty."""
    return "" if data.get(field) in (None, "") else _name(data, field)


def _path(data: Data, default: str | None = None) -> str:
    if default is not None and data.get("taskPath") is None:
        return default
    return _name(data, "taskPath", PATH_LIMIT)


def _flag(data: Data, field: str) -> bool:
    value = data.get(field, False)
    if not isinstance(value, bool):
        raise MalformedMessage(reason=f"{field} is not true or false")
    return value


def _whole(value: object) -> int | None:
    """An integer, also one that is written ``2.0``; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _integer(data: Data, field: str, least: int = 0, most: int = SAFE_INTEGER) -> int | None:
    """None where the field is left out or null."""
    if data.get(field) is None:
        return None
    value = _whole(data[field])
    if value is None or not least <= value <= most:
        raise MalformedMessage(reason=f"{field} is not an integer from {least} to {most}")
    return value


def _ticket(data: Data) -> str | None:
    ticket = data.get("ticket")
    if ticket is not None and not (isinstance(ticket, str) and len(ticket) <= TICKET_LIMIT):
        raise MalformedMessage(reason=f"ticket is not a string of at most {TICKET_LIMIT} characters")
    return ticket


def _logs(data: Data) -> bool | frozenset[str]:
    logs = data.get("logs", True)
    if isinstance(logs, bool):
        return logs
    if not isinstance(logs, list) or len(logs) > LOGGED_PATHS:
        raise MalformedMessage(reason=f"logs is not true, false or a list of at most {LOGGED_PATHS} task paths")
    return frozenset(_name({"a path in logs": path}, "a path in logs", PATH_LIMIT) for path in logs)


def _argument(data: Data, field: str) -> tuple[()] | tuple[Json]:
    return (data[field],) if field in data else ()
