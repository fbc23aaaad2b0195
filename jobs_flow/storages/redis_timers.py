"""What recovery reads and does in Redis: undoing, elections, timers and lanes, on the server's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs_flow.errors import InstanceBusy, InstanceNotFound
from jobs_flow.ids import new_token
from jobs_flow.storages import redis_codec as codec
from jobs_flow.storages.records import Due, Lane, Queued, Started, UndoClaim, Undone
from jobs_flow.storages.redis_scripts import RedisScripts

#: Timers that tell somebody something; the others end with what they are about.
_NOTICES = frozenset({"failed", "ended", "ephemeral"})


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
        return bool(self._run_index("elect", role, holder, str(ttl)))

    def resign(self, role: str, holder: str) -> None:
        """Leave a role to others at once."""
        self._run_index("resign", role, holder)

    # -- timers ------------------------------------------------------------------------------

    def due(self, limit: int = 100) -> list[Due]:
        """Timers whose time has come, the earliest first."""
        return [codec.due(entry) for entry in self._run_index("due", str(limit))]

    def next_due(self) -> int | None:
        """Milliseconds until the earliest timer comes due."""
        reply = self._run_index("next_due")
        return None if reply is None else int(reply)

    def settle(self, due: Due) -> None:
        """Remove a timer that was seen to."""
        if due.kind in _NOTICES:
            self._run("settle", due.instance_id, due.kind, due.path, due.detail)

    def postpone(self, due: Due, delay: int) -> None:
        """Have a timer that exists come due later."""
        self._run("postpone", due.instance_id, due.kind, due.path, due.detail, str(delay))

    # -- lanes -------------------------------------------------------------------------------

    def lanes(self) -> list[Lane]:
        """Every lane with queued tasks."""
        return sorted(map(codec.lane, self._run_index("lanes")), key=lambda lane: lane.name)

    def overdue(
        self, lane: str, *, grace: int, drained: bool, limit: int = 100, longest: int | None = None
    ) -> list[Queued]:
        """Take queued tasks whose messages seem lost."""
        most = 2 * grace if longest is None else longest
        reply = self._run_index("overdue", lane, str(grace), str(most), "1" if drained else "", str(limit))
        return [Queued(codec.name(owner), path.decode(), int(run)) for owner, path, run in reply]
