"""Between the records of the contract and the texts that Redis keeps. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs_flow.storages.bodies import Reference, is_reference
from jobs_flow.storages.records import (
    TASK_DETAILS,
    TASK_VIEW,
    Claim,
    Completed,
    Due,
    Event,
    Input,
    Instance,
    Lane,
    NewInstance,
    Outcome,
    RunSelection,
    Waiting,
)
from jobs_flow.storages.texts import is_text
from jobs_flow.workflows.states import TaskStatus

#: Fields of a record that are part of the contract; the others are the scripts' own.
FIELDS = frozenset((*TASK_VIEW, *TASK_DETAILS))
#: Fields of a record that are 0 where it does not have them.
COUNTERS = frozenset(("run", "attempt", "logCount", "retries", "losses"))
#: Fields of ``workflowState_<id>`` that belong to a header, in the order the scripts give them.
STATE_FIELDS = [*(f"count:{status}" for status in TaskStatus), "seq"]


def key(text: str) -> bytes:
    """A name to look for. One that is no text (``is_text``) gives bytes that nothing is stored under."""
    return text.encode("utf-8", "surrogatepass")


def name(key: bytes) -> str:
    """What ``key`` was made of."""
    return key.decode("utf-8", "surrogatepass")


def encode(value: Any) -> str:
    """Compact JSON text."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A traceback may quote a file name that is no text; escaped it can be stored, and is read as it was.
    return text if is_text(text) else json.dumps(value, allow_nan=False, separators=(",", ":"))


def decode(text: bytes | str | None) -> Any:
    """The value of a JSON text, a ``Reference`` where one stands for it; None without one."""
    if text is None:
        return None
    return Reference.parse(text) if is_reference(text) else json.loads(text)


def counted(items: Iterable[str]) -> list[str]:
    """A list as scripts read it: its length, then its members."""
    members = list(items)
    return [str(len(members)), *members]


def counted_keys(names: Iterable[str]) -> list[str | bytes]:
    """``counted`` for names to look for."""
    members = [key(name) for name in names]
    return [str(len(members)), *members]


def keys(names: Iterable[str]) -> bytes:
    """A JSON list of names to look for."""
    return key(json.dumps(list(names), ensure_ascii=False))


def optional(number: int | None) -> str:
    """A number as scripts read it; empty text for none."""
    return "" if number is None else str(number)


def key_field(workflow: str, realm: str, instance_key: str) -> str:
    """The field of ``workflowKeys`` that says which instance has a key."""
    # As JSON none of them has a line break.
    return "\n".join(encode(part) for part in (workflow, realm, instance_key))


def waiting(lane: str, others: Mapping[str, Waiting], paths: Iterable[str]) -> list[str]:
    """How ``paths`` wait, as scripts read it: the lane of all, and those of them that wait otherwise."""
    parts = []
    if others:
        for path in paths:
            if (other := others.get(path)) is not None:
                parts += [path, other.lane, optional(other.timeout)]
    return [lane, *counted(parts)]


def stages(selection: RunSelection) -> list[str]:
    """The stages of a run as scripts keep them: a JSON list of path, lane, and timeout or empty text of each head."""
    usual = Waiting(selection.lane)
    found = []
    for stage in selection.stages:
        heads = [(path, selection.waiting.get(path, usual)) for path in stage]
        found.append(encode([[path, how.lane, optional(how.timeout)] for path, how in heads]))
    return found


def definition_fields(new: NewInstance) -> dict[str, Any]:
    """The fields of a header that an update replaces."""
    return {
        "workflow": new.workflow,
        "data": new.data,
        "baseContext": dict(new.base_context),
        "name": new.name,
        "fingerprint": new.fingerprint,
    }


def pairs(fields: Mapping[str, Any]) -> list[str]:
    """Fields, name and JSON in turn."""
    return [part for name, value in fields.items() for part in (name, encode(value))]


def header_fields(new: NewInstance) -> list[str]:
    """The fields of a new header, name and JSON in turn; the script adds the times."""
    fields = definition_fields(new) | {
        "realm": new.realm,
        "ephemeral": new.ephemeral,
        "key": new.key,
        "status": "inactive",
        "run": 0,
        "revision": 1,
        "startedAt": None,
        "finishedAt": None,
        "error": None,
    }
    return pairs(fields)


def outcome_fields(outcome: Outcome) -> list[str]:
    """An outcome as ``complete.lua`` reads it; empty text for what there is none of."""
    return [
        encode(outcome.status),
        outcome.body or "",
        encode(outcome.source) if outcome.source is not None else "",
        outcome.argument or "",
        outcome.context or "",
        outcome.updaters or "",
        encode(outcome.error) if outcome.error is not None else "",
        encode(outcome.traceback) if outcome.traceback is not None else "",
        "1" if outcome.tolerated else "",
    ]


