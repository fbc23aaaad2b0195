"""What may be read of an instance in DynamoDB: snapshots, records, logs, attempts and events."""

from __future__ import annotations

import contextlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, cast

from jobs_flow.storages.contract_reading import Subscription
from jobs_flow.storages.dynamodb import live
from jobs_flow.storages.dynamodb.attributes import Attributes
from jobs_flow.storages.dynamodb.names import numbered
from jobs_flow.storages.dynamodb.overflow import Overflow, Replaced
from jobs_flow.storages.dynamodb.recovery import DynamoRecovery
from jobs_flow.storages.dynamodb.states import StoredState
from jobs_flow.storages.dynamodb.stored import StoredAttempts, StoredLogs, read_log
from jobs_flow.storages.memory_records import State
from jobs_flow.storages.records import (
    ATTEMPTS_KEPT,
    LOG_LINES_KEPT,
    TASK_VIEW,
    TOMBSTONE_KEPT,
    Event,
    Snapshot,
)

#: Sorts after every number.
LAST = "~"
#: Events before that of a snapshot whose transactions may still be being written when it is read.
RECENT = 4
#: Attributes that no view shows at any length.
HIDDEN = ("argument", "context", "updaters", "traceback", "undoError")


class DynamoReading(DynamoRecovery):
    """The part of ``DynamoStorage`` that is read by whoever watches."""

    def snapshot(self, instance_id: str) -> Snapshot | None:
        """Header, tree and all task views as of one sequence number."""
        for _ in self._patiently():
            with contextlib.suppress(Replaced):
                state = self._load(instance_id)
                if state is None:
                    return None
                found = self._snapshot(state)
                if found is not None:
                    return found
        raise AssertionError("patience ends with an error")

    def _snapshot(self, state: StoredState) -> Snapshot | None:
        """The snapshot; None when another definition or run came while it was read."""
        state.loader.prefetch()
        tree = json.loads(str(state.loader.tree(state.tree_name)["tree"]))
        state.define()
        # While the service writes a transaction it gives some of its items as they were; see ``get_together``.
        state.stored.read(json.loads(str(state.attributes.get("wrote", "[]"))))
        state.stored.read_all(leave=(*HIDDEN, "body"))
        views = {path: state.stored.current[path].view() for path in state.paths()}
        latest = self._load(state.id)
        if latest is None or latest.tree_name != state.tree_name:
            raise Replaced
        latest.data, latest.base_context = state.data, state.base_context
        # The last ones too: some of what they say may not have been there to be read.
        events = self.events(state.id, max(0, state.seq - RECENT))
        if events is None:
            return None
        changes: list[Mapping[str, Any]] = []
        for event in events:
            if "reset" in event.data:
                if event.seq > state.seq:
                    return None
                changes = []
            elif event.seq <= latest.seq:
                changes.append(event.data.get("tasks", {}))
        # As whoever watches does. A record may have been read after the event: then it says nothing new.
        for tasks in changes:
            for path, change in tasks.items():
                _merge(views[path], change)
        return Snapshot(instance=latest.header(), tree=tree, tasks=views)

    def get_task(self, instance_id: str, path: str) -> dict[str, Any] | None:
        """One record, decoded."""
        state = self._read(instance_id, [path])
        record = None if state is None else state.records.get(path)
        return None if record is None else record.details()

    def get_figures(self, instance_id: str, paths: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of TASK_FIGURES that are asked for, of each of the paths that has a record."""
        for _ in self._patiently():
            with contextlib.suppress(Replaced):
                state = self._load(instance_id)
                return {} if state is None else state.stored.read_figures(paths, names)
        raise AssertionError("patience ends with an error")

    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Any]]:
        """Earlier attempts at a task, oldest first."""
        state = self._read(instance_id, [path])
        record = None if state is None else state.records.get(path)
        if record is None or not isinstance(record.attempts, StoredAttempts):
            return []
        attempts, first = record.attempts, self.names.attempt(instance_id, path, 1)
        oldest = self.names.attempt(instance_id, path, max(1, attempts.earlier - ATTEMPTS_KEPT + 1))
        newest = self.names.attempt(instance_id, path, attempts.earlier)
        found = [item for _, item in self.items.query(first.key, first=oldest.sort, last=newest.sort)]
        Overflow(self.items, self.names, instance_id).fill(found)
        texts = [*(str(item["attempt"]) for item in found), *attempts.texts()]
        return [json.loads(text) for text in texts[-ATTEMPTS_KEPT:]]

    def get_logs(self, instance_id: str, paths: Sequence[str], *, last: int | None = None) -> dict[str, list[str]]:
        """Log lines by path, oldest first."""
        state = self._read(instance_id, paths)
        logs: dict[str, list[str]] = {}
        for path in paths:
            record = None if state is None else state.records.get(path)
            lines = None if record is None else record.logs
            if not isinstance(lines, StoredLogs) or last == 0:
                logs[path] = []
                continue
            most = LOG_LINES_KEPT if last is None else min(last, LOG_LINES_KEPT)
            logs[path] = read_log(self.items, self.names, instance_id, path, lines.began, most)
        return logs

    def _read(self, instance_id: str, paths: Sequence[str]) -> StoredState | None:
        """A state with some records, as of about now."""

        def read(state: State | None) -> StoredState | None:
            if state is not None:
                cast(StoredState, state).stored.read(list(paths))
            return cast("StoredState | None", state)

        for _ in self._patiently():
            with contextlib.suppress(Replaced):
                return read(self._load(instance_id, paths))
        raise AssertionError("patience ends with an error")

    # -- events ------------------------------------------------------------------------------

    def events(self, instance_id: str, since: int) -> list[Event] | None:
        """The events after number ``since``, in order; None when some of them are no longer kept."""
        key = self.names.of("workflowEvents_", instance_id)
        for _ in range(2):
            found = list(self.items.query(key, first=numbered(max(since, 0) + 1), last=LAST))
            if found:
                return self._in_order(instance_id, since, found)
            header = self._standing_of([instance_id]).get(instance_id, {})
            if "deletedAt" in header:
                return self._last_word(header, since)
            if "seq" not in header or int(json.loads(str(header["seq"]))) <= since:
                return []
            # Written between the two looks, or no longer kept.
        return None

    def _in_order(self, instance_id: str, since: int, found: list[tuple[str, Attributes]]) -> list[Event] | None:
        try:
            Overflow(self.items, self.names, instance_id).fill([item for _, item in found])
        except Replaced:
            return None
        events = [Event.parse(int(sort), str(item["e"])) for sort, item in found]
        whole = all(event.seq == number for number, event in enumerate(events, since + 1))
        return events if whole else None

    def _last_word(self, tombstone: Mapping[str, Any], since: int) -> list[Event] | None:
        last = int(tombstone["last"])
        kept_until = int(json.loads(str(tombstone["deletedAt"]))) + TOMBSTONE_KEPT
        if kept_until <= self.connection.clock() or since >= last:
            return []
        return [Event(last, {"deleted": True})] if since + 1 == last else None

    def latest(self, instance_ids: Sequence[str]) -> dict[str, int | None]:
        """The number of the latest event of each instance, None of those that are not there."""
        found = self._standing_of(instance_ids)
        numbers: dict[str, int | None] = dict.fromkeys(instance_ids)
        for instance_id, header in found.items():
            if "deletedAt" in header:
                kept = int(json.loads(str(header["deletedAt"]))) + TOMBSTONE_KEPT > self.connection.clock()
                numbers[instance_id] = int(cast(int, header["last"])) if kept else None
            else:
                numbers[instance_id] = int(json.loads(str(header["seq"])))
        return numbers

    def _standing_of(self, instance_ids: Sequence[str]) -> dict[str, Attributes]:
        keys = {self.names.header(each): each for each in instance_ids}
        found = self.items.get_many(keys, ["seq", "deletedAt", "last"])
        return {keys[at]: item for at, item in found.items()}

    def wait_events(self, instance_id: str, since: int, timeout: float) -> list[Event] | None:
        """Like ``events``, but waits up to ``timeout`` seconds for the first one; [] when none came."""
        live.wait(lambda: self.latest([instance_id])[instance_id], since, timeout)
        return self.events(instance_id, since)

    def subscribe(self) -> Subscription:
        """A new subscription, to be used from the running event loop."""
        return live.PollingSubscription(self.latest, self.events, prompt=self._prompt())

    @abstractmethod
    def _prompt(self) -> Subscription | None:
        """What brings events sooner than asking for them does; None where nothing is configured."""


def _merge(view: dict[str, Any], change: Mapping[str, Any]) -> None:
    known = {name: value for name, value in change.items() if name in TASK_VIEW}
    view.update(known)
    if "bodySize" in known and "body" not in known:
        view.pop("body", None)
