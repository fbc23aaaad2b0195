"""Undoing what a run has done, one task at a time and the latest first; pure as ``transitions``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs_flow.storages import transitions
from jobs_flow.storages.memory_records import Data, State, decode, encode, matches
from jobs_flow.storages.records import NOTICE_DELAY, Grip, Undone
from jobs_flow.storages.transitions_attempts import keep
from jobs_flow.workflows.states import InstanceStatus, TaskStatus

#: The timer that comes due when nobody undoes.
TIMER = ("undo", "#", "")


def begin(state: State, paths: Sequence[str], now: int) -> tuple[bool, Data | None]:
    """Begin to undo; whether there is anything, and the event."""
    done = [path for path in paths if path in state.records and state.records[path].status is TaskStatus.OK]
    if not done:
        changed = state.undo != "done"
        state.undo = "done"
        return False, {"run": state.run, "instance": {"undo": "done"}} if changed else None
    place = {path: number for number, path in enumerate(done)}
    state.undo_queue = sorted(place, key=lambda path: (state.records[path].finished_at or 0, place[path]), reverse=True)
    for path in done:
        state.records[path].undo, state.records[path].undo_error = "queued", None
    state.run += 1
    state.status, state.undo = InstanceStatus.WORKING, "running"
    state.finished_at = None
    state.undo_path, state.undo_token, state.undo_answer = None, None, None
    state.stop_end_timers()
    state.timers[TIMER] = now + NOTICE_DELAY
    return True, {"run": state.run, "reset": True}


def going_on(state: State, run: int) -> bool:
    """Whether that run undoes, and has not ended."""
    return run == state.run and state.undo == "running" and state.status is InstanceStatus.WORKING


def claim(state: State, *, token: str, lease: int, now: int) -> tuple[str, Data | None]:
    """Give the next task to the holder of ``token``: the state of the answer, and the event if there is one."""
    if state.undo_path is not None:
        if token == state.undo_token:
            return "granted", None
        if state.undo_until > now:
            return "running", None
    data: Data | None = None
    if state.undo_path is None:
        state.undo_path, state.undo_losses = state.undo_queue.pop(0), 0
        state.records[state.undo_path].undo = "running"
        data = {"run": state.run, "tasks": {state.undo_path: {"undo": "running"}}}
    else:
        state.undo_losses += 1
    state.undo_token = token
    extend(state, lease, now)
    return "granted", data


def extend(state: State, lease: int, now: int) -> None:
    """Have whoever undoes hold it for so long."""
    state.timers[TIMER] = state.undo_until = now + lease


def renew(state: State, run: int, holder: str, lease: int, now: int) -> Grip:
    """Extend the lease of whoever undoes, if its token begins with ``holder``."""
    if not going_on(state, run) or not matches(f"{holder}*", state.undo_token):
        return Grip.LOST
    extend(state, lease, now)
    return Grip.HELD


def end(state: State, path: str, *, error: Mapping[str, Any] | None, now: int) -> tuple[Undone, Data]:
    """Record that the task that is being undone was, or could not be."""
    record = state.records[path]
    text = None if error is None else encode(error)
    reason = None if error is None else encode({**error, "path": path})
    token, state.undo_path, state.undo_token = state.undo_token, None, None
    tasks: dict[str, Data] = {path: {"undo": "ok" if text is None else "failed"}}
    record.undo, record.undo_error = tasks[path]["undo"], text
    if text is None:
        keep(record)
        record.status = TaskStatus.CANCELLED
        tasks[path]["status"] = record.status.value
    data: Data = {"run": state.run, "tasks": tasks}
    if text is None and state.undo_queue:
        state.timers[TIMER] = now + NOTICE_DELAY
        done = Undone(True, more=True)
    else:
        for other in state.undo_queue:
            state.records[other].undo = None
            tasks[other] = {"undo": None}
        state.undo_queue = []
        state.timers.pop(TIMER, None)
        state.undo = "done" if text is None else "failed"
        state.error = state.error if text is None else reason
        status = InstanceStatus.CANCELLED if text is None else InstanceStatus.FAILED
        transitions.end(state, status, now)
        data["instance"] = {"status": status.value, "finishedAt": now, "error": decode(state.error), "undo": state.undo}
        done = Undone(True, finished=status.value)
    assert token is not None, "only who was granted it ends it"
    state.undo_answer = token, path, done
    return done, data
