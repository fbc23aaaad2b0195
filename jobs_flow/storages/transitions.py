"""What each operation of a storage does to the records of one instance: arithmetic, nothing else.

No I/O, no clock, no lock: a function takes the state, the time and what happened, changes the state and
gives what the event of it says (``records.Event``), or None when the state does not admit it. All that
can be wrong with the input is found before the first change, so a refusal or an error changes nothing.
``MemoryStorage`` adds locks and streams to it; the scripts of the Redis storage do the same in the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs_flow.storages.bodies import size_of
from jobs_flow.storages.memory_records import UNSUCCESSFUL, Data, Record, State, decode, encode, matches
from jobs_flow.storages.records import (
    EPHEMERAL_KEPT,
    NOTICE_DELAY,
    VIEW_BODY_LIMIT,
    Completed,
    Flow,
    Input,
    Outcome,
    RunSelection,
    Waiting,
)
from jobs_flow.storages.transitions_attempts import enter, put_back, told_again
from jobs_flow.workflows.states import ENDED, FINISHED, InstanceStatus, TaskStatus


def start(state: State, selection: RunSelection, now: int) -> Data:
    """Begin a run."""
    number = state.run + 1
    if unknown := [path for path in selection.heads if path not in state.records]:
        raise KeyError(*unknown)
    put_back(state, selection.paths, number)
    state.run, state.status = number, InstanceStatus.WORKING
    state.started_at, state.finished_at, state.error = now, None, None
    state.paused, state.cancelled, state.undo = False, (), None
    state.outstanding, state.failures = dict(selection.joins), {}
    state.staged, state.lane = bool(selection.stages), selection.lane
    state.stages = [tuple(stage) for stage in selection.stages]
    state.waiting = dict(selection.waiting)
    state.keep = selection.keep
    state.stop_end_timers()
    for path in selection.heads:
        head = state.records[path]
        head.waiting = selection.waiting.get(path, Waiting(selection.lane))
        head.argument = selection.argument
        queue(state, path, now)
    if not selection.heads:
        end(state, InstanceStatus.DONE, now)
    return {"run": number, "reset": True}


def queue(state: State, path: str, now: int) -> None:
    """Have a task wait for a worker in its lane."""
    record = state.records[path]
    record.status, record.queued_at = TaskStatus.QUEUED, now
    enter(state, path, now)


def end(state: State, status: InstanceStatus, now: int) -> None:
    """End the present run, and have somebody told of it."""
    state.status, state.finished_at = status, now
    state.timers["ended", "#", f"{state.run} {status.value}"] = now + NOTICE_DELAY
    if status not in FINISHED:
        return
    if state.ephemeral:
        state.timers["ephemeral", "#", ""] = now + EPHEMERAL_KEPT
    elif state.keep is not None:
        state.timers["expired", "#", ""] = now + state.keep


def revert(state: State, run: int, error: Mapping[str, Any]) -> Data | None:
    """Undo the start of a run of which nothing was claimed."""
    if run != state.run or state.status is not InstanceStatus.WORKING or state.undo == "running":
        return None
    selected = {path: record for path, record in state.records.items() if record.run == run}
    waiting = (TaskStatus.INACTIVE, TaskStatus.QUEUED)
    if any(record.status not in waiting or record.attempt for record in selected.values()):
        return None
    state.error = encode(error)
    for path, record in selected.items():
        record.status, record.queued_at = TaskStatus.INACTIVE, None
        state.stop_timers(path)
    state.status = InstanceStatus.INACTIVE
    return {"run": run, "reset": True}


def refusal(state: State, path: str, run: int, *, token: str, revision: int | None) -> str | None:
    """Why the path cannot be claimed under ``token``, one of ``records.REFUSALS``; None when it can be."""
    record = state.records.get(path)
    if record is None:
        return "gone"
    if run != state.run or run != record.run:
        return "stale"
    if revision != state.revision:
        return "header"
    if state.status is not InstanceStatus.WORKING:
        return "halted"
    if record.status in ENDED:
        return "ended"
    if record.status is TaskStatus.RUNNING:
        # Granted to this very token before: whoever asks again has not heard the answer.
        return None if record.token == token else "running"
    if record.status is TaskStatus.INACTIVE or record.retry_at is not None:
        return "early"
    if state.stopping(path):
        return "cancelled"
    return "paused" if state.paused else None


def grant(
    state: State, path: str, *, token: str, worker: str, lease: int, timeout: int | None, now: int
) -> Data | None:
    """Give a queued task to the holder of ``token``; None when it has it already."""
    record = state.records[path]
    if record.status is TaskStatus.RUNNING:
        return None
    state.stop_timers(path)
    state.timers["lease", path, ""] = now + lease
    if timeout is not None:
        state.timers["timeout", path, ""] = now + timeout
    record.status, record.execution_time = TaskStatus.RUNNING, now
    record.attempt += 1
    record.token, record.worker = token, worker
    running = {"status": record.status.value, "executionTime": now, "attempt": record.attempt}
    return {"run": state.run, "tasks": {path: running}}


def inputs(state: State, paths: Iterable[str]) -> dict[str, Input]:
    """What the paths hand on; a path without a record is left out."""
    return {path: _input(state, record) for path in paths if (record := state.records.get(path))}


def _input(state: State, record: Record) -> Input:
    source = None if record.source is None else state.records.get(record.source)
    if source is None:
        return Input(record.status.value, record.source, None, None)
    value = source.body if source.status is TaskStatus.OK else source.argument
    return Input(record.status.value, record.source, source.execution_time, None if value == "null" else value)


def progress(state: State, path: str, value: float | None, text: str | None) -> Data:
    """Note the progress of a running task; None leaves that part as it is."""
    record, change = state.records[path], Data()
    if value is not None:
        record.progress = change["progress"] = value
    if text is not None:
        record.progress_text = change["progressText"] = text
    return {"run": state.run, "tasks": {path: change}}


def log(state: State, path: str, lines: Iterable[str]) -> Data:
    """Append to the log of a running task."""
    record = state.records[path]
    entry = record.write_logs(lines)
    return {"run": state.run, "tasks": {path: {"logCount": record.log_count}}, "logs": {path: entry}}


def answered(state: State, path: str, run: int, *, token: str | None) -> Completed | None:
    """The answer again that the holder of ``token`` had for its outcome; None when it has recorded none."""
    record = state.records.get(path)
    if record is None or record.answer is None or token is None or (run, run) != (state.run, record.run):
        return None
    return told_again(state, record.answer) if matches(token, record.token) else None


@dataclass(slots=True)
class Completion:
    """What an outcome led to."""

    data: Data
    queued: list[str] = field(default_factory=list)
    finished: str | None = None


def complete(
    state: State, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow, now: int
) -> Completion | None:
    """Record an outcome, count it down and queue what follows; the numbers are those of ``Storage.complete``."""
    record = state.queued(path, run) if token is None else state.held(path, run, token)
    if record is None:
        return None
    failed = outcome.status in UNSUCCESSFUL and not outcome.tolerated
    absorbed = any(tolerant for _, tolerant in flow.joins)
    first = failed and not absorbed and state.error is None
    error = encode({**(outcome.error or {}), "path": path}) if first else state.error

    tasks = {path: _end(record, outcome, now)}  # 1
    state.error = error
    state.stop_timers(path)
    if record.status is TaskStatus.FAILED:
        state.timers["failed", path, ""] = now + NOTICE_DELAY
    result = Completion({"run": run, "tasks": tasks})
    if outcome.logs:
        result.data["logs"] = {path: record.write_logs(outcome.logs)}
        tasks[path]["logCount"] = record.log_count

    if record.status is TaskStatus.OK:  # 2
        result.queued = state.selected(flow.children)
    elif not failed or absorbed:  # 3
        for skipped in state.selected(flow.subtree):
            state.records[skipped].status, state.records[skipped].source = TaskStatus.SKIPPED, outcome.source
            tasks[skipped] = {"status": TaskStatus.SKIPPED.value}
    waiting, lane = flow.waiting, flow.lane
    if not result.queued:  # 4, 5
        failures = _join(state, flow.joins, [path] if failed else [])
        if failures is not None:
            if state.staged:
                waiting, lane = state.waiting, state.lane
            result.queued = [] if failures else _next(state, flow)
            if not result.queued:
                _finish(state, result, now)
    for queued in result.queued:
        state.records[queued].waiting = waiting.get(queued, Waiting(lane))
        queue(state, queued, now)
        tasks[queued] = {"status": TaskStatus.QUEUED.value, "queuedAt": now}
    return result


def _next(state: State, flow: Flow) -> list[str]:
    """What is queued when all before it has ended: the heads of the next stage, or the next root task."""
    if not state.staged:
        return [] if flow.following is None else state.selected([flow.following])
    while state.stages:
        # One of which everything was skipped meanwhile has ended before it began.
        if heads := state.selected(state.stages.pop(0)):
            return heads
    return []


def _end(record: Record, outcome: Outcome, now: int) -> Data:
    """Write an outcome into its record; gives the change of its view."""
    status = TaskStatus(outcome.status)
    duration = None if record.execution_time is None else now - record.execution_time
    error = encode(outcome.error) if status in UNSUCCESSFUL and outcome.error is not None else None
    kept = outcome.updaters if decode(outcome.updaters) else None
    change: Data = {"status": status.value, "finishedAt": now, "duration": duration}
    if status is TaskStatus.OK:
        change["progress"] = 1.0
    if record.retry_at is not None:
        change["retryAt"] = None
    if error is not None:
        change["error"] = decode(error)
    if outcome.body is not None:
        change["bodySize"] = size = size_of(outcome.body)
        if size <= VIEW_BODY_LIMIT:
            change["body"] = decode(outcome.body)

    record.status, record.finished_at, record.duration = status, now, duration
    record.body, record.error = outcome.body, error
    # A signal does not know the argument; the one that a head was started with stays then.
    record.argument = record.argument if outcome.argument is None else outcome.argument
    record.context, record.updaters, record.retry_at = outcome.context, kept, None
    record.source, record.traceback, record.tolerated = outcome.source, outcome.traceback, outcome.tolerated
    if status is TaskStatus.OK:
        record.progress = 1.0
    return change


def _join(state: State, joins: Sequence[tuple[str, bool]], failures: list[str]) -> list[str] | None:
    """Count an ended subtree down in its blocks: the failures that go beyond them, None when one still waits."""
    for block, tolerated in joins:
        if block not in state.outstanding:
            continue
        state.outstanding[block] -= 1
        failures = state.failures[block] = state.failures.get(block, []) + failures
        if state.outstanding[block] != 0:
            return None
        if tolerated:
            for path in failures:
                state.records[path].tolerated = True
            failures = []
    return failures


def _finish(state: State, result: Completion, now: int) -> None:
    """End the run."""
    counts = state.counts()
    if counts[TaskStatus.CANCELLED] and not counts[TaskStatus.FAILED]:
        status = InstanceStatus.CANCELLED
    elif state.has_untolerated():
        status = InstanceStatus.FAILED
    else:
        status = InstanceStatus.INACTIVE if counts[TaskStatus.INACTIVE] else InstanceStatus.DONE
    end(state, status, now)
    result.finished = status.value
    result.data["instance"] = {"status": result.finished, "finishedAt": now, "error": decode(state.error)}
