"""Records in this process: the storage of the sync backend and of tests of user code.

Also the model that the other storages are compared with (``tests/conformance``). Nothing survives the
process, nothing is shared with another; within it, any number of threads and event loops may use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from jobs_flow.errors import CannotStart, InstanceBusy, InstanceExists, InstanceNotFound
from jobs_flow.storages import transitions, transitions_attempts, transitions_control, transitions_undo
from jobs_flow.storages.memory_live import MemorySubscription, wall_clock
from jobs_flow.storages.memory_records import Answer, Data, Record, State, decode, encode, matches
from jobs_flow.storages.memory_timers import MemoryTimers
from jobs_flow.storages.records import (
    Claim,
    Completed,
    Flow,
    Grip,
    Hold,
    Input,
    Instance,
    JsonText,
    Loss,
    NewInstance,
    Outcome,
    RunSelection,
    Snapshot,
    Started,
    UndoClaim,
    Undone,
)
from jobs_flow.workflows.states import InstanceStatus

__all__ = ["MemoryStorage", "MemorySubscription", "wall_clock"]


class MemoryStorage(MemoryTimers):
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
            state = self._existing(new.id)
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

    def delete_instance(self, instance_id: str) -> Instance | None:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return None
            header = state.header()
            self._bury(state)
            return header

    # -- runs and tasks ----------------------------------------------------------------------

    def start_run(
        self,
        instance_id: str,
        selection: RunSelection,
        *,
        expect_run: int | None = None,
        revision: int | None = None,
        call: str | None = None,
    ) -> Started:
        with self._changed:
            state = self._existing(instance_id)
            if call is not None and state.call is not None and state.call[0] == call:
                return state.call[1]
            if state.status is InstanceStatus.WORKING:
                raise CannotStart(instance_id=instance_id, path="#", reason="a run is going on")
            if expect_run is not None and expect_run != state.run + 1:
                reason = f"run {expect_run} was asked for, the next one is {state.run + 1}"
                raise CannotStart(instance_id=instance_id, path="#", reason=reason)
            if revision is not None and revision != state.revision:
                raise CannotStart(instance_id=instance_id, path="#", reason="it was updated meanwhile; try again")
            now = self._now(state)
            seq = self._publish(state, transitions.start(state, selection, now), now)
            started = Started(state.run, seq)
            state.call = None if call is None else (call, started)
            return started

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
        lease: int,
        timeout: int | None = None,
    ) -> Claim:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return Claim("gone")
            refusal = transitions.refusal(state, path, run, token=token, revision=revision)
            if refusal is not None:
                return Claim(refusal, header=state.header() if refusal == "header" else None)
            now = self._now(state)
            self._taken(state.places.get(path))
            data = transitions.grant(state, path, token=token, worker=worker, lease=lease, timeout=timeout, now=now)
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
                retries=record.retries,
                updaters=state.updaters(),
            )

    def renew(self, holds: Sequence[Hold], *, holder: str, lease: int) -> list[Grip]:
        with self._changed:
            return [self._renewed(hold, holder, lease) for hold in holds]

    def _renewed(self, hold: Hold, holder: str, lease: int) -> Grip:
        state = self._states.get(hold.instance_id)
        if state is None:
            return Grip.LOST
        if hold.path == "#":
            undoes = transitions_undo.going_on(state, hold.run) and matches(f"{holder}*", state.undo_token)
            if undoes:
                transitions_undo.extend(state, lease, self._clock())
            return Grip.HELD if undoes else Grip.LOST
        grip = state.grip(hold.path, hold.run, f"{holder}*")
        if grip is not Grip.LOST:
            state.timers["lease", hold.path, ""] = self._clock() + lease
        return grip

    def grip(self, instance_id: str, path: str, run: int, *, token: str) -> Grip:
        with self._changed:
            state = self._states.get(instance_id)
            return Grip.LOST if state is None else state.grip(path, run, token)

    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return Completed(False)
            answered = transitions.answered(state, path, run, token=token)
            if answered is not None:
                return answered
            now = self._now(state)
            done = transitions.complete(state, path, run, token=token, outcome=outcome, flow=flow, now=now)
            if done is None:
                return Completed(False)
            seq = self._publish(state, done.data, now)
            state.records[path].answer = Answer(seq, done.finished, tuple(done.queued))
            return Completed(True, queued=tuple(done.queued), finished=done.finished, seq=seq)

    def retry(self, instance_id: str, path: str, run: int, *, token: str, outcome: Outcome, delay: int) -> Completed:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return Completed(False)
            now = self._now(state)
            data = transitions_attempts.retry(state, path, run, token=token, outcome=outcome, delay=delay, now=now)
            if data is not None:
                self._publish(state, data, now)
            return transitions_attempts.gave_up(state, path, run, token=token) or Completed(False)

    def release(self, instance_id: str, path: str, run: int) -> bool:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return False
            now = self._now(state)
            return self._changed_by(state, transitions_attempts.release(state, path, run, now), now)

    def lose(
        self, instance_id: str, path: str, run: int, *, token: str, max_losses: int, error: Mapping[str, Any]
    ) -> Loss:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return Loss.REFUSED
            now = self._now(state)
            loss, data = transitions_attempts.lose(
                state, path, run, token=token, max_losses=max_losses, error=error, now=now
            )
            self._changed_by(state, data, now)
            return loss

    def cancel(self, instance_id: str, path: str, *, undo: bool = False) -> Instance | None:
        with self._changed:
            state = self._existing(instance_id)
            if state.status is not InstanceStatus.WORKING:
                return None
            self._changed_by(state, transitions_control.cancel(state, path, undo=undo), self._now(state))
            return state.header()

    def pause(self, instance_id: str, paused: bool) -> Instance:
        with self._changed:
            state = self._existing(instance_id)
            self._changed_by(state, transitions_control.pause(state, paused), self._now(state))
            return state.header()

    def reset(self, instance_id: str, paths: Sequence[str]) -> Instance:
        with self._changed:
            state = self._at_rest(instance_id, "a reset")
            self._publish(state, transitions_attempts.reset(state, paths), self._now(state))
            return state.header()

    def set_updaters(self, instance_id: str, path: str, updaters: JsonText) -> bool:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None:
                return False
            data = transitions_control.set_updaters(state, path, updaters)
            return self._changed_by(state, data, self._now(state))

    # -- undoing -----------------------------------------------------------------------------

    def begin_undo(self, instance_id: str, paths: Sequence[str]) -> Started | None:
        with self._changed:
            state = self._at_rest(instance_id, "undoing it")
            now = self._now(state)
            begun, data = transitions_undo.begin(state, paths, now)
            self._changed_by(state, data, now)
            return Started(state.run, state.seq) if begun else None

    def claim_undo(self, instance_id: str, run: int, *, token: str, worker: str, lease: int) -> UndoClaim:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None or not transitions_undo.going_on(state, run):
                return UndoClaim("over")
            now = self._now(state)
            answer, data = transitions_undo.claim(state, token=token, lease=lease, now=now)
            self._changed_by(state, data, now)
            path = state.undo_path
            if answer != "granted" or path is None:
                return UndoClaim(answer)
            body, losses = state.records[path].body, state.undo_losses
            return UndoClaim(answer, path=path, body=body, header=state.header(), losses=losses)

    def end_undo(self, instance_id: str, run: int, path: str, *, token: str, error: Mapping[str, Any] | None) -> Undone:
        with self._changed:
            state = self._states.get(instance_id)
            if state is None or run != state.run:
                return Undone(False)
            if state.undo_answer is not None and state.undo_answer[:2] == (token, path):
                return state.undo_answer[2]
            if not transitions_undo.going_on(state, run) or (token, path) != (state.undo_token, state.undo_path):
                return Undone(False)
            now = self._now(state)
            done, data = transitions_undo.end(state, path, error=error, now=now)
            self._publish(state, data, now)
            return done

    # -- while tasks run ---------------------------------------------------------------------

    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> Grip:
        with self._changed:
            state = self._states.get(instance_id)
            grip = Grip.LOST if state is None else state.grip(path, run, token)
            if state is not None and grip is not Grip.LOST and (value is not None or text is not None):
                self._publish(state, transitions.progress(state, path, value, text), self._now(state))
            return grip

    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> Grip:
        with self._changed:
            state = self._states.get(instance_id)
            grip = Grip.LOST if state is None else state.grip(path, run, token)
            if state is not None and grip is not Grip.LOST and lines:
                self._publish(state, transitions.log(state, path, lines), self._now(state))
            return grip

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

    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Any]]:
        with self._changed:
            state = self._states.get(instance_id)
            record = None if state is None else state.records.get(path)
            return [] if record is None else [decode(text) for text in record.attempts]

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

    def _existing(self, instance_id: str) -> State:
        state = self._states.get(instance_id)
        if state is None:
            raise InstanceNotFound(instance_id=instance_id)
        return state

    def _at_rest(self, instance_id: str, action: str) -> State:
        state = self._existing(instance_id)
        if state.status is InstanceStatus.WORKING:
            raise InstanceBusy(instance_id=instance_id, action=action)
        return state

    def _having(self, workflow: str, realm: str, key: str | None) -> str | None:
        return None if key is None else self._keys.get((workflow, realm, key))

    def _changed_by(self, state: State, data: Data | None, now: int) -> bool:
        """Publish the event of a transition; whether there was one."""
        if data is None:
            return False
        self._publish(state, data, now)
        return True
