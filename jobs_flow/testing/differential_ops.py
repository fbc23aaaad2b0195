"""Random operations on one instance, for storages that are to be compared; see ``differential``.

An operation is drawn as a kind and a few small numbers. Which task, run or token it is about is decided by
the model's present records, so that sequences go deep into a workflow instead of being refused at once,
and a failing one still shrinks well.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Due, Hold, NewInstance, Outcome, RunSelection, Snapshot, Waiting
from jobs_flow.testing.scenario import GONE, LEASE, LOST, pass_time
from jobs_flow.workflows.definition import Workflow
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.selection import Blocked, NothingToResume, select_all, select_from, select_one, select_resume

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
JSON_TEXT = st.builds(json.dumps, JSON, ensure_ascii=st.booleans())


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
    *["body", "body", "remove bodies", "attempts of", "lists", "move", "again"],
)

#: Longer than any test: a retry whose time never comes, unless it is released.
LATER = 10_000_000


@st.composite
def histories(draw: st.DrawFn) -> list[Op]:
    """Operations on one instance; the first one starts it."""
    payloads = st.sampled_from(draw(st.lists(JSON_TEXT, min_size=1, max_size=4)))
    texts = st.sampled_from(draw(st.lists(TEXT, min_size=1, max_size=3)))
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
    keep = (None, LATER, GONE)[op.luck % 3]
    return dataclasses.replace(chosen, lane=f"lane {now.instance.id}", waiting=waiting, keep=keep)


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
_AT_REST = frozenset(["start", "call", "reset", "update", "undo", "again"])
#: Read from what may be an index that follows.
INDEXED = frozenset(["due", "overdue", "lists"])


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


def calls(op: Op, whole: Plan, original: NewInstance, now: Snapshot) -> list[Call]:
    """The calls that an operation comes to, given the present records of what was created as ``original``."""
    instance_id = original.id
    working = now.instance.status == "working"
    undoing = working and now.instance.undo == "running"
    kind = fitting(op, now)
    statuses: dict[str, str] = {path: view["status"] for path, view in now.tasks.items()}
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
        call: dict[str, Any] = {"token": token, "worker": op.text, "revision": revision, "inputs": paths}
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
        same: dict[str, Any] = {"fingerprint": plan.fingerprint, "tree": plan.describe(), "paths": tuple(plan.nodes)}
        return s.update_instance(dataclasses.replace(new, **same), revision=now.instance.revision)

    def move(s: Storage) -> Any:
        moved = dataclasses.replace(new, workflow="another" if now.instance.workflow == "scenario" else "scenario")
        return s.update_instance(moved, revision=now.instance.revision)

    def lists(s: Storage) -> Any:
        listed = s.list_ids(realm=original.realm)
        known = original.key or "nobody"
        return listed, [s.find_key(workflow, known, realm=original.realm) for workflow in ("scenario", "another")]

    def body(s: Storage) -> Any:
        added = s.add_body(instance_id, name)
        s.write_chunk(instance_id, name, op.which % 2, op.payload.encode())
        return added, sorted(s.list_bodies(instance_id)), [s.read_chunk(instance_id, name, n) for n in range(3)]

    def remove_bodies(s: Storage) -> Any:
        s.remove_bodies(instance_id, [name, "nobody"])
        return sorted(s.list_bodies(instance_id)), s.read_chunk(instance_id, name, 0)

    def gone(s: Storage) -> Any:
        deleted = s.delete_instance(instance_id), s.delete_instance(instance_id)
        left = s.events(instance_id, now.seq), s.get_task(instance_id, path), s.list_bodies(instance_id)
        return deleted, left, of(instance_id, s.due(100_000))

    def end_undo(s: Storage) -> Any:
        failure = error if op.luck in (1, 6) else None
        return s.end_undo(instance_id, run, undone_path, token="other" if wrong == "who" else "undo", error=failure)

    name = f"body-{op.which % 3}"
    detail = f"{run} {op.status if op.status in ('failed', 'cancelled') else 'done'}"
    notice = (
        Due("failed", instance_id, path, 0, None),
        Due("ended", instance_id, "#", 0, None, detail),
        Due("expired", instance_id, "#", 0, None),
        Due("ephemeral", instance_id, "#", 0, None),
    )[op.which % 4]
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
        "attempts of": [lambda s: [s.get_attempts(instance_id, each) for each in paths]],
        "lists": [lists],
        "move": [move, lists],
        "body": [body],
        "remove bodies": [remove_bodies],
        "again": [gone, lambda s: s.create_instance(original), lists],
        "logs of": [lambda s: s.get_logs(instance_id, paths, last=op.luck if op.which % 2 else None)],
    }
    return [claim, *table[kind]] if first else table[kind]


def in_order_of(paths: Sequence[str], order: Sequence[str]) -> list[str]:
    """The paths, those that come last in the order first."""
    return sorted(paths, key=order.index, reverse=True)
