"""What recovery reads and does in DynamoDB: leases, elections, timers and lanes, on the corrected clock of each host.

Timers and queued tasks are found by indexes, which the service keeps a moment behind the items: what they say is
looked at again in the items themselves, and what they do not say yet they say a little later.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

from jobs_flow.storages import transitions_undo
from jobs_flow.storages.dynamodb import codec
from jobs_flow.storages.dynamodb.attributes import Attributes, ItemKey, Write
from jobs_flow.storages.dynamodb.instances import DynamoInstances
from jobs_flow.storages.dynamodb.items import Conflict
from jobs_flow.storages.dynamodb.loader import Loader
from jobs_flow.storages.dynamodb.states import StoredState
from jobs_flow.storages.memory_records import Place, State
from jobs_flow.storages.records import Due, Grip, Hold, Lane, Queued
from jobs_flow.storages.transitions_timers import NOTICES, come_due, publish_again

#: Entries of one part of a lane that are looked at in one search for lost messages.
SEARCHED = 2_000
#: Leases renewed in one transaction.
RENEWED = 50
#: Milliseconds between two looks for tombstones whose time has come.
SWEPT_EACH = 10_000
#: Seconds for which the item of a role outlives it.
ROLE_LEFT_FOR = 86_400


class DynamoRecovery(DynamoInstances):
    """The part of ``DynamoStorage`` for whoever looks after what others left."""

    #: Lanes that this process has seen to be listed, and the latest mark it knows of each.
    _lanes: dict[str, int]
    #: When tombstones are looked at next.
    _swept_at: int = 0

    # -- leases ------------------------------------------------------------------------------

    def renew(self, holds: Sequence[Hold], *, holder: str, lease: int) -> list[Grip]:
        """Extend the leases of running tasks whose tokens begin with ``holder``."""
        grips: list[Grip] = []
        for start in range(0, len(holds), RENEWED):
            grips += self._renew(holds[start : start + RENEWED], holder, lease)
        return grips

    def _renew(self, holds: Sequence[Hold], holder: str, lease: int) -> list[Grip]:
        for _ in self.items.patiently("others kept changing the records for too long"):
            grips, writes = self._held(holds, holder, lease)
            with contextlib.suppress(Conflict):
                if writes:
                    self.items.transact(list(writes.values()))
                return [grip or self._renew_undo(hold, holder, lease) for hold, grip in zip(holds, grips, strict=True)]
        raise AssertionError("patience ends with an error")

    def _held(self, holds: Sequence[Hold], holder: str, lease: int) -> tuple[list[Grip | None], dict[ItemKey, Write]]:
        """What is still held of each, None for an undoing, and the writes that renew."""
        names = self.names
        tasks = [hold for hold in holds if hold.path != "#"]
        keys = [
            at for hold in tasks for at in (names.header(hold.instance_id), names.task(hold.instance_id, hold.path))
        ]
        found = self.items.get_many(keys) if keys else {}
        grips: list[Grip | None] = []
        writes: dict[ItemKey, Write] = {}
        for hold in holds:
            if hold.path == "#":
                grips.append(None)
                continue
            at = names.task(hold.instance_id, hold.path)
            header, record = found.get(names.header(hold.instance_id)), found.get(at)
            state = self._bare(hold, header, record)
            grip = Grip.LOST if state is None else state.grip(hold.path, hold.run, f"{holder}*")
            grips.append(grip)
            if grip is not Grip.LOST and record is not None:
                writes[at] = self._renewal(hold, at, record, self.connection.clock() + lease)
        return grips, writes

    def _bare(self, hold: Hold, header: Attributes | None, record: Attributes | None) -> State | None:
        """As much of a state as tells who holds a task."""
        if header is None or "deletedAt" in header or record is None:
            return None
        state = self._state(hold.instance_id, header, Loader(self.items, self.names, hold.instance_id))
        few: Attributes = {name: record[name] for name in ("status", "run", "token") if name in record}
        state.records = {hold.path: codec.read_record(few)}
        return state

    def _renewal(self, hold: Hold, at: ItemKey, record: Attributes, until: int) -> Write:
        timers = codec.read_timers(record) | {"lease": until}
        return Write(
            at,
            codec.timers(timers, self.names, hold.instance_id),
            condition="#t = :t AND #s = :s AND #i = :i",
            values={":t": record["token"], ":s": record["status"], ":i": record["timers"]},
            names={"#t": "token", "#s": "status", "#i": "timers"},
        )

    def _renew_undo(self, hold: Hold, holder: str, lease: int) -> Grip:
        def renew(state: State | None) -> Grip:
            now = self.connection.clock()
            return Grip.LOST if state is None else transitions_undo.renew(state, hold.run, holder, lease, now)

        return self._within(hold.instance_id, renew)

    # -- elections ---------------------------------------------------------------------------

    def elect(self, role: str, holder: str, ttl: int) -> bool:
        """Become, or stay, the one who has ``role``."""
        now = self.connection.clock()
        try:
            self.items.write(
                Write(
                    self.names.role(role),
                    {"holder": codec.encode(holder), "until": now + ttl, "expiresAt": now // 1000 + ROLE_LEFT_FOR},
                    condition="attribute_not_exists(#h) OR #h = :h OR #u <= :n",
                    values={":h": codec.encode(holder), ":n": now},
                    names={"#h": "holder", "#u": "until"},
                )
            )
        except Conflict:
            return False
        return True

    def resign(self, role: str, holder: str) -> None:
        """Leave a role to others at once."""
        try:
            self.items.write(
                Write(
                    self.names.role(role),
                    delete=True,
                    condition="#h = :h",
                    values={":h": codec.encode(holder)},
                    names={"#h": "holder"},
                )
            )
        except Conflict:
            return

    # -- timers ------------------------------------------------------------------------------

    def due(self, limit: int = 100) -> list[Due]:
        """Timers whose time has come, the earliest first."""
        now = self.connection.clock()
        given: list[tuple[bool, int, Due]] = []
        for line in ("due", "kept"):
            if len(given) < limit:
                for instance_id, paths in self._come(line, now, limit - len(given)):
                    given += self._due_of(instance_id, paths, now)
        if now >= self._swept_at:
            self._swept_at = now + SWEPT_EACH
            for instance_id, _ in self._come("swept", now, limit):
                self._sweep_again(instance_id, now)
        given.sort(key=lambda each: each[:2])
        return [due for _, _, due in given[:limit]]

    def _come(self, line: str, now: int, limit: int) -> Iterator[tuple[str, list[str]]]:
        """Instances of which something may be due, with the paths; ``limit`` items at most, the earliest."""
        found = [
            item
            for key in self.names.due_shards(line)
            for item in self.items.query_index("due", ("dueShard", key), until=("dueAt", now), limit=limit)
        ]
        found.sort(key=lambda item: cast(int, item["dueAt"]))
        paths: dict[str, list[str]] = defaultdict(list)
        for item in found[:limit]:
            family, instance_id = self._instance_of(str(item["Key"]))
            paths[instance_id].append("#" if family == "workflow_" else self._path_of(item))
        yield from paths.items()

    def _path_of(self, item: Attributes) -> str:
        sort = str(item["Sort"])
        if not sort.startswith("~"):
            return sort
        return codec.path_of(sort, self.items.get(ItemKey(str(item["Key"]), sort)) or {})

    def _due_of(self, instance_id: str, paths: Sequence[str], now: int) -> list[tuple[bool, int, Due]]:
        tasks = [path for path in paths if path != "#"]

        def look(state: State | None) -> list[tuple[bool, int, Due]]:
            given: list[tuple[bool, int, Due]] = []
            if state is None:
                return given
            for path in tasks:
                if state.records.get(path) is not None:
                    cast(StoredState, state).stored.rewrite_stale(path)
            for key, at in list(state.timers.items()):
                if at > now or key[1] not in paths:
                    continue
                due = come_due(state, key, now)
                if due is not None:
                    given.append((key[0] == "expired", at, due))
            return given

        return self._within(instance_id, look, tasks)

    def _sweep_again(self, instance_id: str, now: int) -> None:
        """Remove what was written for an instance while it was deleted, and its tombstone, when its time has come."""
        at = self.names.header(instance_id)
        found = self.items.get(at)
        if found is None or "deletedAt" not in found or cast(int, found["dueAt"]) > now:
            return
        self._sweep(instance_id, cast(int, found["ver"]))
        try:
            self.items.write(
                Write(at, delete=True, condition="#v = :v", values={":v": found["ver"]}, names={"#v": "ver"})
            )
        except Conflict:
            return

    def next_due(self) -> int | None:
        """Milliseconds until the earliest timer comes due."""
        found = [
            cast(int, item["dueAt"])
            for line in ("due", "kept")
            for key in self.names.due_shards(line)
            for item in self.items.query_index("due", ("dueShard", key), limit=1)
        ]
        return max(0, min(found) - self.connection.clock()) if found else None

    def settle(self, due: Due) -> None:
        """Remove a timer that was seen to."""
        key = (due.kind, due.path, due.detail)

        def settle(state: State | None) -> None:
            if state is not None:
                state.timers.pop(key, None)

        if due.kind in NOTICES:
            self._within(due.instance_id, settle, [] if due.path == "#" else [due.path])

    def postpone(self, due: Due, delay: int) -> None:
        """Have a timer that exists come due later."""
        key = (due.kind, due.path, due.detail)

        def postpone(state: State | None) -> None:
            if state is not None and key in state.timers:
                state.timers[key] = self.connection.clock() + delay

        self._within(due.instance_id, postpone, [] if due.path == "#" else [due.path])

    # -- lanes -------------------------------------------------------------------------------

    def lanes(self) -> list[Lane]:
        """Every lane with queued tasks."""
        found = []
        for _, item in self.items.query(self.names.lanes()):
            name, oldest, length = str(json.loads(str(item["name"]))), [], 0
            for key in self.names.lane_shards(name):
                first = list(self.items.query_index("lane", ("lane", key), limit=1))
                if first:
                    oldest.append(cast(int, first[0]["laneAt"]))
                    length += self.items.count_index("lane", ("lane", key))
            if oldest and length:
                found.append(Lane(name, length, min(oldest), cast(int, item.get("mark", 0))))
        return sorted(found, key=lambda lane: lane.name)

    def overdue(
        self, lane: str, *, grace: int, drained: bool, limit: int = 100, longest: int | None = None
    ) -> list[Queued]:
        """Take queued tasks whose messages seem lost."""
        most = 2 * grace if longest is None else longest
        now = self.connection.clock()
        mark = cast(int, (self.items.get(self.names.lane(lane)) or {}).get("mark", 0))
        until = (now if drained else min(mark, now)) - grace - 1

        def take(state: State, path: str, place: Place) -> Queued | None:
            if place.lane != lane or place.published > until or place.look_at > now:
                return None
            return publish_again(state, path, now, grace=grace, longest=most)

        paths: dict[str, list[str]] = defaultdict(list)
        for item in self._standing(lane, until, now, limit):
            paths[self._instance_of(str(item["Key"]))[1]].append(self._path_of(item))
        given: list[Queued] = []
        for instance_id, some in paths.items():

            def look(state: State | None, some: list[str] = some) -> list[Queued]:
                if state is None:
                    return []
                for path in some:
                    if state.records.get(path) is not None:
                        cast(StoredState, state).stored.rewrite_stale(path)
                taken = [take(state, path, state.places[path]) for path in some if path in state.places]
                return [each for each in taken if each is not None]

            given += self._within(instance_id, look, some[:50], likely=some)
        return given

    def _standing(self, lane: str, until: int, now: int, limit: int) -> list[Attributes]:
        """What the index says of queued tasks that were published up to a time, the earliest first."""
        found: list[Attributes] = []
        for key in self.names.lane_shards(lane):
            entries = self.items.query_index("lane", ("lane", key), until=("laneAt", until))
            found += (item for item in islice(entries, SEARCHED) if cast(int, item["lookAt"]) <= now)
        found.sort(key=lambda item: cast(int, item["laneAt"]))
        return found[:limit]

    def _know_lane(self, lane: str) -> None:
        if lane in self._lanes:
            return
        at = self.names.lane(lane)
        self.items.write(Write(at, {"name": codec.encode(lane)}))
        self._lanes[lane] = 0

    def _mark(self, lane: str, mark: int) -> None:
        if mark <= self._lanes.get(lane, 0):
            return
        self._know_lane(lane)
        self._lanes[lane] = mark
        try:
            self.items.write_lightly(
                Write(
                    self.names.lane(lane),
                    {"mark": mark},
                    condition="attribute_not_exists(#m) OR #m < :m",
                    values={":m": mark},
                    names={"#m": "mark"},
                )
            )
        except Conflict:
            # Somebody else has claimed a later one.
            return