def _pairs(fields: Mapping[bytes, bytes] | Sequence[bytes]) -> dict[str, bytes]:
    items = fields.items() if isinstance(fields, Mapping) else zip(fields[::2], fields[1::2], strict=True)
    return {name.decode(): value for name, value in items}


def instance(instance_id: str, reply: Sequence[Any]) -> Instance:
    """The header from its hash and the state fields."""
    header = {name: decode(value) for name, value in _pairs(reply[0]).items()}
    *counts, seq = (int(value or 0) for value in reply[1])
    return Instance(
        id=instance_id,
        workflow=header["workflow"],
        data=header["data"],
        base_context=header["baseContext"],
        fingerprint=header["fingerprint"],
        realm=header["realm"],
        name=header["name"],
        ephemeral=header["ephemeral"],
        status=header["status"],
        run=header["run"],
        revision=header["revision"],
        created_at=header["createdAt"],
        updated_at=header["updatedAt"],
        started_at=header["startedAt"],
        finished_at=header["finishedAt"],
        error=header["error"],
        counts=dict(zip((str(status) for status in TaskStatus), counts, strict=True)),
        seq=seq,
        # Headers of earlier versions have none of these.
        key=header.get("key"),
        paused=header.get("paused", False),
        cancelled=tuple(header.get("cancelled") or ()),
        undo=header.get("undo"),
    )


def claim(instance_id: str, reply: Sequence[Any]) -> Claim:
    """The answer of ``claim.lua``."""
    state = reply[0].decode()
    if state == "header":
        return Claim(state, header=instance(instance_id, reply[1]))
    if state != "granted":
        return Claim(state)
    _, attempt, execution_time, argument, handed, retries, updaters = reply
    return Claim(
        state,
        argument=argument.decode() if argument is not None else None,
        inputs=inputs(handed),
        attempt=int(attempt),
        execution_time=int(execution_time),
        retries=int(retries),
        updaters={path: text.decode() for path, text in _pairs(updaters).items()},
    )


def completed(reply: Sequence[Any]) -> Completed:
    """The answer of ``complete.lua`` and ``retry.lua``."""
    if not reply[0]:
        return Completed(recorded=False)
    return Completed(
        recorded=True,
        seq=int(reply[1]),
        finished=decode(reply[2]) if reply[2] else None,
        queued=tuple(path.decode() for path in reply[3]),
    )


def payload(text: bytes | None) -> str | None:
    """A JSON text of the user's; None where there is none, and for null."""
    return text.decode() if text is not None and text != b"null" else None


def due(entry: Sequence[Any]) -> Due:
    """One answer of ``due.lua``."""
    kind, owner, path, run, token, detail, _ = entry
    return Due(kind.decode(), name(owner), path.decode(), int(run), token and token.decode(), detail.decode())


def lane(entry: Sequence[Any]) -> Lane:
    """One answer of ``lanes.lua``."""
    lane_name, length, oldest, mark = entry
    return Lane(lane_name.decode(), int(length), None if oldest is None else int(oldest), int(mark))


def inputs(reply: Sequence[Any]) -> dict[str, Input]:
    """What tasks hand on, by path."""
    found = {}
    for path, status, source, execution_time, value in reply:
        found[path.decode()] = Input(
            decode(status),
            decode(source),
            decode(execution_time),
            payload(value),
        )
    return found


def task(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """A full record from its hash, every field present."""
    known = {name: decode(text) for name, text in _pairs(fields).items() if name in FIELDS}
    record = {name: known.get(name) for name in (*TASK_VIEW, *TASK_DETAILS)}
    for name in COUNTERS:
        record[name] = record[name] or 0
    record["updaters"] = record["updaters"] or []
    return record


def figures(paths: Sequence[str], names: Sequence[str], reply: bytes) -> dict[str, dict[str, Any]]:
    """The answer of ``figures.lua``: every field of those of the paths that have a record."""
    found: dict[str, dict[str, Any]] = {}
    for path, texts in zip(paths, json.loads(reply), strict=True):
        if texts is not None:
            known = zip(names, texts[1:], strict=True)
            found[path] = {name: 0 if value is None and name in COUNTERS else value for name, value in known}
    return found


def events(entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Event]:
    """Events from stream entries, whose ids are ``<seq>-0``."""
    return [Event.parse(int(entry.split(b"-")[0]), fields[b"e"]) for entry, fields in entries]
