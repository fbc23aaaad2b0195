"""The same random operations on the model and on Redis: every answer, record and event must be the same.

An operation is drawn as a kind and a few small numbers. Which task, run or token it is about is decided by
the model's present records, so that sequences go deep into a workflow instead of being refused at once,
and a failing one still shrinks well.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import Due, Event, Hold, NewInstance, Outcome, RunSelection, Snapshot, Waiting
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.selection import Blocked, NothingToResume, select_all, select_from, select_one, select_resume
from jobs_flow.workflows.states import TaskStatus, may_follow
from tests.conformance.scenario import GONE, LEASE, LOST, Scenario, merge, pass_time, plain
from tests.conformance.strategies import declarations

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_JSON_TEXT = st.builds(json.dumps, _JSON, ensure_ascii=st.booleans())


@dataclass(frozen=True)
class Op:
    """One drawn operation."""

    kind: str
    #: Chooses among the candidates for a path.
    which: int
    #: 0 to 19; in the two highest something about the call is wrong.
    luck: int
    status: str
    payload: str
    text: str


#: Listed as often as they shall come.
_KINDS = (
    *["start"] * 2,
    *["claim"] * 3,
    *["complete"] * 3,
    *["step"] * 12,
    *["retry", "release"] * 2,
    *["lose", "cancel", "pause", "unpause"],
    *["reset", "update", "rename", "updaters", "undo"],
    *["undo step"] * 3,
    *["renew", "due", "notice", "overdue", "call"],
    *["report", "report", "progress", "logs", "event", "revert", "inputs", "logs of"],
)

#: Longer than any test: a retry whose time never comes, unless it is released.
LATER = 10_000_000


@st.composite
def _ops(draw: st.DrawFn) -> list[Op]:
    """Operations on one instance; the first one starts it."""
    payloads = st.sampled_from(draw(st.lists(_JSON_TEXT, min_size=1, max_size=4)))
    texts = st.sampled_from(draw(st.lists(_TEXT, min_size=1, max_size=3)))
    statuses = st.sampled_from(["ok", "ok", "ok", "skipped", "failed", "cancelled"])

    def op(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[Op]:
        return st.builds(Op, kinds, st.integers(0, 20), st.integers(0, 19), statuses, payloads, texts)

    return [draw(op(st.just("start"))), *draw(st.lists(op(st.sampled_from(_KINDS)), min_size=20, max_size=60))]


Call = Callable[[Storage], Any]


def selection(plan: Plan, op: Op, now: Snapshot) -> RunSelection:
    """All tasks, those from a path on, one, or those that a resume would run; in lanes of this instance's own."""
    chosen = _selection(plan, op, {path: view["status"] for path, view in now.tasks.items()})
    waiting = {
        path: Waiting(f"slow {now.instance.id}", (GONE, LEASE, None)[op.which % 3]) for path in chosen.paths[::2]
    }
    return dataclasses.replace(chosen, lane=f"lane {now.instance.id}", waiting=waiting)


def _selection(plan: Plan, op: Op, statuses: dict[str, str]) -> RunSelection:
    argument = op.payload if op.luck % 2 else None
    path = list(plan.nodes)[op.which % len(plan.nodes)]
    passed = dict.fromkeys(plan.nodes, "ok")
    if op.luck in (2, 3, 4, 5, 10, 11):
        try:
            return select_resume(plan, statuses, ("failed", "failed_and_downstream")[op.which % 2], argument)
        except (Blocked, NothingToResume):
            pass
    if op.which % 3 == 0 or op.luck < 6:
        return select_all(plan, argument)
    return (select_from if op.which % 3 == 1 else select_one)(plan, path, passed, argument)


