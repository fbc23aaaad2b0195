"""What recovery reads of ``MemoryStorage``: who was elected, which timers are due, which messages seem lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import nsmallest

from jobs_flow.storages.memory_live import MemoryStates, wall_clock
from jobs_flow.storages.memory_records import Place, State, TimerKey
from jobs_flow.storages.records import Due, Lane, Queued
from jobs_flow.storages.transitions_timers import NOTICES, come_due, publish_again


class MemoryTimers(MemoryStates):
    """Elections, timers and lanes, on the clock of the storage."""

    def __init__(self, *, clock: Callable[[], int] = wall_clock) -> None:
        super().__init__(clock=clock)
        #: Holder of a role, and until when.
        self._roles: dict[str, tuple[str, int]] = {}
        #: When the latest task that was claimed from a lane was published.
        self._marks: dict[str, int] = {}

    def elect(self, role: str, holder: str, ttl: int) -> bool:
        with self._changed:
            now = self._clock()
            elected, until = self._roles.get(role, (holder, now))
            if elected != holder and now < until:
                return False
            self._roles[role] = holder, now + ttl
            return True

    def resign(self, role: str, holder: str) -> None:
        with self._changed:
            if role in self._roles and self._roles[role][0] == holder:
                del self._roles[role]

    # -- timers ------------------------------------------------------------------------------

    def due(self, limit: int = 100) -> list[Due]:
        with self._changed:
            now = self._clock()
            # What was kept for long enough can wait; a lease that has run out cannot.
            come = [(key[0] == "expired", at, owner, key) for at, owner, key in self._timers() if at <= now]
            given: list[Due] = []
            for _, _, instance_id, key in nsmallest(len(come), come):
                if len(given) >= limit:
                    break
                due = come_due(self._states[instance_id], key, now)
                if due is not None:
                    given.append(due)
            return given

    def next_due(self) -> int | None:
        with self._changed:
            earliest = min((at for at, _, _ in self._timers()), default=None)
            return None if earliest is None else max(0, earliest - self._clock())

    def settle(self, due: Due) -> None:
        if due.kind in NOTICES:
            with self._changed:
                state = self._states.get(due.instance_id)
                if state is not None:
                    state.timers.pop((due.kind, due.path, due.detail), None)

    def postpone(self, due: Due, delay: int) -> None:
        with self._changed:
            state, key = self._states.get(due.instance_id), (due.kind, due.path, due.detail)
            if state is not None and key in state.timers:
                state.timers[key] = self._clock() + delay

    def _timers(self) -> Iterator[tuple[int, str, TimerKey]]:
        return ((at, state.id, key) for state in self._states.values() for key, at in state.timers.items())

    # -- lanes -------------------------------------------------------------------------------

    def lanes(self) -> list[Lane]:
        with self._changed:
            published: dict[str, list[int]] = {}
            for _, _, place in self._queued():
                published.setdefault(place.lane, []).append(place.published)
            lanes = sorted(published.items())
            return [Lane(name, len(times), min(times), self._marks.get(name, 0)) for name, times in lanes]

    def overdue(
        self, lane: str, *, grace: int, drained: bool, limit: int = 100, longest: int | None = None
    ) -> list[Queued]:
        most = 2 * grace if longest is None else longest
        with self._changed:
            now, mark = self._clock(), self._marks.get(lane, 0)

            def lost(place: Place) -> bool:
                late = (now if drained else min(mark, now)) - place.published > grace
                return place.lane == lane and late and place.look_at <= now

            found = ((p.published, n, s, path) for n, (s, path, p) in enumerate(self._queued()) if lost(p))
            given: list[Queued] = []
            # Ordered by their numbers where the times are equal: states do not compare.
            for _, _, state, path in sorted(found, key=lambda each: each[:2]):
                if len(given) >= limit:
                    break
                queued = publish_again(state, path, now, grace=grace, longest=most)
                if queued is not None:
                    given.append(queued)
            return given

    def _queued(self) -> Iterator[tuple[State, str, Place]]:
        return ((state, path, place) for state in self._states.values() for path, place in state.places.items())

    def _taken(self, state: State, place: Place | None) -> None:
        if place is not None:
            # Of one that was published again nobody knows which message this was.
            mark = min(place.first, self._clock())
            self._marks[place.lane] = max(self._marks.get(place.lane, 0), mark)
