"""Records in this process: the storage of the sync backend and of tests of user code.

Also the model that the other storages are compared with (``tests/conformance``). Nothing survives the
process, nothing is shared with another; within it, any number of threads and event loops may use it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from jobs_flow.errors import CannotStart, InstanceExists, InstanceNotFound
from jobs_flow.storages import transitions
from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory_records import Data, Record, State, decode, encode
from jobs_flow.storages.records import (
    Claim,
    Completed,
    Event,
    Flow,
    Input,
    Instance,
    JsonText,
    NewInstance,
    Outcome,
    RunSelection,
    Snapshot,
    Started,
)
from jobs_flow.workflows.states import InstanceStatus


def wall_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class MemoryStorage(Storage):
    """Where records live for as long as the process does.

    ``clock`` gives epoch milliseconds; a test may give one of its own. A clock that is set back does not
    take an instance back in time: its times stand still until the clock has caught up.
    """

    label = "memory://"

    def __init__(self, *, clock: Callable[[], int] = wall_clock) -> None:
        self._clock = clock
        self._states: dict[str, State] = {}
        self._subscribers: dict[str, set[MemorySubscription]] = {}
        # One lock for all: an operation takes microseconds. Its waiters are those of wait_events().
        self._changed = threading.Condition()

    # -- instances ---------------------------------------------------------------------------

    def create_instance(self, new: NewInstance) -> Instance:
        now = self._clock()
        state = State(
            id=new.id,
            workflow=new.workflow,
            data=encode(new.data),
            base_context=encode(dict(new.base_context)),
            fingerprint=new.fingerprint,
            tree=encode(list(new.tree)),
            realm=new.realm,
            name=new.name,
            ephemeral=new.ephemeral,
            created_at=now,
            updated_at=now,
            records={path: Record() for path in new.paths},
        )
        with self._changed:
            if new.id in self._states:
                raise InstanceExists(instance_id=new.id)
            self._states[new.id] = state
            self._publish(state, {"run": 0, "reset": True}, now)
            return state.header()

    def get_instance(self, instance_id: str) -> Instance | None:
        return self.get_instances([instance_id])[0]

    def get_instances(self, instance_ids: Sequence[str]) -> list[Instance | None]:
        with self._changed:
            states = [self._states.get(instance_id) for instance_id in instance_ids]
            return [None if state is None else state.header() for state in states]

    def list_ids(self, *, realm: str | None = None, after: str | None = None, limit: int = 100) -> list[str]:
        with self._changed:
            newest_first = iter(list(reversed(self._states.values())))
        if after is not None:
            # Consumes the iterator up to and with that instance.
            any(state.id == after for state in newest_first)
        matching = (state.id for state in newest_first if realm is None or state.realm == realm)
        return list(islice(matching, limit))

    def get_tree(self, instance_id: str) -> list[dict[str, Any]] | None:
        with self._changed:
            state = self._states.get(instance_id)
            tree: list[dict[str, Any]] | None = None if state is None else decode(state.tree)
            return tree

    # -- runs and tasks ----------------------------------------------------------------------

    def start_run(self, instance_id: str, selection: RunSelection, *, expect_run: int | None = None) -> Started:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                raise InstanceNotFound(instance_id=instance_id)
            if state.status is InstanceStatus.WORKING:
                raise CannotStart(instance_id=instance_id, path="#", reason="a run is going on")
            if expect_run is not None and expect_run != state.run + 1:
                reason = f"run {expect_run} was asked for, the next one is {state.run + 1}"
                raise CannotStart(instance_id=instance_id, path="#", reason=reason)
            now = self._now(state)
            seq = self._publish(state, transitions.start(state, selection, now), now)
            return Started(state.run, seq)

    def revert_run(self, instance_id: str, run: int, error: Mapping[str, Any]) -> bool:
        with self._changed:
            state = self._states.get(instance_id)
            data = None if state is None else transitions.revert(state, run, error)
            if state is None or data is None:
                return False
            self._publish(state, data, self._now(state))
            return True

    def claim(
        self,
        instance_id: str,
        path: str,
        run: int,
        *,
        token: str,
        worker: str,
        revision: int | None,
        inputs: Sequence[str],
    ) -> Claim:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return Claim("gone")
            refusal = transitions.refusal(state, path, run, token=token, revision=revision)
            if refusal is not None:
                return Claim(refusal, header=state.header() if refusal == "header" else None)
            now = self._now(state)
            data = transitions.grant(state, path, token=token, worker=worker, now=now)
            if data is not None:
                self._publish(state, data, now)
            record = state.records[path]
            return Claim(
                "granted",
                # Only the start of a run writes an argument before there is an outcome, on the heads.
                argument=record.argument,
                inputs=transitions.inputs(state, inputs),
                attempt=record.attempt,
                execution_time=record.execution_time or now,
            )

    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return Completed(False)
            answered = transitions.answered(state, path, run, token=token, flow=flow)
            if answered is not None:
                return answered
            now = self._now(state)
            done = transitions.complete(state, path, run, token=token, outcome=outcome, flow=flow, now=now)
            if done is None:
                return Completed(False)
            seq = self._publish(state, done.data, now)
            state.records[path].answer = seq, done.finished
            return Completed(True, queued=tuple(done.queued), finished=done.finished, seq=seq)

    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> bool:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None or state.held(path, run, token) is None:
                return False
            if value is not None or text is not None:
                self._publish(state, transitions.progress(state, path, value, text), self._now(state))
            return True

    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> bool:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None or state.held(path, run, token) is None:
                return False
            if lines:
                self._publish(state, transitions.log(state, path, lines), self._now(state))
            return True

    def add_event(self, instance_id: str, data: Mapping[str, Any]) -> int | None:
        with self._changed:
            state = self._states.get(instance_id)
            return None if state is None else self._publish(state, dict(data), self._now(state))

    # -- reading -----------------------------------------------------------------------------

    def snapshot(self, instance_id: str) -> Snapshot | None:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return None
            tasks = {path: record.view() for path, record in state.records.items()}
            return Snapshot(instance=state.header(), tree=decode(state.tree), tasks=tasks)

    def get_task(self, instance_id: str, path: str) -> dict[str, Any] | None:
        with self._changed:
            state = self._states.get(instance_id)
            record = None if state is None else state.records.get(path)
            return None if record is None else record.details()

    def get_inputs(self, instance_id: str, paths: Sequence[str]) -> dict[str, Input]:
        with self._changed:
            state = self._states.get(instance_id)
            return {} if state is None else transitions.inputs(state, paths)

    def get_logs(self, instance_id: str, paths: Sequence[str], *, last: int | None = None) -> dict[str, list[str]]:
        with self._changed:
            state = self._states.get(instance_id)
            records = {} if state is None else state.records
            logs = {path: list(records[path].logs) if path in records else [] for path in paths}
        return logs if last is None else {path: lines[max(len(lines) - last, 0) :] for path, lines in logs.items()}

    def events(self, instance_id: str, since: int) -> list[Event] | None:
        with self._changed:
            return self._events(instance_id, since)

    def wait_events(self, instance_id: str, since: int, timeout: float) -> list[Event] | None:
        with self._changed:
            # An empty list is the only answer to wait on: events, and None, are news.
            self._changed.wait_for(lambda: self._events(instance_id, since) != [], timeout)
            return self._events(instance_id, since)

    def subscribe(self) -> MemorySubscription:
        return MemorySubscription(self)

    # -- the storage itself ------------------------------------------------------------------

    def ping(self) -> None:
        """Always well."""

    def close(self) -> None:
        """There is nothing to free; the records stay."""

    # -- with the lock held ------------------------------------------------------------------

    def _now(self, state: State) -> int:
        return max(self._clock(), state.updated_at)

    def _publish(self, state: State, data: Data, now: int) -> int:
        """Append the event of a transition, and tell whoever waits for it."""
        text = encode(data)
        state.seq += 1
        state.updated_at = now
        state.events.append((state.seq, text))
        self._changed.notify_all()
        for subscriber in tuple(self._subscribers.get(state.id, ())):
            if not subscriber.deliver(state.id, state.seq, text):
                self._unsubscribe(state.id, subscriber)
        return state.seq

    def _events(self, instance_id: str, since: int) -> list[Event] | None:
        state = self._states.get(instance_id)
        if state is None or since >= state.seq:
            return []
        if since + 1 < state.events[0][0]:
            return None
        return [Event.parse(seq, text) for seq, text in state.events if seq > since]

    def _subscribe(self, instance_id: str, subscriber: MemorySubscription) -> None:
        with self._changed:
            self._subscribers.setdefault(instance_id, set()).add(subscriber)

    def _unsubscribe(self, instance_id: str, subscriber: MemorySubscription) -> None:
        with self._changed:
            subscribers = self._subscribers.get(instance_id, set())
            subscribers.discard(subscriber)
            if not subscribers:
                self._subscribers.pop(instance_id, None)


class MemorySubscription:
    """Live events for one event loop, written by any thread; without gaps."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self._ids: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._received: asyncio.Queue[tuple[str, int, JsonText]] = asyncio.Queue()

    async def add(self, instance_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._ids.add(instance_id)
        self._storage._subscribe(instance_id, self)

    async def remove(self, instance_id: str) -> None:
        self._ids.discard(instance_id)
        self._storage._unsubscribe(instance_id, self)

    async def next(self) -> tuple[str, Event | None]:
        while True:
            instance_id, seq, text = await self._received.get()
            # What was on its way when the instance was removed is of no interest any more.
            if instance_id in self._ids:
                return instance_id, Event.parse(seq, text)

    async def aclose(self) -> None:
        for instance_id in tuple(self._ids):
            await self.remove(instance_id)

    def deliver(self, instance_id: str, seq: int, text: JsonText) -> bool:
        """Hand over an event from the thread that wrote it; False once the event loop is closed."""
        assert self._loop is not None, "only add() makes a subscription known to the storage"
        try:
            self._loop.call_soon_threadsafe(self._received.put_nowait, (instance_id, seq, text))
        except RuntimeError:
            return False
        return True
