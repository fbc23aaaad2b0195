"""Runs and tasks by the pure transitions, for storages that bring the state of an instance to this process.

What differs between them is how a state comes here and how its change goes back: ``StateStorage._within``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jobs_flow.errors import CannotStart, InstanceBusy, InstanceNotFound
from jobs_flow.storages import transitions, transitions_attempts, transitions_control
from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory_records import Answer, Data, Place, State
from jobs_flow.storages.records import (
    Claim,
    Completed,
    Flow,
    Grip,
    Input,
    Instance,
    JsonText,
    Loss,
    Outcome,
    RunSelection,
    Started,
)
from jobs_flow.workflows.states import InstanceStatus

T = TypeVar("T")


class StateStorage(Storage):
    """A storage whose transitions are those of ``transitions``."""

    @abstractmethod
    def _within(
        self,
        instance_id: str,
        work: Callable[[State | None], T],
        paths: Sequence[str] = (),
        *,
        likely: Sequence[str] = (),
        put_back: Sequence[str] = (),
    ) -> T:
        """What ``work`` makes of the state of an instance (None: there is none), whose change is then stored.

        All of the change is stored, or nothing: ``work`` may be called again with a newer state. When it raises,
        nothing is stored. ``paths`` are the records it surely looks at, ``likely`` those it may look at,
        ``put_back`` those it puts back (``transitions_attempts.put_back``).
        """

    @abstractmethod
    def _now(self, state: State) -> int:
        """The time of a transition: never before that of an earlier one of the instance."""

    @abstractmethod
    def _publish(self, state: State, data: Data, now: int) -> int:
        """Append the event of a transition; its number."""

    @abstractmethod
    def _taken(self, state: State, place: Place | None) -> None:
        """Note that somebody has claimed a task from its lane."""

    # -- runs --------------------------------------------------------------------------------

    def start_run(
        self,
        instance_id: str,
        selection: RunSelection,
        *,
        expect_run: int | None = None,
        revision: int | None = None,
        call: str | None = None,
    ) -> Started:
        """Begin a run."""

        def start(found: State | None) -> Started:
            state = _existing(found, instance_id)
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

        return self._within(instance_id, start, likely=selection.paths, put_back=selection.paths)

    def revert_run(self, instance_id: str, run: int, error: Mapping[str, Any]) -> bool:
        """Undo the start of a run of which nothing was published or claimed."""

        def revert(state: State | None) -> bool:
            return state is not None and self._changed_by(state, transitions.revert(state, run, error))

        return self._within(instance_id, revert)

    def cancel(self, instance_id: str, path: str, *, undo: bool = False) -> Instance | None:
        """Ask the present run to stop, at ``path`` and below."""

        def cancel(found: State | None) -> Instance | None:
            state = _existing(found, instance_id)
            if state.status is not InstanceStatus.WORKING:
                return None
            self._changed_by(state, transitions_control.cancel(state, path, undo=undo))
            return state.header()

        return self._within(instance_id, cancel)

    def pause(self, instance_id: str, paused: bool) -> Instance:
        """Have claims answered ``paused``, or no longer."""

        def pause(found: State | None) -> Instance:
            state = _existing(found, instance_id)
            self._changed_by(state, transitions_control.pause(state, paused))
            return state.header()

        return self._within(instance_id, pause)

    def reset(self, instance_id: str, paths: Sequence[str]) -> Instance:
        """Put records back to ``inactive`` as a run does, keeping their attempts."""

        def reset(found: State | None) -> Instance:
            state = _at_rest(found, instance_id, "resetting tasks")
            self._changed_by(state, transitions_attempts.reset(state, paths))
            return state.header()

        return self._within(instance_id, reset, likely=paths, put_back=paths)

    # -- tasks -------------------------------------------------------------------------------

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
        """Take a queued task."""

        def claim(state: State | None) -> Claim:
            if state is None:
                return Claim("gone")
            refusal = transitions.refusal(state, path, run, token=token, revision=revision)
            if refusal is not None:
                return Claim(refusal, header=state.header() if refusal == "header" else None)
            now = self._now(state)
            self._taken(state, state.places.get(path))
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

        return self._within(instance_id, claim, [path, *inputs])

    def grip(self, instance_id: str, path: str, run: int, *, token: str) -> Grip:
        """Whether ``token`` still holds the task."""

        def grip(state: State | None) -> Grip:
            return Grip.LOST if state is None else state.grip(path, run, token)

        return self._within(instance_id, grip, [path])

    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        """Record an outcome once, count it down in its blocks, and queue what follows."""

        def complete(state: State | None) -> Completed:
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

        likely = [*flow.children, *flow.subtree]
        return self._within(instance_id, complete, [path, *filter(None, [flow.following])], likely=likely)

    def retry(self, instance_id: str, path: str, run: int, *, token: str, outcome: Outcome, delay: int) -> Completed:
        """Give up this attempt and queue the task again."""

        def retry(state: State | None) -> Completed:
            if state is None:
                return Completed(False)
            now = self._now(state)
            data = transitions_attempts.retry(state, path, run, token=token, outcome=outcome, delay=delay, now=now)
            self._changed_by(state, data, now)
            return transitions_attempts.gave_up(state, path, run, token=token) or Completed(False)

        return self._within(instance_id, retry, [path])

    def release(self, instance_id: str, path: str, run: int) -> bool:
        """End the delay of a retry."""

        def release(state: State | None) -> bool:
            if state is None:
                return False
            now = self._now(state)
            return self._changed_by(state, transitions_attempts.release(state, path, run, now), now)

        return self._within(instance_id, release, [path])

    def lose(
        self, instance_id: str, path: str, run: int, *, token: str, max_losses: int, error: Mapping[str, Any]
    ) -> Loss:
        """Take a running task from a worker that is gone."""

        def lose(state: State | None) -> Loss:
            if state is None:
                return Loss.REFUSED
            now = self._now(state)
            loss, data = transitions_attempts.lose(
                state, path, run, token=token, max_losses=max_losses, error=error, now=now
            )
            self._changed_by(state, data, now)
            return loss

        return self._within(instance_id, lose, [path])

    def set_updaters(self, instance_id: str, path: str, updaters: JsonText) -> bool:
        """Replace the recorded updaters of an ok task."""

        def set_updaters(state: State | None) -> bool:
            return state is not None and self._changed_by(
                state, transitions_control.set_updaters(state, path, updaters)
            )

        return self._within(instance_id, set_updaters, [path])

    # -- while a task runs -------------------------------------------------------------------

    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> Grip:
        """Record progress of a running task."""

        def report(state: State | None) -> Grip:
            grip = Grip.LOST if state is None else state.grip(path, run, token)
            if state is not None and grip is not Grip.LOST and (value is not None or text is not None):
                self._changed_by(state, transitions.progress(state, path, value, text))
            return grip

        return self._within(instance_id, report, [path])

    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> Grip:
        """Append log lines of a running task."""

        def append(state: State | None) -> Grip:
            grip = Grip.LOST if state is None else state.grip(path, run, token)
            if state is not None and grip is not Grip.LOST and lines:
                self._changed_by(state, transitions.log(state, path, lines))
            return grip

        return self._within(instance_id, append, [path])

    def add_event(self, instance_id: str, data: Mapping[str, Any]) -> int | None:
        """Append an event that changes no record."""

        def add(state: State | None) -> int | None:
            return None if state is None else self._publish(state, dict(data), self._now(state))

        return self._within(instance_id, add)

    def get_inputs(self, instance_id: str, paths: Sequence[str]) -> dict[str, Input]:
        """What each of the paths hands on."""

        def read(state: State | None) -> dict[str, Input]:
            return {} if state is None else transitions.inputs(state, paths)

        return self._within(instance_id, read, paths)

    def _changed_by(self, state: State, data: Data | None, now: int | None = None) -> bool:
        """Publish the event of a transition; whether there was one."""
        if data is None:
            return False
        self._publish(state, data, self._now(state) if now is None else now)
        return True


def _existing(state: State | None, instance_id: str) -> State:
    if state is None:
        raise InstanceNotFound(instance_id=instance_id)
    return state


def _at_rest(found: State | None, instance_id: str, action: str) -> State:
    state = _existing(found, instance_id)
    if state.status is InstanceStatus.WORKING:
        raise InstanceBusy(instance_id=instance_id, action=action)
    return state
