"""Records in this process: the storage of the sync backend and of tests of user code.

Also the model that the other storages are compared with (``jobs_flow.testing``). Nothing survives the
process, nothing is shared with another; within it, any number of threads and event loops may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeVar

from jobs_flow.errors import InstanceBusy, InstanceExists, InstanceNotFound
from jobs_flow.storages import transitions_control, transitions_undo
from jobs_flow.storages.memory_live import MemorySubscription, wall_clock
from jobs_flow.storages.memory_records import Record, State, decode, encode
from jobs_flow.storages.memory_timers import MemoryTimers
from jobs_flow.storages.records import Grip, Hold, Instance, NewInstance, Snapshot
from jobs_flow.storages.state_undo import UndoingStorage
from jobs_flow.workflows.states import InstanceStatus

__all__ = ["MemoryStorage", "MemorySubscription", "wall_clock"]

T = TypeVar("T")


class MemoryStorage(MemoryTimers, UndoingStorage):
    """Where records live for as long as the process does.

    ``clock`` gives epoch milliseconds; a test may give one of its own. A clock that is set back does not
    take an instance back in time: its times stand still until the clock has caught up.
    """

    label = "memory://"

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
            key=new.key,
        )
        with self._changed:
            there = new.id if new.id in self._states else self._having(new.workflow, new.realm, new.key)
            if there is not None:
                raise InstanceExists(instance_id=there)
            self._tombstones.pop(new.id, None)
            self._states[new.id] = state
            if new.key is not None:
                self._keys[new.workflow, new.realm, new.key] = new.id
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

    def find_key(self, workflow: str, key: str, *, realm: str = "") -> str | None:
        with self._changed:
            return self._having(workflow, realm, key)

    def update_instance(self, new: NewInstance, *, revision: int) -> Instance | None:
        with self._changed:
            state = self._states.get(new.id)
            if state is None:
                raise InstanceNotFound(instance_id=new.id)
            if state.revision != revision:
                return None
            if state.status is InstanceStatus.WORKING and list(new.paths) != list(state.records):
                raise InstanceBusy(instance_id=state.id, action="an update that changes its tasks")
            there = self._having(new.workflow, state.realm, state.key)
            if there not in (None, state.id):
                raise InstanceExists(instance_id=str(there))
            before = state.workflow
            data = transitions_control.update(state, new)
            if state.key is not None:
                del self._keys[before, state.realm, state.key]
                self._keys[state.workflow, state.realm, state.key] = state.id
            self._publish(state, data, self._now(state))
            return state.header()

    def delete_instance(self, instance_id: str, *, rested: int | None = None) -> Instance | None:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None or (rested is not None and not state.rests(rested)):
                return None
            header = state.header()
            self._bury(state)
            return header

    # -- runs and tasks ----------------------------------------------------------------------

    def _within(
        self,
        instance_id: str,
        work: Callable[[State | None], T],
        paths: Sequence[str] = (),
        *,
        likely: Sequence[str] = (),
        put_back: Sequence[str] = (),
    ) -> T:
        # A function raises before it changes anything, so there is nothing to take back.
        with self._changed:
            return work(self._states.get(instance_id))

    def renew(self, holds: Sequence[Hold], *, holder: str, lease: int) -> list[Grip]:
        with self._changed:
            return [self._renewed(hold, holder, lease) for hold in holds]

    def _renewed(self, hold: Hold, holder: str, lease: int) -> Grip:
        state = self._states.get(hold.instance_id)
        if state is None:
            return Grip.LOST
        if hold.path == "#":
            return transitions_undo.renew(state, hold.run, holder, lease, self._clock())
        grip = state.grip(hold.path, hold.run, f"{holder}*")
        if grip is not Grip.LOST:
            state.timers["lease", hold.path, ""] = self._clock() + lease
        return grip

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

    def get_figures(self, instance_id: str, paths: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
        with self._changed:
            state = self._states.get(instance_id)
            records = {} if state is None else state.records
            return {path: records[path].figures(names) for path in paths if path in records}

    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Any]]:
        with self._changed:
            state = self._states.get(instance_id)
            record = None if state is None else state.records.get(path)
            return [] if record is None else [decode(text) for text in record.attempts]

    def get_logs(self, instance_id: str, paths: Sequence[str], *, last: int | None = None) -> dict[str, list[str]]:
        with self._changed:
            state = self._states.get(instance_id)
            records = {} if state is None else state.records
            logs = {path: list(records[path].logs) if path in records else [] for path in paths}
        return logs if last is None else {path: lines[max(len(lines) - last, 0) :] for path, lines in logs.items()}

    # -- large values ------------------------------------------------------------------------

    def add_body(self, instance_id: str, name: str) -> bool:
        with self._changed:
            state = self._states.get(instance_id)
            if state is not None:
                state.bodies.setdefault(name, {})
            return state is not None

    def write_chunk(self, instance_id: str, name: str, number: int, data: bytes) -> None:
        with self._changed:
            state = self._states.get(instance_id)
            if state is not None and name in state.bodies:
                state.bodies[name][number] = data

    def read_chunk(self, instance_id: str, name: str, number: int) -> bytes | None:
        with self._changed:
            state = self._states.get(instance_id)
            return None if state is None else state.bodies.get(name, {}).get(number)

    def list_bodies(self, instance_id: str) -> list[str]:
        with self._changed:
            state = self._states.get(instance_id)
            return [] if state is None else list(state.bodies)

    def remove_bodies(self, instance_id: str, names: Sequence[str]) -> None:
        with self._changed:
            state = self._states.get(instance_id)
            for name in names:
                if state is not None:
                    state.bodies.pop(name, None)

    # -- the storage itself ------------------------------------------------------------------

    def ping(self) -> None:
        """Always well."""

    def close(self) -> None:
        """There is nothing to free; the records stay."""

    # -- with the lock held ------------------------------------------------------------------

    def _having(self, workflow: str, realm: str, key: str | None) -> str | None:
        return None if key is None else self._keys.get((workflow, realm, key))
