"""A transition as a unit: the state of an instance is read, changed here, and written back if nobody else was first.

Each write of an instance goes through its header: a condition on the header's version lets one of those through that
read the same state, the others read again. So transitions of an instance happen one after the other, each whole, and
those of different instances do not touch.

A transaction of the service takes 100 items. A larger change (a block of 1 000 that is queued) is written down first,
then committed with the header, which says where it is written down, and then done. Whoever reads a header that says so
waits, or when nobody seems to be doing it does it himself: every write of it is conditional on the version, so it may
be done twice, by two, and late.
"""

from __future__ import annotations

import logging
import random
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from jobs_flow.errors import JobsFlowError, StorageUnavailable, kind_of
from jobs_flow.storages.dynamodb import codec
from jobs_flow.storages.dynamodb.attributes import Attributes, ItemKey, Pointer, Write
from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.dynamodb.items import Conflict, Items
from jobs_flow.storages.dynamodb.loader import Loader
from jobs_flow.storages.dynamodb.names import Names
from jobs_flow.storages.dynamodb.overflow import Replaced
from jobs_flow.storages.dynamodb.redo import Redo
from jobs_flow.storages.dynamodb.states import StoredRecords, StoredState
from jobs_flow.storages.dynamodb.stored import read_put_backs
from jobs_flow.storages.dynamodb.writes import Change
from jobs_flow.storages.memory_records import Data, Place, State
from jobs_flow.storages.records import EVENTS_KEPT
from jobs_flow.storages.state_undo import UndoingStorage

T = TypeVar("T")
logger = logging.getLogger("jobs_flow.storage")

#: Seconds for which a transition is tried again because others of the same instance were first.
PATIENCE = 20.0
#: Seconds before it is tried again, at first and at most; the real ones are random below that.
FIRST_PAUSE = 0.005
LAST_PAUSE = 0.4
#: Events between two looks at which of them are too old to be kept.
TRIM_EACH = 100


