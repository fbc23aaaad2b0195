"""Storages compared: the same random operations, and every answer, record and event must be the same."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import NOTICE_DELAY, TASK_FIGURES, Event, Snapshot
from jobs_flow.testing.differential_ops import INDEXED, JSON, TEXT, Call, Op, calls, fitting, histories, lanes, of
from jobs_flow.testing.lag import something, soon
from jobs_flow.testing.scenario import Scenario, merge, plain
from jobs_flow.testing.strategies import declarations
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.states import TaskStatus, may_follow


def compare(storages: Sequence[Storage], examples: int, *, shrink: bool = True) -> None:
    """Play so many random histories to ``MemoryStorage`` and to the storages, which have to answer as it does.

    Ids are drawn from the first of them; the others have to take them. Nothing is left of the instances. With
    ``shrink`` a history that differs is made as short as it can be, which takes minutes where storages are slow.
    """

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        tasks=declarations(), ops=histories(), data=JSON, key=st.none() | TEXT, ephemeral=st.sampled_from([False, True])
    )
    def play(tasks: list[Task], ops: list[Op], data: Any, key: str | None, ephemeral: bool) -> None:
        # A realm of its own: the storage holds what earlier histories have left, if they failed.
        realm = uuid.uuid4().hex
        instance_id = storages[0].new_id(realm=realm, key=key)
        header = {"instance_id": instance_id, "data": data, "realm": realm, "key": key, "ephemeral": ephemeral}
        # The clock of the model goes on with each look, so that it knows of any two events which one was first.
        model = MemoryStorage(clock=count(1_000_000).__next__)
        ours = Scenario(model, *tasks, **header)
        _Comparison(ours, [Scenario(storage, *tasks, **header) for storage in storages]).play(ops)

    play()


class _Comparison:
    """One history of one instance in the model and in the storages."""

    def __init__(self, ours: Scenario, theirs: Sequence[Scenario]) -> None:
        self.ours = ours
        self.theirs = theirs
        self.id = ours.id
        # In the model no time passes; in the storages notices come due by themselves in the end.
        self._until = time.monotonic() + NOTICE_DELAY / 2000

    def play(self, ops: Sequence[Op]) -> None:
        for each in self.theirs:
            assert plain(each.created) == plain(self.ours.created)
        before = [each.snapshot for each in (self.ours, *self.theirs)]
        for op in ops:
            before = self._step(op, before)
            if time.monotonic() > self._until:
                event("cut short")
                break
        event(f"ends {self.ours.instance.status}")
        self._end()

    def _step(self, op: Op, before: list[Snapshot]) -> list[Snapshot]:
        kind = fitting(op, before[0])
        for call in calls(op, self.ours.plan, self.ours.new, before[0]):
            said = answer(self.ours.storage, call)
            event(f"{kind}: {gist(said)}")
            for each in self.theirs:
                assert _said(each.storage, call, kind, said) == said, (each.storage.label, op)
        after = [each.snapshot for each in (self.ours, *self.theirs)]
        anew = kind == "again"
        happened = [
            each.events(0 if anew else seen.seq) for each, seen in zip((self.ours, *self.theirs), before, strict=True)
        ]
        ours, lengths = self.ours, lanes(self.ours.storage, self.id)
        for number, each in enumerate(self.theirs, 1):
            assert plain(after[number]) == plain(after[0]), (each.storage.label, op)
            assert plain(happened[number]) == plain(happened[0]), (each.storage.label, op)
            assert soon(lanes, each.storage, ours.id) == lengths, (each.storage.label, op)
        for seen, events, now in zip(before, happened, after, strict=True):
            if anew:
                continue
            if op.kind != "report":  # which may say anything of a queued task here, unlike any recovery
                legal(seen, events)
            follow(seen, events, now)
        return after

    def _end(self) -> None:
        ours, paths = self.ours, list(self.ours.plan.nodes)
        found, due = records(ours.storage, self.id, paths), of(self.id, ours.storage.due(100_000))
        last = ours.instance.seq
        deleted = plain(ours.storage.delete_instance(self.id))
        for each in (each.storage for each in self.theirs):
            assert records(each, self.id, paths) == found, each.label
            assert soon(lambda each=each: of(self.id, each.due(100_000))) == due, each.label
            assert plain(each.delete_instance(self.id)) == deleted, each.label
            assert each.events(self.id, last) == ours.storage.events(self.id, last), each.label
            assert soon(lambda each=each: of(self.id, each.due(100_000))) == [], each.label
            assert soon(lanes, each, self.id) == [], each.label
            assert soon(each.list_ids, realm=ours.new.realm) == [], each.label


def _said(storage: Storage, call: Call, kind: str, expected: Any) -> Any:
    """The answer of a storage; of what may be behind, once it is as expected, if it comes to that."""
    if kind == "overdue" and expected:
        return something(lambda: answer(storage, call))
    if kind in INDEXED:
        return soon(lambda: answer(storage, call)).when(lambda said: said == expected)
    return answer(storage, call)


def answer(storage: Storage, call: Call) -> Any:
    """What the storage says, an error included, without times."""
    try:
        return plain(call(storage))
    except JobsFlowError as error:
        return type(error), getattr(error, "path", None)


def gist(said: Any) -> Any:
    """What the statistics of a run count of an answer."""
    if isinstance(said, dict):
        return said.get("state", said.get("recorded", "a header"))
    return said[0] if isinstance(said, tuple) else bool(said) if isinstance(said, list | dict) else said


def records(storage: Storage, instance_id: str, paths: Sequence[str]) -> Any:
    """What only an operator sees: whole records and logs."""
    found = [(storage.get_task(instance_id, path), storage.get_attempts(instance_id, path)) for path in paths]
    figures = storage.get_figures(instance_id, paths, TASK_FIGURES)
    return plain(found), plain(figures), storage.get_logs(instance_id, paths)


def follow(watched: Snapshot, events: Sequence[Event], now: Snapshot) -> None:
    """A watcher who merged the events since ``watched`` has the records of ``now``."""
    if any("reset" in each.data for each in events):
        return
    merged = merge(watched.tasks, events)
    for path, view in now.tasks.items():
        expected = dict(view)
        if "body" not in expected:
            merged[path].pop("body")
        assert merged[path] == expected


def legal(before: Snapshot, events: Sequence[Event]) -> None:
    """Within a run, statuses only change as ``states.TRANSITIONS`` says."""
    statuses = {path: TaskStatus(record["status"]) for path, record in before.tasks.items()}
    for happened in events:
        if "reset" in happened.data:
            return
        for path, change in happened.data.get("tasks", {}).items():
            if "status" in change:
                following = TaskStatus(change["status"])
                assert may_follow(statuses[path], following), (path, statuses[path], following)
                statuses[path] = following
