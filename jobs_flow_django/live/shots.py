"""Snapshots of instances with the ends of their logs, read from a storage; all of this blocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jobs_flow.storages.base import Storage
from jobs_flow_django.live.changes import Lines
from jobs_flow_django.live.state import LOGGED_LINES, LOGGED_TASKS, Shot

#: Attempts to read logs that do not move meanwhile.
LOG_ATTEMPTS = 3


def take_shot(storage: Storage, instance_id: str) -> Shot | None:
    """A snapshot with logs; None without such an instance.

    Logs are not part of a snapshot: they are read after it, and again if they moved meanwhile. Those that
    never stand still are left out; their next lines come as events, with the index of the first.
    """
    shot = _try_shot(storage, instance_id)
    for _ in range(LOG_ATTEMPTS - 1):
        if shot is None or not shot.partial:
            break
        shot = _try_shot(storage, instance_id)
    return shot


def _try_shot(storage: Storage, instance_id: str) -> Shot | None:
    """A snapshot with the logs that did not move."""
    snapshot = storage.snapshot(instance_id)
    if snapshot is None:
        return None
    paths = _logged_paths(snapshot.tasks)
    logs = read_logs(storage, instance_id, {path: snapshot.tasks[path]["logCount"] for path in paths}, snapshot.seq)
    return Shot(snapshot, logs, frozenset(set(paths) - logs.keys()))


def read_logs(storage: Storage, instance_id: str, counts: Mapping[str, int], seq: int) -> dict[str, Lines]:
    """The ends of logs that had so many lines at event ``seq``, of those that have not moved since."""
    if not counts:
        return {}
    logs = storage.get_logs(instance_id, list(counts), last=LOGGED_LINES)
    moved = _moved_logs(storage, instance_id, seq)
    if moved is None:
        return {}
    return {
        path: Lines.of(number - len(logs[path]), logs[path]) for path, number in counts.items() if path not in moved
    }


def _logged_paths(tasks: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Paths of the tasks with logs, in the order of the tree; where there are many, those that ran last."""
    paths = [path for path, view in tasks.items() if view.get("logCount")]
    if len(paths) <= LOGGED_TASKS:
        return paths
    latest = set(sorted(paths, key=lambda path: tasks[path].get("executionTime") or 0)[-LOGGED_TASKS:])
    return [path for path in paths if path in latest]


def _moved_logs(storage: Storage, instance_id: str, since: int) -> Collection[str] | None:
    """Paths whose logs changed after event ``since``; None when that is not known any more."""
    events = storage.events(instance_id, since)
    if events is None or any(event.data.get("reset") for event in events):
        return None
    return {path for event in events for path in event.data.get("logs", {})}
