"""Undoing by the pure transitions; see ``state_runs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs_flow.storages import transitions_undo
from jobs_flow.storages.memory_records import State
from jobs_flow.storages.records import Started, UndoClaim, Undone
from jobs_flow.storages.state_runs import StateStorage, _at_rest


class UndoingStorage(StateStorage):
    """The part of a storage of states that undoes."""

    def begin_undo(self, instance_id: str, paths: Sequence[str]) -> Started | None:
        """Begin to undo."""

        def begin(found: State | None) -> Started | None:
            state = _at_rest(found, instance_id, "undoing")
            now = self._now(state)
            begun, data = transitions_undo.begin(state, paths, now)
            self._changed_by(state, data, now)
            return Started(state.run, state.seq) if begun else None

        return self._within(instance_id, begin, likely=paths)

    def claim_undo(self, instance_id: str, run: int, *, token: str, worker: str, lease: int) -> UndoClaim:
        """Take the next task to undo."""

        def claim(state: State | None) -> UndoClaim:
            if state is None or not transitions_undo.going_on(state, run):
                return UndoClaim("over")
            now = self._now(state)
            answer, data = transitions_undo.claim(state, token=token, lease=lease, now=now)
            self._changed_by(state, data, now)
            path = state.undo_path
            if answer != "granted" or path is None:
                return UndoClaim(answer)
            body, losses = state.records[path].body, state.undo_losses
            body = None if body == "null" else body  # as ``Input.value`` says it
            return UndoClaim(answer, path=path, body=body, header=state.header(), losses=losses)

        return self._within(instance_id, claim)

    def end_undo(self, instance_id: str, run: int, path: str, *, token: str, error: Mapping[str, Any] | None) -> Undone:
        """Record that a task was undone, or could not be."""

        def end(state: State | None) -> Undone:
            if state is None or run != state.run:
                return Undone(False)
            if state.undo_answer is not None and state.undo_answer[:2] == (token, path):
                return state.undo_answer[2]
            if not transitions_undo.going_on(state, run) or (token, path) != (state.undo_token, state.undo_path):
                return Undone(False)
            now = self._now(state)
            done, data = transitions_undo.end(state, path, error=error, now=now)
            self._changed_by(state, data, now)
            return done

        return self._within(instance_id, end, [path])
