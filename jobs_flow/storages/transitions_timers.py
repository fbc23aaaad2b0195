"""What becomes of timers that come due and of queued tasks that nobody claims; pure as ``transitions``."""

from __future__ import annotations

from jobs_flow.storages.memory_records import RECORD_TIMERS, State, TimerKey
from jobs_flow.storages.records import NOTICE_DELAY, Due, Queued
from jobs_flow.workflows.states import FINISHED, InstanceStatus, TaskStatus

#: Kinds of timers that whoever saw to them removes.
NOTICES = frozenset({"failed", "ended", "ephemeral", "expired"})

#: The status that a record has while a timer of it applies.
_STATUS = {
    "lease": TaskStatus.RUNNING,
    "timeout": TaskStatus.RUNNING,
    "waiting": TaskStatus.QUEUED,
    "retry": TaskStatus.QUEUED,
    "failed": TaskStatus.FAILED,
}


def come_due(state: State, key: TimerKey, now: int) -> Due | None:
    """What a timer whose time has come says; None where it no longer applies, and is removed, or is put off."""
    if not _applies(state, key):
        del state.timers[key]
        return None
    if key[0] == "waiting" and state.paused:
        state.timers[key] = now + NOTICE_DELAY
        return None
    return _due_of(state, key)


def publish_again(state: State, path: str, now: int, *, grace: int, longest: int) -> Queued | None:
    """A queued task whose message seems lost, as published now; None while the instance is paused: it is put off."""
    place = state.places[path]
    if state.paused:
        place.look_at = now + grace
        return None
    place.published, place.look_at = now, now + min(grace * 2 ** min(place.given, 30), longest)
    place.given += 1
    return Queued(state.id, path, state.run)


def _applies(state: State, key: TimerKey) -> bool:
    """Whether what a timer is about is still so."""
    kind, path, _ = key
    if kind in RECORD_TIMERS:
        record = state.records.get(path)
        if record is None or record.status is not _STATUS[kind]:
            return False
        return kind == "failed" or state.present(path, record.run) is not None
    if kind == "undo":
        return state.undo == "running" and state.status is InstanceStatus.WORKING
    return kind == "ended" or state.status in FINISHED


def _due_of(state: State, key: TimerKey) -> Due:
    kind, path, detail = key
    if kind in RECORD_TIMERS:
        record = state.records[path]
        return Due(kind, state.id, path, record.run, record.token, detail)
    return Due(kind, state.id, path, state.run, state.undo_token if kind == "undo" else None, detail)