def outcome(plan: Plan, path: str, op: Op) -> Outcome:
    """The outcome as a step would report it."""
    tolerated = op.status in ("failed", "cancelled") and plan.nodes[path].task.on_failure == "continue"
    source = path if op.status == "ok" else list(plan.nodes)[op.which % len(plan.nodes)]
    return Outcome(
        op.status,
        body=op.payload if op.status in ("ok", "failed") and op.luck else None,
        source=source if op.luck else None,
        argument=op.payload,
        context=json.dumps({"value": op.text}),
        updaters="[]" if op.which % 2 else None,
        error={"code": "X", "message": op.text} if op.status in ("failed", "cancelled") else None,
        traceback=op.text if op.status == "failed" else None,
        logs=[op.text] if op.which % 2 else [],
        tolerated=tolerated,
    )


def definition(now: Snapshot, plan: Plan, op: Op) -> NewInstance:
    """The instance with its last root task left out, or back in its place."""
    present = [root for root in plan.roots if root in now.tasks]
    kept = plan.roots if len(present) < len(plan.roots) else plan.roots[:-1] or plan.roots
    other = Plan.of(Workflow.parse("scenario", [plan.nodes[root].task for root in kept]))
    header = now.instance
    return NewInstance(
        header.id,
        "scenario",
        {"text": op.text},
        {},
        other.fingerprint,
        other.describe(),
        tuple(other.nodes),
        name=op.text,
    )


def of(instance_id: str, answers: Sequence[Any]) -> list[Any]:
    """What is of the instance; the storage holds others."""
    return sorted((each for each in answers if each.instance_id == instance_id), key=repr)


def lanes(storage: Storage, instance_id: str) -> list[tuple[str, int]]:
    """Lengths of the lanes that are the instance's own."""
    return sorted((lane.name, lane.length) for lane in storage.lanes() if instance_id in lane.name and lane.length)


def overdue(storage: Storage, instance_id: str, name: str) -> list[Any]:
    pass_time(1)
    return of(instance_id, storage.overdue(f"{name} {instance_id}", grace=0, drained=True))


#: What is of use in a run only, and while none is going on.
_OF_A_RUN = frozenset(
    [
        *("claim", "complete", "step", "retry", "release", "lose", "cancel", "renew", "undo step"),
        *("progress", "logs", "report", "overdue"),
    ]
)
_AT_REST = frozenset(["start", "call", "reset", "update", "undo"])


def fitting(op: Op, now: Snapshot) -> str:
    """The kind of an operation; mostly another where it would be refused."""
    if now.instance.status != "working":
        if op.kind in _OF_A_RUN and op.luck < 17:
            return "undo" if op.which % 5 == 0 and now.instance.counts["ok"] else "start"
    elif op.luck < 15:
        if now.instance.undo == "running" and op.kind != "due":
            return "undo step"
        if now.instance.paused and op.kind in _OF_A_RUN and op.which % 2:
            return "unpause"
        if op.kind in _AT_REST or op.kind == "undo step":
            return "step"
    return op.kind


