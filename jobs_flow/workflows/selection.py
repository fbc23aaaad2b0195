"""Plan and statuses -> which paths a run executes: all, one, from a path on, or what a resume has to do.

The same functions give the preview: what they return is what would run, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from jobs_flow.errors import InvalidArgument
from jobs_flow.workflows import paths
from jobs_flow.workflows.flow import RunSelection
from jobs_flow.workflows.freshness import stale
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import PASSED, TaskStatus

#: What a resume executes: the tasks that failed or never ran; those and all that comes after them; everything.
RESUME_MODES = ("failed", "failed_and_downstream", "all")

#: Start of each execution by path (``executionTime``), None or absent for a task that was never executed.
Times = Mapping[str, int | None]


class Blocked(Exception):
    """``path`` may not start because ``blocking`` has not passed; ``status`` is what it has instead.

    ``stale`` is such a status: what ``blocking`` was built on has been executed again since.
    """

    def __init__(self, path: str, blocking: str, status: str) -> None:
        super().__init__(f"{path} waits for {blocking}, which is {status}")
        self.path, self.blocking, self.status = path, blocking, status


class NothingToResume(Exception):
    """Every task has passed, so a resume would execute nothing."""


def select_all(plan: Plan, argument: str | None = None) -> RunSelection:
    """Every task, from the first on (feature S43)."""
    return RunSelection(
        paths=tuple(plan.nodes),
        heads=plan.roots[:1],
        joins=_joins(plan, plan.nodes),
        argument=argument,
    )


def select_from(
    plan: Plan, path: str, statuses: Mapping[str, str], argument: str | None = None, *, times: Times | None = None
) -> RunSelection:
    """The block of ``path`` and every root task after it (feature S44).

    Raises ``Blocked`` when a task that it builds on has not passed or, given ``times``, is stale. Inside a
    block that holds for the rest of the block too, since the flow goes on with it.
    """
    if path == paths.ROOT:
        return select_all(plan, argument)
    selected = [*subtree(plan, path)]
    following = plan.nodes[path].following
    while following is not None:
        selected += subtree(plan, following)
        following = plan.nodes[following].following
    joins = dict.fromkeys(plan.ancestors(path), 1)
    needed = list(plan.earlier(path))
    if joins:
        # The siblings do not run again, yet the flow goes on after the block: they must have passed.
        needed += _outside(plan, path)
    _gate(plan, path, needed, statuses, times)
    return RunSelection(tuple(selected), (path,), {**joins, **_joins(plan, selected)}, argument)


def select_one(
    plan: Plan, path: str, statuses: Mapping[str, str], argument: str | None = None, *, times: Times | None = None
) -> RunSelection:
    """This task alone; what ran before it is used, not run again (feature S20).

    Raises ``Blocked`` when a task that it builds on has not passed (S21) or, given ``times``, is stale (S22).
    """
    _gate(plan, path, list(plan.earlier(path)), statuses, times)
    return RunSelection((path,), (path,), dict.fromkeys(plan.ancestors(path), 1), argument)


def select_resume(
    plan: Plan, statuses: Mapping[str, str], mode: str, argument: str | None = None, *, times: Times | None = None
) -> RunSelection:
    """What it takes to bring an instance to its end, in one of RESUME_MODES, or from a path on.

    ``failed``: the tasks that failed, were cancelled or have not run, and what was skipped below one of them;
    nothing that is ok. ``failed_and_downstream``: those, what is below them, and every root block after the
    first of them. ``all``: ``select_all``. A path: ``select_from``. Tasks that are queued or running count as not
    run. ``argument`` is given to every head.

    Raises ``NothingToResume``; ``InvalidArgument`` for another mode; ``Blocked`` as ``select_from`` does, and in
    mode ``failed`` when a task that is ok stands between two nested ones that have to run: it was built on what the
    outer one gave before, so it is ``stale``, and the inner one cannot wait for both.
    """
    if mode == "all":
        selection = select_all(plan, argument)
    elif str(mode).startswith(paths.ROOT):
        selection = select_from(plan, mode, statuses, argument, times=times)
    elif mode in RESUME_MODES:
        selected = _to_run(plan, statuses)
        if mode == "failed":
            _refuse_gaps(plan, selected)
        else:
            selected = _with_downstream(plan, selected)
        selection = _compose(plan, selected, argument)
    else:
        raise InvalidArgument(argument="mode", reason=f"it is a path or one of {', '.join(RESUME_MODES)}, not {mode!r}")
    if not selection.paths:
        raise NothingToResume("every task has passed")
    return selection


def subtree(plan: Plan, path: str) -> tuple[str, ...]:
    """``path`` and all below it, in pre-order; every path for ``#``."""
    return tuple(plan.nodes) if path == paths.ROOT else (path, *plan.descendants(path))


