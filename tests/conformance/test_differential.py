"""The same random operations on the model and on Redis: every answer, record and event must be the same.

An operation is drawn as a kind and a few small numbers. Which task, run or token it is about is decided by
the model's present records, so that sequences go deep into a workflow instead of being refused at once,
and a failing one still shrinks well.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import Event, Outcome, RunSelection, Snapshot
from jobs_flow.workflows.definition import Task
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.selection import select_all, select_from, select_one
from jobs_flow.workflows.states import TaskStatus, may_follow
from tests.conformance.scenario import Scenario, merge, plain, task

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_JSON_TEXT = st.builds(json.dumps, _JSON, ensure_ascii=st.booleans())

_FAILURE_POLICY = st.sampled_from(["stop", "stop", "continue"])


@st.composite
def _tasks(draw: st.DrawFn, depth: int = 3) -> list[Task]:
    return [
        task(
            name,
            *(draw(_tasks(depth - 1)) if depth > 1 and draw(st.booleans()) else ()),
            on_failure=draw(_FAILURE_POLICY),
        )
        for name in "abc"[: draw(st.integers(1, 3 if depth == 3 else 2))]
    ]


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
    *["report", "report", "progress", "logs", "event", "revert", "inputs", "logs of"],
)


@st.composite
def _ops(draw: st.DrawFn) -> list[Op]:
    """Operations on one instance; the first one starts it."""
    payloads = st.sampled_from(draw(st.lists(_JSON_TEXT, min_size=1, max_size=4)))
    texts = st.sampled_from(draw(st.lists(_TEXT, min_size=1, max_size=3)))
    statuses = st.sampled_from(["ok", "ok", "ok", "skipped", "failed", "cancelled"])

    def op(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[Op]:
        return st.builds(Op, kinds, st.integers(0, 20), st.integers(0, 19), statuses, payloads, texts)

    return [draw(op(st.just("start"))), *draw(st.lists(op(st.sampled_from(_KINDS)), min_size=10, max_size=50))]


Call = Callable[[Storage], Any]


def selection(plan: Plan, op: Op) -> RunSelection:
    """All tasks, those from a path on, or one."""
    argument = op.payload if op.luck % 2 else None
    path = list(plan.nodes)[op.which % len(plan.nodes)]
    passed = dict.fromkeys(plan.nodes, "ok")
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


def calls(op: Op, plan: Plan, instance_id: str, now: Snapshot) -> list[Call]:
    """The calls that an operation comes to, given the present records."""
    # A step of an instance that is at rest would only be refused: it starts the next run instead.
    kind = "start" if op.kind == "step" and now.instance.status != "working" else op.kind
    statuses = {path: view["status"] for path, view in now.tasks.items()}
    wanted = {"claim": "queued", "step": "queued"}.get(kind, "running")
    candidates = [path for path, status in statuses.items() if status == wanted]
    wrong = {18: "who", 19: "run"}.get(op.luck)
    if not candidates or wrong:
        candidates = list(statuses)
    path = candidates[op.which % len(candidates)]
    run = max(1, now.instance.run - (wrong == "run"))
    token = "other" if wrong == "who" and op.which % 2 else f"token {path}"
    flow = plan.flow(path)
    ended = outcome(plan, path, op)
    revision = None if wrong == "who" and not op.which % 2 else now.instance.revision
    error = {"code": "X", "message": op.text}
    paths = [path, *list(statuses)[: op.which % 4], "#.nobody"]

    def claim(s: Storage) -> Any:
        return s.claim(instance_id, path, run, token=token, worker=op.text, revision=revision, inputs=paths)

    def complete(s: Storage) -> Any:
        return s.complete(instance_id, path, run, token=token, outcome=ended, flow=flow)

    table: dict[str, list[Call]] = {
        "start": [lambda s: s.start_run(instance_id, selection(plan, op), expect_run=run + 1 if wrong else None)],
        "claim": [claim],
        "complete": [complete],
        "step": [claim, complete],
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
    return table[kind]


def answer(storage: Storage, call: Call) -> Any:
    """What the storage says, an error included, without times."""
    try:
        return plain(call(storage))
    except JobsFlowError as error:
        return type(error), getattr(error, "path", None)


def view(storage: Storage, instance_id: str, since: int) -> Any:
    """What a watcher sees: the snapshot, and the events after ``since``."""
    return plain(storage.snapshot(instance_id)), plain(storage.events(instance_id, since))


def records(storage: Storage, instance_id: str, paths: Sequence[str]) -> Any:
    """What only an operator sees: whole records and logs."""
    return [plain(storage.get_task(instance_id, path)) for path in paths], storage.get_logs(instance_id, paths)


def follow(watched: Snapshot, storage: Storage, now: Snapshot) -> None:
    """A watcher who merged the events since ``watched`` has the records of ``now``."""
    events = storage.events(watched.instance.id, watched.seq)
    assert events is not None
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
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(tasks=_tasks(), ops=_ops(), data=_JSON)
    def test_redis_is_the_model(self, redis_storage: Storage, tasks: list[Task], ops: list[Op], data: Any) -> None:
        model, instance_id = MemoryStorage(), uuid.uuid4().hex
        ours, theirs = [Scenario(s, *tasks, instance_id=instance_id, data=data) for s in (model, redis_storage)]
        assert plain(theirs.created) == plain(ours.created)
        for op in ops:
            before = ours.snapshot, theirs.snapshot
            for call in calls(op, ours.plan, instance_id, before[0]):
                said = answer(model, call)
                event(f"{op.kind}: {said.get('state', said.get('recorded', '')) if isinstance(said, dict) else ''}")
                assert answer(redis_storage, call) == said, op
            since = before[0].seq
            assert view(redis_storage, instance_id, since) == view(model, instance_id, since), op
            if op.kind != "report":  # which may say anything of a queued task here, unlike any signal
                legal(before[1], redis_storage.events(instance_id, since) or [])
            follow(before[0], model, ours.snapshot)
            follow(before[1], redis_storage, theirs.snapshot)
        event(f"ends {ours.instance.status}")
        paths = list(ours.plan.nodes)
        assert records(redis_storage, instance_id, paths) == records(model, instance_id, paths)
