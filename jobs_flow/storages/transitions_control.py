"""What is asked of an instance from outside of its run: stop, wait, change; pure as ``transitions``."""

from __future__ import annotations

from jobs_flow.storages.bodies import Reference
from jobs_flow.storages.memory_records import Data, Record, State, decode, encode
from jobs_flow.storages.records import JsonText, NewInstance
from jobs_flow.workflows.states import TaskStatus


def cancel(state: State, path: str, *, undo: bool) -> Data | None:
    """Ask the present run to stop at a path and below; None when that was asked before."""
    change: Data = {}
    if path not in state.cancelled:
        state.cancelled = (*state.cancelled, path)
        change["cancelled"] = list(state.cancelled)
    if undo and state.undo is None:
        state.undo = change["undo"] = "wanted"
    return {"run": state.run, "instance": change} if change else None


def pause(state: State, paused: bool) -> Data | None:
    """Start no task, or start tasks again; None when it is so already."""
    if state.paused is paused:
        return None
    state.paused = paused
    return {"run": state.run, "instance": {"paused": paused}}


def set_updaters(state: State, path: str, updaters: JsonText) -> Data | None:
    """Replace the recorded updaters of an ok task."""
    record = state.records.get(path)
    if record is None or record.status is not TaskStatus.OK:
        return None
    value = decode(updaters)
    record.updaters = updaters if value else None
    # Of a large value an event says nothing: whoever wants it reads the task.
    shown = None if isinstance(value, Reference) else value
    return {"run": state.run, "tasks": {path: {"updaters": shown}}}


def update(state: State, new: NewInstance) -> Data:
    """Give an instance another definition; records of paths that stay are kept."""
    data, base_context, tree = encode(new.data), encode(dict(new.base_context)), encode(list(new.tree))
    missing = state.records.keys() - set(new.paths)
    for path in missing:
        state.stop_timers(path)
    state.records = {path: state.records.get(path) or Record() for path in new.paths}
    state.workflow, state.name, state.fingerprint = new.workflow, new.name, new.fingerprint
    state.data, state.base_context, state.tree = data, base_context, tree
    state.revision += 1
    return {"run": state.run, "reset": True, "tree": True}
