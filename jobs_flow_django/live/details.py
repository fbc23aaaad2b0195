"""All of one task, for who asks: its record, earlier attempts, its log; as much as a message may hold.

Reads the storage, and blocks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.errors import JobsFlowError, TaskNotFound
from jobs_flow.storages.bodies import Reference
from jobs_flow.storages.records import TASK_VIEW, Json
from jobs_flow_django import jobs
from jobs_flow_django.live.protocol import mask, mask_error

#: Bytes of JSON, as it is sent, for the values of a task, for its earlier attempts, and for lines of its log.
VALUES_LIMIT = 512 * 1024
ATTEMPTS_LIMIT = 256 * 1024
LOGS_LIMIT = 768 * 1024
#: How often a log is read again because it grew meanwhile.
LOG_ATTEMPTS = 5

#: Fields of a record that tell what the task worked on.
_PAYLOADS = ("body", "argument", "context", "updaters", "traceback")
#: What those may know of a task, and of an attempt, who may not see what it works on.
_OPEN = frozenset({*TASK_VIEW, "source", "undoError", "stale"}) - {"body", "progressText"}
_OPEN_ATTEMPT = frozenset({"run", "attempt", "status", "queuedAt", "executionTime", "finishedAt", "duration", "error"})
#: What an argument or a member of a context is where its value stands in another record that has changed since.
_POINTER = frozenset({"$ref", "executionTime", "length", "member", "updated"})


@dataclass(slots=True)
class Details:
    """A task and its earlier attempts, oldest first; ``omitted`` names what was left out for its size."""

    task: dict[str, Json]
    attempts: list[dict[str, Json]]
    omitted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LogPart:
    """Consecutive lines of a log of ``total`` lines; the first has index ``start``."""

    start: int
    lines: list[str]
    total: int


def read_task(instance_id: str, path: str, *, payload: bool) -> Details:
    """A task; without ``payload`` nothing of what it worked on. Raises ``InstanceNotFound``, ``TaskNotFound``."""
    record = jobs.get_task(instance_id, path, whole=False)
    attempts = jobs.storage.get_attempts(instance_id, path)
    record["stale"] = _stale(instance_id, path, record)
    if payload:
        return _fitted(record, attempts)
    kinds = {name: mask_error({"error": record[name]})["error"] for name in ("undoError",) if record.get(name)}
    task = {name: value for name, value in (mask(record) | kinds).items() if name in _OPEN}
    return Details(task, [mask_error(_only(attempt, _OPEN_ATTEMPT)) for attempt in attempts])


def read_logs(instance_id: str, path: str, start: int | None, limit: int) -> LogPart:
    """``limit`` lines from ``start`` on, fewer where they are long; None: the last ones.

    Of lines that are no longer kept, the first that are. Raises ``InstanceNotFound``, ``TaskNotFound``.
    """
    total = _count(instance_id, path)
    lines: list[str] = []
    for _ in range(LOG_ATTEMPTS):
        wanted = min(limit, total) if start is None else max(0, total - start)
        if not wanted:
            # Without lines there is nothing that could belong to another total.
            lines = []
            break
        lines = jobs.storage.get_logs(instance_id, [path], last=wanted)[path]
        known, total = total, _count(instance_id, path)
        if total == known:
            break
    first = max(0, total - len(lines))
    if start is None:
        dropped = len(lines) - _fitting(reversed(lines))
        return LogPart(first + dropped, lines[dropped:], total)
    return LogPart(first if lines else min(start, total), lines[: _fitting(lines[:limit])], total)


def _fitting(lines: Iterable[str]) -> int:
    """How many of the lines fit into a message; one does in any case."""
    kept, size = 0, 0
    for line in lines:
        size += _size(line)
        if size > LOGS_LIMIT and kept:
            break
        kept += 1
    return kept


def _count(instance_id: str, path: str) -> int:
    """Lines that a log ever had, in this run."""
    found = jobs.storage.get_figures(instance_id, [path], ("logCount",)).get(path)
    if found is None:
        raise TaskNotFound(instance_id=instance_id, workflow=jobs.runtime.header(instance_id).workflow, path=path)
    return int(found["logCount"])


def _stale(instance_id: str, path: str, record: Mapping[str, Any]) -> str | None:
    if record.get("executionTime") is None:
        return None
    try:
        return jobs.get_stale_cause(instance_id, path)
    except JobsFlowError:
        # The record itself was read: rather all else than nothing.
        return None


def _fitted(record: Mapping[str, Any], attempts: list[dict[str, Any]]) -> Details:
    """What fits of it. The smallest values first, so that a large one costs no others."""
    details = Details({name: value for name, value in record.items() if name not in _PAYLOADS}, [])
    parts: dict[str, Any] = {name: record[name] for name in _PAYLOADS if name in record}
    context = parts.get("context")
    if isinstance(context, dict):
        parts |= {f"context.{name}": value for name, value in context.items()}
        parts["context"] = {}
    room = VALUES_LIMIT
    sizes = {name: None if _elsewhere(value) else _size(value) for name, value in parts.items()}
    kept: dict[str, Any] = {}
    for name in sorted(parts, key=lambda name: sizes[name] or 0):
        size = sizes[name]
        if size is not None and size + len(name) <= room:
            kept[name] = parts[name]
            room -= size + len(name)
    for name, value in parts.items():
        if name not in kept:
            details.omitted.append(name)
        elif name.startswith("context."):
            details.task["context"][name.removeprefix("context.")] = value
        else:
            details.task[name] = value
    details.attempts = _fitted_attempts(attempts, details.omitted)
    return details


def _fitted_attempts(attempts: list[dict[str, Any]], omitted: list[str]) -> list[dict[str, Any]]:
    """The latest with their logs, those before without, the oldest not at all."""
    room, bare = ATTEMPTS_LIMIT, False
    kept: list[dict[str, Any]] = []
    for attempt in reversed(attempts):
        size = _size(attempt)
        if bare or size > room:
            bare = True
            attempt = {name: value for name, value in attempt.items() if name not in ("logs", "body")}
            size = _size(attempt)
        if size > room:
            omitted.append("attempts")
            break
        kept.append(attempt)
        room -= size
    if bare:
        omitted.append("attempts.logs")
    return kept[::-1]


def _elsewhere(value: Any) -> bool:
    """Whether it is a note of where a value stands, and not the value."""
    if isinstance(value, Reference):
        return True
    return isinstance(value, dict) and "$ref" in value and "length" in value and value.keys() <= _POINTER


def _only(record: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name in names}


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))
