"""What happens to a record that gets another attempt: kept, put back, queued again; pure as ``transitions``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs_flow.storages.memory_records import Answer, Data, Place, Record, State, decode, encode, matches
from jobs_flow.storages.records import Completed, JsonText, Loss, Outcome
from jobs_flow.workflows.states import ENDED, InstanceStatus, TaskStatus


def put_back(state: State, paths: Iterable[str], run: int | None = None) -> None:
    """Make records as they were before any run, their attempts kept; they belong to ``run``, None: as before."""
    for path in paths:
        old = state.records.get(path)
        if old is not None:
            if old.attempt or old.status in ENDED:
                old.set_aside()
            state.records[path] = Record(run=old.run if run is None else run, attempts=old.attempts)
            state.stop_timers(path)


def keep(record: Record, **changes: Any) -> None:
    """Keep what a record says, but for ``changes``, as an earlier attempt at the task."""
    record.keep(**changes)


def enter(state: State, path: str, now: int) -> None:
    """Put a queued task at the end of its lane."""
    waiting = state.records[path].waiting
    state.places[path] = Place(waiting.lane, now, now, now)
    if waiting.timeout is not None:
        state.timers["waiting", path, ""] = now + waiting.timeout


def _queue_again(state: State, path: str, now: int, *, delay: int, status: str, ended: Data) -> Data:
    """Keep the attempt that a record is at and queue it once more; gives the change of its view."""
    record = state.records[path]
    started = record.execution_time
    keep(record, status=status, finishedAt=now, duration=None if started is None else now - started, **ended)
    state.stop_timers(path)
    record.status, record.queued_at, record.execution_time = TaskStatus.QUEUED, now, None
    record.progress, record.progress_text = None, None
    record.worker, record.token = None, None
    if delay > 0:
        record.retry_at = now + delay
        state.timers["retry", path, ""] = now + delay
    else:
        enter(state, path, now)
    return {
        "status": record.status.value,
        "queuedAt": now,
        "executionTime": None,
        "progress": None,
        "progressText": None,
        "retryAt": record.retry_at,
    }


def retry(state: State, path: str, run: int, *, token: str, outcome: Outcome, delay: int, now: int) -> Data | None:
    """Give up an attempt, to try again after a delay."""
    record = state.held(path, run, token)
    if record is None or state.stopping(path):
        return None
    error: JsonText | None = None if outcome.error is None else encode(outcome.error)
    ended = {"error": decode(error)}
    data: Data = {"run": run, "tasks": {}}
    if outcome.logs:
        data["logs"] = {path: record.write_logs(outcome.logs)}
    held = record.token
    change = _queue_again(state, path, now, delay=delay, status=TaskStatus.FAILED.value, ended=ended)
    record.retries += 1
    # The number of the event, the next one, is not an effect of its content.
    assert held is not None
    record.gave_up = held, Answer(state.seq + 1, queued=(path,) if record.retry_at is None else ())
    data["tasks"][path] = change | {"retries": record.retries}
    if outcome.logs:
        data["tasks"][path]["logCount"] = record.log_count
    return data


def gave_up(state: State, path: str, run: int, *, token: str) -> Completed | None:
    """What the holder of ``token`` was told when it gave up its attempt; None when it has not."""
    record = state.present(path, run)
    if record is None or record.gave_up is None or not matches(token, record.gave_up[0]):
        return None
    return told_again(state, record.gave_up[1])


def told_again(state: State, answer: Answer) -> Completed:
    """An answer once more, with what it queued and nobody has claimed since."""
    queued = [path for path in answer.queued if state.stands(path)]
    return Completed(True, queued=tuple(queued), finished=answer.finished, seq=answer.seq)


def release(state: State, path: str, run: int, now: int) -> Data | None:
    """End the delay of a retry."""
    record = state.queued(path, run)
    if record is None or record.retry_at is None:
        return None
    record.retry_at = None
    state.stop_timers(path)
    enter(state, path, now)
    return {"run": run, "tasks": {path: {"retryAt": None}}}


def lose(
    state: State, path: str, run: int, *, token: str, max_losses: int, error: Mapping[str, Any], now: int
) -> tuple[Loss, Data | None]:
    """Take a task from a worker that is gone."""
    record = state.held(path, run, token)
    if record is None:
        return Loss.REFUSED, None
    ended = {"error": decode(encode(error))}
    record.losses += 1
    change: Data = {"losses": record.losses}
    if record.losses > max_losses:
        loss = Loss.POISONED
    elif state.stopping(path):
        loss = Loss.CANCELLED
    else:
        loss = Loss.REQUEUED
        change = _queue_again(state, path, now, delay=0, status="lost", ended=ended) | change
    return loss, {"run": run, "tasks": {path: change}}


def reset(state: State, paths: Iterable[str]) -> Data:
    """Put records back while no run is going on."""
    put_back(state, paths)
    state.status, state.error = InstanceStatus.INACTIVE, None
    state.stop_end_timers()
    return {"run": state.run, "reset": True}