def calls(op: Op, whole: Plan, instance_id: str, now: Snapshot) -> list[Call]:
    """The calls that an operation comes to, given the present records."""
    working = now.instance.status == "working"
    undoing = working and now.instance.undo == "running"
    kind = fitting(op, now)
    statuses = {path: view["status"] for path, view in now.tasks.items()}
    plan = Plan.of(Workflow.parse("scenario", [whole.nodes[root].task for root in whole.roots if root in statuses]))
    wanted = {"claim": "queued", "step": "queued", "release": "queued", "report": "queued", "updaters": "ok"}
    candidates = [path for path, status in statuses.items() if status == wanted.get(kind, "running")]
    wrong = {18: "who", 19: "run"}.get(op.luck)
    # What only a running task admits is asked of a queued one, claimed first, where none runs.
    first = not candidates and not wrong and kind in ("complete", "retry", "lose", "progress", "logs", "cancel")
    if first:
        candidates = [path for path, status in statuses.items() if status == "queued"]
    if not candidates or wrong:
        candidates = list(statuses)
    path = candidates[op.which % len(candidates)]
    run = max(1, now.instance.run - (wrong == "run"))
    token = "other" if wrong == "who" and op.which % 2 else f"token {path}"
    pattern = (token, f"{token[:-1]}*", "*")[op.which % 3]
    flow = dataclasses.replace(plan.flow(path), lane=f"lane {instance_id}")
    ended = outcome(plan, path, op)
    revision = None if wrong == "who" and not op.which % 2 else now.instance.revision
    error = {"code": "X", "message": op.text}
    paths = [path, *list(statuses)[: op.which % 4], "#.nobody"]
    lease = GONE if op.luck in (7, 8) else LEASE
    # In the order in which they ended, by the model's clock, which goes on with each look at it.
    in_order = sorted(statuses, key=lambda each: now.tasks[each]["finishedAt"] or 0)
    to_undo = [each for each, view in now.tasks.items() if view["undo"] in ("queued", "running")]
    undone = [each for each in to_undo if now.tasks[each]["undo"] == "running"] or in_order_of(to_undo, in_order)
    undone_path = undone[0] if undone and not wrong else path
    new = definition(now, whole, op)

    def claim(s: Storage) -> Any:
        timeout = GONE if op.luck == 9 else None
        call = {"token": token, "worker": op.text, "revision": revision, "inputs": paths}
        return s.claim(instance_id, path, run, **call, lease=lease, timeout=timeout)

    def complete(s: Storage) -> Any:
        return s.complete(instance_id, path, run, token=pattern, outcome=ended, flow=flow)

    def start(s: Storage) -> Any:
        return s.start_run(instance_id, selection(plan, op, now), expect_run=run + 1 if wrong else None)

    def start_named(s: Storage) -> Any:
        return s.start_run(instance_id, select_all(plan), call=f"call {op.which % 2}")

    def retry(s: Storage) -> Any:
        delay = LATER if op.luck % 3 == 0 else 0
        return s.retry(instance_id, path, run, token=pattern, outcome=ended, delay=delay)

    def lose(s: Storage) -> Any:
        return s.lose(instance_id, path, run, token=pattern, max_losses=op.which % 3, error=LOST)

    def update(s: Storage) -> Any:
        return s.update_instance(new, revision=now.instance.revision - (wrong == "run"))

    def rename(s: Storage) -> Any:
        same = {"fingerprint": plan.fingerprint, "tree": plan.describe(), "paths": tuple(plan.nodes)}
        return s.update_instance(dataclasses.replace(new, **same), revision=now.instance.revision)

    def end_undo(s: Storage) -> Any:
        failure = error if op.luck in (1, 6) else None
        return s.end_undo(instance_id, run, undone_path, token="other" if wrong == "who" else "undo", error=failure)

    detail = f"{run} {op.status if op.status in ('failed', 'cancelled') else 'done'}"
    notice = Due(*(("failed", instance_id, path, 0, None), ("ended", instance_id, "#", 0, None, detail))[op.which % 2])
    hold = Hold(instance_id, "#" if undoing else path, run)
    table: dict[str, list[Call]] = {
        "start": [start],
        "call": [start_named],
        "claim": [claim],
        "complete": [complete],
        "step": [claim, complete],
        "retry": [retry, retry],
        "release": [lambda s: s.release(instance_id, path, run)],
        "lose": [lose],
        "cancel": [lambda s: s.cancel(instance_id, "#" if op.luck < 3 else path, undo=op.which % 2 == 0)],
        "pause": [lambda s: s.pause(instance_id, True)],
        "unpause": [lambda s: s.pause(instance_id, False)],
        "reset": [lambda s: s.reset(instance_id, paths)],
        "update": [update],
        "rename": [rename],
        "updaters": [lambda s: s.set_updaters(instance_id, path, json.dumps([op.text] if op.which % 3 else []))],
        "undo": [lambda s: s.begin_undo(instance_id, in_order if op.which % 2 else in_order[: op.which % 5])],
        "undo step": [
            lambda s: s.claim_undo(instance_id, run, token=f"undo{'' if op.luck else 2}", worker="w", lease=lease),
            *([end_undo, end_undo] if op.which % 3 else []),
        ],
        "renew": [
            lambda s: s.renew([hold], holder=token[:2] if op.which % 2 else "undo", lease=lease),
            lambda s: s.grip(instance_id, path, run, token=token),
        ],
        "due": [lambda s: of(instance_id, s.due(100_000))],
        "notice": [lambda s: s.postpone(notice, 0), *([lambda s: s.settle(notice)] if op.luck % 3 == 0 else [])],
        "overdue": [lambda s: overdue(s, instance_id, "slow" if op.which % 2 else "lane")],
        "report": [lambda s: s.complete(instance_id, path, run, token=None, outcome=ended, flow=flow)],
        "progress": [
            lambda s: s.set_progress(
                instance_id, path, run, token=token, value=op.luck / 19, text=op.text if op.which % 2 else None
            )
        ],
        "logs": [lambda s: s.append_logs(instance_id, path, run, token=token, lines=[op.text, op.payload])],
        "event": [lambda s: s.add_event(instance_id, {"error": {"type": op.text, "payload": json.loads(op.payload)}})],
        "revert": [lambda s: s.revert_run(instance_id, run, error)],
        "inputs": [lambda s: s.get_inputs(instance_id, paths)],
        "logs of": [lambda s: s.get_logs(instance_id, paths, last=op.luck if op.which % 2 else None)],
    }
    return [claim, *table[kind]] if first else table[kind]


