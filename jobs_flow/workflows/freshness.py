"""Which tasks rest on a result that has been replaced since (feature S22)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from jobs_flow.workflows.plan import Plan


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
