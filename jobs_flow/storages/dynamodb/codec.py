"""Between the state of an instance and the attributes of its items. Pure.

Attributes have the names of the wire and of Redis, and are JSON text; numbers are only those that an index sorts by or
a condition compares. What has its default is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

from jobs_flow.storages.dynamodb.attributes import Attributes, Value
from jobs_flow.storages.dynamodb.names import Names, place
from jobs_flow.storages.memory_records import Answer, Place, Record, State, TimerKey
from jobs_flow.storages.records import Started, Undone, Waiting
from jobs_flow.storages.texts import is_text
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

Decode = Callable[[Any], Any]


def encode(value: Any) -> str:
    """Compact JSON text; escaped where it holds what is no text (half a surrogate pair)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return storable(text)


def storable(text: str) -> str:
    """A JSON text with the same value that can be stored."""
    return text if is_text(text) else json.dumps(json.loads(text), separators=(",", ":"))


class Field(NamedTuple):
    """An attribute: the field it is of, and how its value is written and read; none: it is JSON text already."""

    name: str
    field: str
    write: Callable[[Any], Any] | None = None
    read: Decode | None = None


def _plain(name: str, field: str) -> Field:
    return Field(name, field, lambda value: value, lambda value: value)


def _write_answer(answer: Answer | None) -> Any:
    return None if answer is None else [answer.seq, answer.finished, list(answer.queued)]


def _read_answer(value: Any) -> Answer | None:
    return None if value is None else Answer(value[0], value[1], tuple(value[2]))


def _read_gave_up(value: Any) -> tuple[str, Answer | None]:
    return value[0], _read_answer(value[1])


RECORD = (
    Field("status", "status", lambda status: status.value, TaskStatus),
    _plain("run", "run"),
    _plain("attempt", "attempt"),
    _plain("queuedAt", "queued_at"),
    _plain("executionTime", "execution_time"),
    _plain("finishedAt", "finished_at"),
    _plain("duration", "duration"),
    _plain("progress", "progress"),
    _plain("progressText", "progress_text"),
    Field("error", "error"),
    Field("body", "body"),
    Field("argument", "argument"),
    Field("context", "context"),
    Field("updaters", "updaters"),
    _plain("source", "source"),
    _plain("traceback", "traceback"),
    _plain("worker", "worker"),
    _plain("token", "token"),
    Field("answer", "answer", _write_answer, _read_answer),
    Field("gaveUp", "gave_up", lambda value: value and [value[0], _write_answer(value[1])], _read_gave_up),
    _plain("tolerated", "tolerated"),
    _plain("retries", "retries"),
    _plain("losses", "losses"),
    _plain("retryAt", "retry_at"),
    _plain("undo", "undo"),
    Field("undoError", "undo_error"),
    Field("waiting", "waiting", lambda value: [value.lane, value.timeout], lambda value: Waiting(*value)),
    _plain("logCount", "log_count"),
)

HEADER = (
    _plain("workflow", "workflow"),
    _plain("fingerprint", "fingerprint"),
    _plain("realm", "realm"),
    _plain("name", "name"),
    _plain("ephemeral", "ephemeral"),
    _plain("createdAt", "created_at"),
    _plain("updatedAt", "updated_at"),
    Field("status", "status", lambda status: status.value, InstanceStatus),
    _plain("run", "run"),
    _plain("revision", "revision"),
    _plain("startedAt", "started_at"),
    _plain("finishedAt", "finished_at"),
    Field("error", "error"),
    _plain("outstanding", "outstanding"),
    _plain("failures", "failures"),
    _plain("key", "key"),
    _plain("paused", "paused"),
    Field("cancelled", "cancelled", list, tuple),
    _plain("staged", "staged"),
    Field("stages", "stages", lambda value: value, lambda value: [tuple(stage) for stage in value]),
    _plain("runLane", "lane"),
    Field(
        "waiting",
        "waiting",
        lambda value: {path: [way.lane, way.timeout] for path, way in value.items()},
        lambda value: {path: Waiting(*way) for path, way in value.items()},
    ),
    Field(
        "call",
        "call",
        lambda value: value and [value[0], *value[1]],
        lambda value: (value[0], Started(value[1], value[2])),
    ),
    _plain("undo", "undo"),
    _plain("undoQueue", "undo_queue"),
    _plain("undoPath", "undo_path"),
    _plain("undoToken", "undo_token"),
    _plain("undoUntil", "undo_until"),
    _plain("undoLosses", "undo_losses"),
    Field(
        "undoAnswer",
        "undo_answer",
        lambda value: value and [value[0], value[1], value[2].recorded, value[2].more, value[2].finished],
        lambda value: (value[0], value[1], Undone(value[2], value[3], value[4])),
    ),
    _plain("keep", "keep"),
    _plain("seq", "seq"),
)