class Units(UndoingStorage):
    """Reads states, and writes what became of them."""

    label: str
    connection: Connection
    names: Names
    items: Items
    redo: Redo
    _announce: Callable[[str, int, str], None]

    # -- as StateStorage asks for it ---------------------------------------------------------

    def _within(
        self,
        instance_id: str,
        work: Callable[[State | None], T],
        paths: Sequence[str] = (),
        *,
        likely: Sequence[str] = (),
        put_back: Sequence[str] = (),
    ) -> T:
        change = Change(put_back)
        until, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        tried: tuple[T, StoredState] | None = None
        while True:
            state = self._load(instance_id, paths, likely)
            if tried is not None and state is not None and state.attributes.get("by") == change.name:
                # It was written, though nobody could say so at the time.
                self._afterwards(tried[1], change)
                return tried[0]
            try:
                result = work(state)
                if state is None or self._commit(state, change):
                    return result
                tried = result, state
            except Replaced:
                pass
            except JobsFlowError:
                raise
            except Exception:
                # Two items that do not belong together may be read while somebody writes.
                if state is None or change.is_written or self._is_current(state):
                    raise
            if time.monotonic() > until:
                reason = "others kept changing the instance for too long"
                raise StorageUnavailable(storage=self.label, reason=reason)
            # Spreads those who were refused together; nobody gains by guessing it.
            time.sleep(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, LAST_PAUSE)

    def _now(self, state: State) -> int:
        return max(self.connection.clock(), state.updated_at)

    def _publish(self, state: State, data: Data, now: int) -> int:
        state.seq += 1
        state.updated_at = now
        cast(StoredState, state).emitted.append((state.seq, codec.encode(data)))
        return state.seq

    def _taken(self, state: State, place: Place | None) -> None:
        if place is not None:
            mark = min(place.first, self.connection.clock())
            cast(StoredState, state).after.append(lambda: self._mark(place.lane, mark))

    @abstractmethod
    def _mark(self, lane: str, mark: int) -> None:
        """Note when the latest task that was claimed from a lane was published."""

    @abstractmethod
    def _know_lane(self, lane: str) -> None:
        """See to it that a lane is listed."""

    # -- reading -----------------------------------------------------------------------------

    def _load(self, instance_id: str, paths: Sequence[str] = (), likely: Sequence[str] = ()) -> StoredState | None:
        """The state of an instance with some of its records; None when there is none."""
        at = self.names.header(instance_id)
        keys = {self.names.task(instance_id, path): path for path in paths[:99]}
        for _ in self._patiently():
            loader = Loader(self.items, self.names, instance_id)
            found = self.items.get_together([at, *keys]) if keys else self.items.get_many([at])
            attributes = found.get(at)
            if attributes is None or "deletedAt" in attributes:
                return None
            if "pending" in attributes:
                self.redo.see_to(instance_id, str(attributes["pending"]))
                continue
            try:
                loader.overflow.fill(list(found.values()))
            except Replaced:
                continue
            state = self._state(instance_id, attributes, loader, likely)
            if keys:
                read = {keys[key]: item for key, item in found.items() if key != at}
                state.stored.take(read, keys.values())
            return state
        raise AssertionError("patience ends with an error")

    def _patiently(self) -> Iterator[None]:
        """Again and again; ``StorageUnavailable`` at last: what is read keeps being replaced."""
        return self.items.patiently("others kept changing the instance for too long, or a part of it is missing")

    def _state(
        self, instance_id: str, attributes: Attributes, loader: Loader, likely: Sequence[str] = ()
    ) -> StoredState:
        state = StoredState(
            id=instance_id, data="", base_context="", tree="", records={}, **codec.read(codec.HEADER, attributes)
        )
        state.loader = loader
        state.attributes, state.version = attributes, cast(int, attributes["ver"])
        state.put_backs = read_put_backs(str(attributes.get("putBacks", "[]")))
        state.tree_name = str(attributes["treeName"])
        state.reads, state.untouched = 0, state.run == 0
        state.emitted, state.others, state.after = [], [], []
        for name, due in codec.read_timers(attributes).items():
            state.timers[codec.timer_key(name, "#")] = due
        state.records = state._stored = cast(Any, StoredRecords(state, likely))
        return state

    def _is_current(self, state: StoredState) -> bool:
        at = self.names.header(state.id)
        found = self.items.get_many([at], ["ver", "pending"]).get(at, {})
        return found.get("ver") == state.version and "pending" not in found

    # -- writing -----------------------------------------------------------------------------

    def _commit(self, state: StoredState, change: Change) -> bool:
        """Write what became of a state; False, and nothing is written, when somebody else was first."""
        header, writes = change.of(state)
        if header is None and not writes:
            # What was answered is so only if all of it was read at one moment.
            return state.reads == 0 or self._is_current(state)
        for lane in {place.lane for place in state.places.values()}:
            self._know_lane(lane)
        assert header is not None, "each change of a record changes the header's version"
        events = [self._event(state, seq, text) for seq, text in state.emitted]
        events += state.others
        try:
            if change.fits([header, *writes, *events]):
                state.overflow.flush()
                self.items.transact([header, *writes, *events])
            else:
                self.redo.commit(state, header, writes, events)
        except Conflict as conflict:
            if conflict.failed:
                state.overflow.discard()
            return False
        change.is_written = True
        self._afterwards(state, change)
        return True

    def _event(self, state: StoredState, seq: int, text: str) -> Write:
        at = self.names.event(state.id, seq)
        return Write(at, state.overflow.spill(at, {"e": text}), whole=True)

    def _afterwards(self, state: StoredState, change: Change) -> None:
        for seq, text in state.emitted:
            self._announce(state.id, seq, text)
        try:
            for action in [*state.after, *change.after]:
                action()
            if state.emitted and state.seq > EVENTS_KEPT and state.seq % TRIM_EACH == 0:
                self._trim_events(state)
        except (JobsFlowError, Conflict, Replaced) as error:
            logger.warning("%s: something to tidy is left until it is destroyed: %s", state.id, kind_of(error))

    def _trim_events(self, state: StoredState) -> None:
        oldest, newest = self.names.event(state.id, 0), self.names.event(state.id, state.seq - EVENTS_KEPT)
        old = list(self.items.query(oldest.key, first=oldest.sort, last=newest.sort, only=["e"]))
        state.overflow.drop(value for _, each in old for value in each.values() if isinstance(value, Pointer))
        self.items.delete_many(ItemKey(oldest.key, sort) for sort, _ in old)
