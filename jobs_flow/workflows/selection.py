"""Plan and statuses -> which paths a run executes: all, from a path on, or one.

The same functions give the preview: what they return is what would run, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobs_flow.workflows import paths
from jobs_flow.workflows.flow import RunSelection
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import PASSED, TaskStatus


class Blocked(Exception):
    """``path`` may not start because ``blocking`` has not passed; ``status`` is what it has instead."""

    def __init__(self, path: str, blocking: str, status: str) -> None:
        super().__init__(f"{path} waits for {blocking}, which is {status}")
        self.path, self.blocking, self.status = path, blocking, status


def select_all(plan: Plan, argument: str | None = None) -> RunSelection:
    """Every task, from the first on (feature S43)."""
    return RunSelection(
        paths=tuple(plan.nodes),
        heads=plan.roots[:1],
        joins=_joins(plan, plan.nodes),
        argument=argument,
    )


def select_from(plan: Plan, path: str, statuses: Mapping[str, str], argument: str | None = None) -> RunSelection:
    """The block of ``path`` and every root task after it (feature S44). Raises ``Blocked``."""
    if path == paths.ROOT:
        return select_all(plan, argument)
    _gate(plan, path, statuses)
    selected = [path, *plan.descendants(path)]
    following = plan.nodes[path].following
    while following is not None:
        selected += [following, *plan.descendants(following)]
        following = plan.nodes[following].following
    joins = dict.fromkeys(plan.ancestors(path), 1)
    if joins:
        # The siblings do not run again, yet the flow goes on after the block: they must have passed.
        for sibling in _outside(plan, path):
            _check(path, sibling, statuses, plan)
    return RunSelection(tuple(selected), (path,), {**joins, **_joins(plan, selected)}, argument)


def select_one(plan: Plan, path: str, statuses: Mapping[str, str], argument: str | None = None) -> RunSelection:
    """This task alone; what ran before it is used, not run again (feature S20). Raises ``Blocked``."""
    _gate(plan, path, statuses)
    return RunSelection((path,), (path,), dict.fromkeys(plan.ancestors(path), 1), argument)


def _joins(plan: Plan, selected: Iterable[str]) -> dict[str, int]:
    return {path: len(plan.nodes[path].children) for path in selected if plan.nodes[path].children}


def _outside(plan: Plan, path: str) -> Iterable[str]:
    """The rest of the outermost block around ``path``."""
    above = list(plan.ancestors(path))
    inside = {path, *above, *plan.descendants(path)}
    return (other for other in plan.descendants(above[-1]) if other not in inside)


def _gate(plan: Plan, path: str, statuses: Mapping[str, str]) -> None:
    for earlier in plan.earlier(path):
        _check(path, earlier, statuses, plan)


def _check(path: str, other: str, statuses: Mapping[str, str], plan: Plan) -> None:
    status = statuses.get(other, TaskStatus.INACTIVE)
    if status in PASSED:
        return
    if status in (TaskStatus.FAILED, TaskStatus.CANCELLED):
        tolerant = [other, *plan.ancestors(other)]
        if any(plan.nodes[above].task.on_failure == "continue" for above in tolerant):
            return
    raise Blocked(path, other, status)