#: Always written, so that an item is readable by itself.
_ALWAYS = frozenset({"status", "run", "seq", "revision"})


def _defaults(kind: Any) -> dict[str, Any]:
    found = {}
    for each in fields(kind):
        if each.default is not MISSING:
            found[each.name] = each.default
        elif each.default_factory is not MISSING:
            found[each.name] = each.default_factory()
    return found


_DEFAULTS = {RECORD: _defaults(Record), HEADER: _defaults(State)}


def write(known: tuple[Field, ...], holder: Any) -> Attributes:
    """The attributes of a record or a header."""
    attributes: Attributes = {}
    defaults = _DEFAULTS[known]
    for name, field, to_json, _ in known:
        value = getattr(holder, field)
        if name not in _ALWAYS and field in defaults and value == defaults[field]:
            continue
        attributes[name] = storable(value) if to_json is None else encode(to_json(value))
    return attributes


def read(known: tuple[Field, ...], attributes: Mapping[str, Value]) -> dict[str, Any]:
    """The fields of a record or a header that its attributes say."""
    found: dict[str, Any] = {}
    for name, field, _, from_json in known:
        text = attributes.get(name)
        if text is not None:
            found[field] = text if from_json is None else from_json(json.loads(str(text)))
    return found


def read_record(attributes: Mapping[str, Value]) -> Record:
    """The record that attributes say, without its attempts and logs."""
    return Record(**read(RECORD, attributes))


# -- timers and places -----------------------------------------------------------------------


def timers(found: Mapping[str, int], names: Names, instance_id: str) -> Attributes:
    """The timers of an item, and when the earliest of them comes due, which the index sorts by.

    What is kept for long enough can wait, so it stands in a line of its own.
    """
    if not found:
        return {}
    urgent = any(not kind.startswith("expired") for kind in found)
    return {
        "timers": encode(dict(sorted(found.items()))),
        "dueShard": names.due_shard(instance_id, "due" if urgent else "kept"),
        "dueAt": min(found.values()),
    }


def read_timers(attributes: Mapping[str, Value]) -> dict[str, int]:
    """The timers of an item."""
    text = attributes.get("timers")
    found: dict[str, int] = {} if text is None else json.loads(str(text))
    return found


def timer_name(key: TimerKey) -> str:
    """How an item calls one of its timers."""
    return f"{key[0]} {key[2]}" if key[2] else key[0]


def timer_key(name: str, path: str) -> TimerKey:
    """What a timer of an item is about."""
    kind, _, detail = name.partition(" ")
    return kind, path, detail


def standing(found: Place | None, path: str, names: Names) -> Attributes:
    """The place of a queued task in its lane."""
    if found is None:
        return {}
    return {
        "place": encode([found.lane, found.first, found.given]),
        "lane": names.lane_shard(found.lane, path),
        "laneAt": found.published,
        "lookAt": found.look_at,
    }


def read_place(attributes: Mapping[str, Value]) -> Place | None:
    """The place of a queued task in its lane."""
    if "place" not in attributes:
        return None
    lane, first, given = json.loads(str(attributes["place"]))
    return Place(lane, int(attributes["laneAt"]), int(attributes["lookAt"]), first, given)  # type: ignore[arg-type]


def record_image(
    record: Record, instance_id: str, path: str, own: Mapping[str, int], at: Place | None, names: Names
) -> Attributes:
    """All attributes of a record's item, but those that number its writes."""
    image = write(RECORD, record) | timers(own, names, instance_id) | standing(at, path, names)
    if place(path) != path:
        image["path"] = encode(path)
    return image


def header_image(state: State, own: Mapping[str, int], names: Names) -> Attributes:
    """All attributes of a header's item that follow from its state."""
    return write(HEADER, state) | timers(own, names, state.id)


def path_of(sort: str, attributes: Mapping[str, Value]) -> str:
    """The path of a record's item."""
    return str(json.loads(str(attributes["path"]))) if "path" in attributes else sort
