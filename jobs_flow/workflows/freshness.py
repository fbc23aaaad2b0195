"""Which tasks rest on a result that has been replaced since (feature S22)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from jobs_flow.workflows.plan import Plan

#: The revision of an instance that was never updated.
FIRST_REVISION = 1


def stale(plan: Plan, times: Mapping[str, int | None]) -> dict[str, str]:
    """The stale tasks in plan order, each with the nearest predecessor that was executed after it.

    ``times`` are the starts of the latest executions (``executionTime``). A task builds on the tasks around it and
    on every task of the root blocks before its own. One that was never executed is not stale and makes none stale.
    """
    outdated: dict[str, str] = {}
    # Of the blocks before: the tasks after which none was executed later, as falling times (negated, so rising).
    starts: list[int] = []
    latest: list[str] = []
    for root in plan.roots:
        block = (root, *plan.descendants(root))
        # The newest execution at a path and around it, so that most paths need no look at all their ancestors.
        newest: dict[str | None, int | None] = {None: None}
        for path in block:
            own, around = times.get(path), newest[plan.nodes[path].parent]
            newest[path] = around if own is None else own if around is None else max(own, around)
            if own is None:
                continue
            if around is not None and around > own:
                outdated[path] = next(above for above in plan.ancestors(path) if (times.get(above) or 0) > own)
            elif later := bisect_left(starts, -own):
                outdated[path] = latest[later - 1]
        for path in block:
            own = times.get(path)
            if own is None:
                continue
            while starts and -starts[-1] <= own:
                starts.pop()
                latest.pop()
            starts.append(-own)
            latest.append(path)
    return outdated


def builds_on(plan: Plan, path: str) -> tuple[str, ...]:
    """The tasks whose executions decide whether ``path`` is stale, the nearest first."""
    return tuple(reversed(tuple(plan.earlier(path))))


def outdated_by(own: int | None, nearest_first: Iterable[str], times: Mapping[str, int | None]) -> str | None:
    """What ``stale`` says of a task that was executed at ``own``, from the times of what it ``builds_on`` alone."""
    if own is None:
        return None
    return next((other for other in nearest_first if (times.get(other) or 0) > own), None)


def needs_no_look(*, run: int, latest_run: int, revision: int) -> bool:
    """Whether an executed task of run ``run`` is fresh whatever the times of others say; False: they decide.

    It is when its run is the latest and no update has ever changed the order of the tasks (``revision`` is the first):
    in a run a task starts when all that are before it have ended, and nothing was executed after that run.
    """
    return run == latest_run and revision == FIRST_REVISION
