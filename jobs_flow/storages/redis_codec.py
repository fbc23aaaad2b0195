"""Between the records of the contract and the texts that Redis keeps. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs_flow.storages.records import (
    TASK_DETAILS,
    TASK_VIEW,
    Claim,
    Event,
    Input,
    Instance,
    NewInstance,
    Outcome,
)
from jobs_flow.workflows.states import TaskStatus

#: Fields of a record that are part of the contract; the others are the scripts' own.
FIELDS = frozenset((*TASK_VIEW, *TASK_DETAILS))
#: Fields of ``workflowState_<id>`` that belong to a header, in the order the scripts give them.
STATE_FIELDS = [*(f"count:{status}" for status in TaskStatus), "seq"]


def is_text(text: str) -> bool:
    """Whether ``text`` can be stored: half a surrogate pair has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    """The value of a JSON text; None without one."""
    return None if text is None else json.loads(text)


def counted(items: Iterable[str]) -> list[str]:
    """A list as scripts read it: its length, then its members."""
    members = list(items)
    return [str(len(members)), *members]


def counted_keys(names: Iterable[str]) -> list[str | bytes]:
    """``counted`` for names to look for."""
    members = [key(name) for name in names]
    return [str(len(members)), *members]


def header_fields(new: NewInstance) -> list[str]:
    """The fields of a new header, name and JSON in turn; the script adds the times."""
    fields = {
        "workflow": new.workflow,
        "data": new.data,
        "baseContext": dict(new.base_context),
        "realm": new.realm,
        "name": new.name,
        "ephemeral": new.ephemeral,
        "fingerprint": new.fingerprint,
        "status": "inactive",
        "run": 0,
        "revision": 1,
        "startedAt": None,
        "finishedAt": None,
        "error": None,
    }
    return [part for name, value in fields.items() for part in (name, encode(value))]


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
    )


def claim(instance_id: str, reply: Sequence[Any]) -> Claim:
    """The answer of ``claim.lua``."""
    state = reply[0].decode()
    if state == "header":
        return Claim(state, header=instance(instance_id, reply[1]))
    if state != "granted":
        return Claim(state)
    _, attempt, execution_time, argument, handed = reply
    return Claim(
        state,
        argument=argument.decode() if argument is not None else None,
        inputs=inputs(handed),
        attempt=int(attempt),
        execution_time=int(execution_time),
    )


def inputs(reply: Sequence[Any]) -> dict[str, Input]:
    """What tasks hand on, by path."""
    found = {}
    for path, status, source, execution_time, value in reply:
        found[path.decode()] = Input(
            decode(status),
            decode(source),
            decode(execution_time),
            value.decode() if value is not None and value != b"null" else None,
        )
    return found


def task(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """A full record from its hash, every field present."""
    known = {name: decode(text) for name, text in _pairs(fields).items() if name in FIELDS}
    record = {name: known.get(name) for name in (*TASK_VIEW, *TASK_DETAILS)}
    for name in ("run", "attempt", "logCount"):
        record[name] = record[name] or 0
    record["updaters"] = record["updaters"] or []
    return record


def events(entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Event]:
    """Events from stream entries, whose ids are ``<seq>-0``."""
    return [Event.parse(int(entry.split(b"-")[0]), fields[b"e"]) for entry, fields in entries]
