"""What a caller asks to be run, as data: so that it can be written down with a transaction and done later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from jobs_flow.errors import CannotStart, InvalidArgument, TaskNotFound
from jobs_flow.storages.records import RunSelection, Snapshot
from jobs_flow.workflows import paths, selection
from jobs_flow.workflows.plan import Plan

#: What ``resume`` may run again besides what has not run.
MODES = ("failed", "failed_and_downstream", "all")


@dataclass(frozen=True, slots=True)
class Start:
    """One run that was asked for."""

    #: ``all``, ``from`` (``path`` on), ``one`` (``path`` alone), ``resume`` (by ``mode``).
    kind: str
    path: str | None = None
    mode: str | None = None
    #: JSON text of an explicit argument; None: none was given.
    argument: str | None = None

    def __post_init__(self) -> None:
        if self.path is not None:
            paths.parse(self.path)
        if self.kind == "resume" and self.mode not in MODES:
            raise InvalidArgument(argument="mode", reason=f"it is one of {', '.join(MODES)}, not {self.mode!r}")

    @classmethod
    def resumption(cls, mode: str, path: str | None) -> Self:
        """What ``Jobs.resume`` asks for."""
        if mode not in MODES:
            raise InvalidArgument(argument="mode", reason=f"it is one of {', '.join(MODES)}, not {mode!r}")
        if path not in (None, paths.ROOT):
            if mode != MODES[0]:
                raise InvalidArgument(argument="mode", reason=f"from {path} on everything runs, so there is no mode")
            return cls("from", path)
        return cls("resume", mode="all" if path == paths.ROOT else mode)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        """What ``to_arguments`` gave."""
        return cls(str(arguments["kind"]), *(arguments.get(name) for name in ("path", "mode", "argument")))

    def to_arguments(self) -> dict[str, Any]:
        """JSON of it."""
        return asdict(self)

    def select(self, plan: Plan, snapshot: Snapshot) -> RunSelection:
        """Which paths run. Raises ``TaskNotFound``, or ``CannotStart`` when an earlier task stands in the way."""
        instance = snapshot.instance
        if self.path is not None and self.path not in plan:
            raise TaskNotFound(instance_id=instance.id, workflow=instance.workflow, path=self.path)
        statuses = {path: str(record["status"]) for path, record in snapshot.tasks.items()}
        times = {path: record["executionTime"] for path, record in snapshot.tasks.items()}
        try:
            match self.kind:
                case "from":
                    return selection.select_from(plan, str(self.path), statuses, self.argument, times=times)
                case "one":
                    return selection.select_one(plan, str(self.path), statuses, self.argument, times=times)
                case "resume":
                    return selection.select_resume(plan, statuses, str(self.mode), self.argument)
            return selection.select_all(plan, self.argument)
        except selection.Blocked as blocked:
            reason = f"{blocked.blocking} comes before it and is {blocked.status}"
            if blocked.status == "stale":
                reason += ": what it builds on was executed again after it. Execute it again first"
            if self.kind == "resume":
                reason += '; mode "failed_and_downstream" runs it again'
            raise CannotStart(
                instance_id=instance.id, path=blocked.path, reason=reason, blocking=blocked.blocking
            ) from None
        except selection.NothingToResume:
            reason = "every task has passed, so there is nothing to resume; with a path it runs again from there"
            raise CannotStart(instance_id=instance.id, path=paths.ROOT, reason=reason) from None
