"""The contract of a backend: whoever executes the tasks that a transition queued."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jobs_flow.backends.runtime import Runtime
from jobs_flow.workflows.plan import Plan


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Queued tasks of one run, to be executed."""

    instance_id: str
    run: int
    plan: Plan
    heads: Sequence[str]
    #: Paths the run may execute, when the caller knows; only spares messages that would be refused.
    selected: Collection[str] | None = None


class Backend(ABC):
    """Executes steps."""

    name: str

    @abstractmethod
    def install(self, runtime: Runtime) -> None:
        """Be ready to execute with ``runtime``; connects to nothing."""

    @abstractmethod
    def dispatch(self, work: Dispatch) -> None:
        """Have the heads, and what follows them, executed. Raises ``BrokerUnavailable`` or ``CannotPublish``."""

    @property
    @abstractmethod
    def default_storage(self) -> str | None:
        """The storage URL that the backend's configuration names, if any."""

    def canvas(self, instance_id: str, plan: Plan, run: int) -> Any:
        """The whole run as something users compose. Raises ``NotImplementedError`` where there is none."""
        raise NotImplementedError(f"the {self.name} backend has no canvas")
