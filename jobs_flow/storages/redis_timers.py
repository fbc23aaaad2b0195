"""What recovery reads and does in Redis: undoing, elections, timers and lanes, on the server's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from jobs_flow.errors import InstanceBusy, InstanceNotFound
from jobs_flow.ids import new_token
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.records import Due, Lane, Queued, Started, UndoClaim, Undone
from jobs_flow.storages.redis_scripts import RedisScripts
from jobs_flow.storages.transitions_timers import NOTICES


class RedisTimers(RedisScripts):
    """The part of ``RedisStorage`` for whoever looks after what others left."""

    # -- undoing -----------------------------------------------------------------------------

    def begin_undo(self, instance_id: str, paths: Sequence[str]) -> Started | None:
        """Begin to undo."""
        reply = self._run("begin_undo", instance_id, new_token(), codec.counted_keys(paths))
        match reply[0].decode():
            case "gone":
                raise InstanceNotFound(instance_id=instance_id)
            case "working":
                raise InstanceBusy(instance_id=instance_id, action="undoing")
            case "nothing":
                return None
        return Started(int(reply[1]), int(reply[2]))

    def claim_undo(self, instance_id: str, run: int, *, token: str, worker: str, lease: int) -> UndoClaim:
        """Take the next task to undo."""
        reply = self._run("claim_undo", instance_id, str(run), token, worker, str(lease))
        state = reply[0].decode()
        if state != "granted":
            return UndoClaim(state)
        _, path, body, header, losses = reply
        return UndoClaim(state, path.decode(), codec.payload(body), codec.instance(instance_id, header), int(losses))

    def end_undo(
        self, instance_id: str, run: int, path: str, *, token: str, error: Mapping[str, object] | None
    ) -> Undone:
        """Record that a task was undone, or could not be."""
        texts = ("", "") if error is None else (codec.encode(error), codec.encode({**error, "path": path}))
        reply = self._run("end_undo", instance_id, str(run), codec.key(path), token, *texts)
        if not reply[0]:
            return Undone(recorded=False)
        return Undone(True, more=reply[1] == b"1", finished=codec.decode(reply[2] or None))

    # -- elections ---------------------------------------------------------------------------

    def elect(self, role: str, holder: str, ttl: int) -> bool:
        """Become, or stay, the one who has ``role``."""
        return bool(self._run_in(self._partitions.prefixes[0], "elect", role, holder, str(ttl)))

    def resign(self, role: str, holder: str) -> None:
        """Leave a role to others at once."""
        self._run_in(self._partitions.prefixes[0], "resign", role, holder)

    # -- timers ------------------------------------------------------------------------------

    def due(self, limit: int = 100) -> list[Due]:
        """Timers whose time has come, the earliest first."""
        replies = self._run_all("due", str(limit))
        entries = replies[0] if len(replies) == 1 else sorted(chain(*replies), key=_urgency)
        return [codec.due(entry) for entry in entries[:limit]]

    def next_due(self) -> int | None:
        """Milliseconds until the earliest timer comes due."""
        return min((int(reply) for reply in self._run_all("next_due") if reply is not None), default=None)

    def settle(self, due: Due) -> None:
        """Remove a timer that was seen to."""
        if due.kind in NOTICES:
            self._run("settle", due.instance_id, due.kind, due.path, due.detail)

    def postpone(self, due: Due, delay: int) -> None:
        """Have a timer that exists come due later."""
        self._run("postpone", due.instance_id, due.kind, due.path, due.detail, str(delay))

    # -- lanes -------------------------------------------------------------------------------

    def lanes(self) -> list[Lane]:
        """Every lane with queued tasks."""
        found: dict[str, Lane] = {}
        for lane in map(codec.lane, chain(*self._run_all("lanes"))):
            known = found.get(lane.name)
            found[lane.name] = lane if known is None else _together(known, lane)
        return [found[name] for name in sorted(found) if found[name].length]

    def overdue(
        self, lane: str, *, grace: int, drained: bool, limit: int = 100, longest: int | None = None
    ) -> list[Queued]:
        """Take queued tasks whose messages seem lost.

        Of a cluster's partitions, those are asked first in which a task has waited longest.
        """
        most = 2 * grace if longest is None else longest
        prefixes, mark = self._partitions.prefixes, 0
        if len(prefixes) > 1:
            prefixes, mark = self._look_at(lane)
        found: list[tuple[int, Queued]] = []
        for prefix in prefixes:
            if len(found) >= limit:
                break
            asked = (lane, str(grace), str(most), "1" if drained else "", str(limit - len(found)), str(mark))
            for owner, path, run, published in self._run_in(prefix, "overdue", *asked):
                found.append((int(published), Queued(codec.name(owner), path.decode(), int(run))))
        return [queued for _, queued in sorted(found, key=itemgetter(0))]

    def _look_at(self, lane: str) -> tuple[tuple[str, ...], int]:
        """The partitions that have tasks in a lane, the longest waiting first, and the lane's mark in all of them."""
        answers = zip(self._partitions.prefixes, self._run_all("lanes"), strict=True)
        known = [(entry, prefix) for prefix, entries in answers for entry in map(codec.lane, entries)]
        there = [(entry, prefix) for entry, prefix in known if entry.name == lane]
        there.sort(key=lambda each: each[0].oldest or 0)
        return tuple(prefix for entry, prefix in there if entry.length), max(
            (entry.mark for entry, _ in there), default=0
        )


def _urgency(entry: Sequence[Any]) -> tuple[bool, float]:
    """The order of the answers of ``due.lua``."""
    return entry[0] == b"expired", float(entry[6])


def _together(one: Lane, other: Lane) -> Lane:
    """A lane that two partitions have."""
    times = [time for time in (one.oldest, other.oldest) if time is not None]
    return Lane(one.name, one.length + other.length, min(times, default=None), max(one.mark, other.mark))
