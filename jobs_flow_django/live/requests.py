"""What a client may ask for over the socket. Pure: ``parse`` gives a request or raises ``ProtocolError``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs_flow.storages.records import Json
from jobs_flow_django.live.errors import MalformedMessage, MessageTooLarge, ProtocolError, UnknownMessageType

#: Bytes of a message from a client.
MESSAGE_LIMIT = 64 * 1024
#: Characters of an instance id, a ``ref``, a key, a realm or a name, and of a task path.
NAME_LIMIT = 200
PATH_LIMIT = 4_000
#: Which tasks a resume runs.
MODES = ("failed", "failed_and_downstream", "all")
#: The whole instance.
ROOT = "#"
#: The largest integer that JavaScript reads exactly.
_SAFE_INTEGER = 2**53 - 1

Ref = str | int | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell me what becomes of an instance; of what came after ``since`` only, where that can be told."""

    workflow_id: str
    since: int | None = None
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Unwatch:
    """No longer."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class ExecuteTask:
    """Run one task. ``argument`` holds it, or nothing: null is an argument like any other."""

    workflow_id: str
    task_path: str
    argument: tuple[()] | tuple[Json] = ()
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class ExecuteAll:
    """Run all tasks; ``argument`` goes to the first."""

    workflow_id: str
    argument: tuple[()] | tuple[Json] = ()
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Create:
    """Make an instance, the caller's own; with a ``key`` that one has already, that one is the answer."""

    workflow: str
    data: Json = None
    realm: str = ""
    name: str = ""
    key: str | None = None
    execute: bool = False
    ref: Ref = None
    #: There is none yet.
    workflow_id: None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Run again what has to be, by ``mode`` (``MODES``), or from ``task_path`` on; ``preview``: only say what."""

    workflow_id: str
    mode: str = MODES[0]
    task_path: str | None = None
    preview: bool = False
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the run, or what of it is at a path and below; with ``undo`` what is finished is undone."""

    workflow_id: str
    task_path: str = ROOT
    undo: bool = False
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Start no further task."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Unpause:
    """Start them again."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Put the tasks at a path and below back to ``inactive``."""

    workflow_id: str
    task_path: str = ROOT
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class Destroy:
    """Remove the instance and all its records."""

    workflow_id: str
    ref: Ref = None


@dataclass(frozen=True, slots=True)
class SetUpdaters:
    """Replace the recorded context updaters of a task. Their own grammar is checked by ``Jobs``."""

    workflow_id: str
    task_path: str
    updaters: list[Json]
    ref: Ref = None


Request = (
    Watch
    | Unwatch
    | ExecuteTask
    | ExecuteAll
    | Create
    | Resume
    | Cancel
    | Pause
    | Unpause
    | Reset
    | Destroy
    | SetUpdaters
)


def parse(text: str | None) -> Request:
    """The request in a frame; None stands for a frame that is not text. Raises ``ProtocolError``."""
    data = _decode(text)
    ref = _ref(data)
    try:
        return _request(data, ref)
    except ProtocolError as error:
        error.ref = ref
        raise


def _decode(text: str | None) -> Mapping[str, Any]:
    if text is None:
        raise MalformedMessage(reason="it is not a text frame")
    if len(text) > MESSAGE_LIMIT or len(text.encode(errors="replace")) > MESSAGE_LIMIT:
        raise MessageTooLarge(limit=MESSAGE_LIMIT)
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
    return Watch(_name(data, "workflowId"), _since(data), ref)


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
_READING = frozenset({"watchWorkflowInstance", "unwatchWorkflowInstance"})
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
    if isinstance(ref, int) and not isinstance(ref, bool) and abs(ref) <= _SAFE_INTEGER:
        return ref
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


def _since(data: Data) -> int | None:
    since = data.get("since")
    if since is None:
        return None
    if not isinstance(since, int) or isinstance(since, bool) or not 0 <= since <= _SAFE_INTEGER:
        raise MalformedMessage(reason="since is not a sequence number")
    return since


def _argument(data: Data, field: str) -> tuple[()] | tuple[Json]:
    return (data[field],) if field in data else ()