def _to_run(plan: Plan, statuses: Mapping[str, str]) -> set[str]:
    """The paths that have not passed, and those that were skipped around or together with them."""
    known = {path: statuses.get(path, TaskStatus.INACTIVE) for path in plan.nodes}
    selected: set[str] = set()
    holding: set[str] = set()
    # Against the order of declaration a path comes before its parent.
    for path, node in reversed(list(plan.nodes.items())):
        # A task inside a block that was skipped may run only if the block does: its condition decides anew.
        if known[path] not in PASSED or (known[path] == TaskStatus.SKIPPED and path in holding):
            selected.add(path)
            if node.parent is not None:
                holding.add(node.parent)
    for path, node in plan.nodes.items():
        if known[path] == TaskStatus.SKIPPED and node.parent in selected:
            selected.add(path)
    return selected


def _with_downstream(plan: Plan, selected: Collection[str]) -> set[str]:
    """``selected``, with what is below each, and every root block after the first that holds one."""
    wider: set[str] = set()
    first: int | None = None
    for path, node in plan.nodes.items():
        if path in selected or node.parent in wider or (first is not None and node.position > first):
            wider.add(path)
            first = node.position if first is None else first
    return wider


def _refuse_gaps(plan: Plan, selected: Collection[str]) -> None:
    """Raise ``Blocked`` for a selected path between which and a selected ancestor another stands.

    The outer one queues what is selected directly below it, and nothing would ever queue the inner one.
    """
    below: set[str] = set()
    for path, node in plan.nodes.items():
        if node.parent in selected or node.parent in below:
            below.add(path)
            if path in selected and node.parent not in selected:
                raise Blocked(path, str(node.parent), "stale")


def _compose(plan: Plan, selected: Collection[str], argument: str | None) -> RunSelection:
    """The run of a set of paths that leaves out nothing between two nested ones."""
    stages: list[list[str]] = []
    position = -1
    for path, node in plan.nodes.items():
        if path not in selected or node.parent in selected:
            continue
        if node.position != position:
            stages.append([])
            position = node.position
        stages[-1].append(path)
    ordered = tuple(path for path in plan.nodes if path in selected)
    joins: dict[str, int] = {}
    holding: set[str] = set()
    # Against the order of declaration a path comes before its parent.
    for path, node in reversed(list(plan.nodes.items())):
        if node.parent is not None and (path in selected or path in holding):
            holding.add(node.parent)
            joins[node.parent] = joins.get(node.parent, 0) + 1
    groups = tuple(map(tuple, stages))
    tail = groups == tuple((root,) for root in plan.roots[len(plan.roots) - len(groups) :])
    return RunSelection(
        paths=ordered,
        heads=groups[0] if groups else (),
        joins=joins,
        argument=argument,
        stages=() if tail else groups,
    )


def _joins(plan: Plan, selected: Iterable[str]) -> dict[str, int]:
    return {path: len(plan.nodes[path].children) for path in selected if plan.nodes[path].children}


def _outside(plan: Plan, path: str) -> Iterable[str]:
    """The rest of the outermost block around ``path``."""
    above = list(plan.ancestors(path))
    inside = {path, *above, *plan.descendants(path)}
    return (other for other in plan.descendants(above[-1]) if other not in inside)


def _gate(plan: Plan, path: str, needed: Collection[str], statuses: Mapping[str, str], times: Times | None) -> None:
    """Raise ``Blocked`` for the first of ``needed`` that has not passed, or else for the first that is stale."""
    for other in needed:
        _check(path, other, statuses, plan)
    outdated = stale(plan, times) if times is not None else {}
    for other in needed:
        if other in outdated:
            raise Blocked(path, other, "stale")


def _check(path: str, other: str, statuses: Mapping[str, str], plan: Plan) -> None:
    status = statuses.get(other, TaskStatus.INACTIVE)
    if status in PASSED:
        return
    if status in (TaskStatus.FAILED, TaskStatus.CANCELLED):
        tolerant = [other, *plan.ancestors(other)]
        if any(plan.nodes[above].task.on_failure == "continue" for above in tolerant):
            return
    raise Blocked(path, other, status)