def in_order_of(paths: Sequence[str], order: Sequence[str]) -> list[str]:
    """The paths, those that come last in the order first."""
    return sorted(paths, key=order.index, reverse=True)


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
    return plain(found), storage.get_logs(instance_id, paths)


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


class TestDifferential:
    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(tasks=declarations(), ops=_ops(), data=_JSON)
    def test_redis_is_the_model(self, redis_storage: Storage, tasks: list[Task], ops: list[Op], data: Any) -> None:
        # Its clock goes on with each look, so that it knows of any two events which one was first.
        model, instance_id = MemoryStorage(clock=count(1_000_000).__next__), uuid.uuid4().hex
        ours, theirs = [Scenario(s, *tasks, instance_id=instance_id, data=data) for s in (model, redis_storage)]
        assert plain(theirs.created) == plain(ours.created)
        before = ours.snapshot, theirs.snapshot
        for op in ops:
            for call in calls(op, ours.plan, instance_id, before[0]):
                said = answer(model, call)
                event(f"{fitting(op, before[0])}: {gist(said)}")
                assert answer(redis_storage, call) == said, op
            after = ours.snapshot, theirs.snapshot
            assert plain(after[1]) == plain(after[0]), op
            happened = ours.events(before[0].seq), theirs.events(before[1].seq)
            assert plain(happened[1]) == plain(happened[0]), op
            assert lanes(redis_storage, instance_id) == lanes(model, instance_id), op
            if op.kind != "report":  # which may say anything of a queued task here, unlike any recovery
                legal(before[1], happened[1])
            for each in range(2):
                follow(before[each], happened[each], after[each])
            before = after
        event(f"ends {ours.instance.status}")
        paths = list(ours.plan.nodes)
        assert records(redis_storage, instance_id, paths) == records(model, instance_id, paths)
        due = [of(instance_id, storage.due(100_000)) for storage in (redis_storage, model)]
        assert due[0] == due[1]
        last = ours.instance.seq
        assert plain(redis_storage.delete_instance(instance_id)) == plain(model.delete_instance(instance_id))
        assert redis_storage.events(instance_id, last) == model.events(instance_id, last)
        assert [each for each in redis_storage.due(100_000) if each.instance_id == instance_id] == []
        assert lanes(redis_storage, instance_id) == []
