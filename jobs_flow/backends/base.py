"""The contract of a backend: whoever executes the tasks that a transition queued."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jobs_flow.backends.policy import Policy
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
    #: The lane in which the heads are known to wait; counts where the plan, without the code, does not say.
    lane: str | None = None


class Backend(ABC):
    """Executes steps."""

    name: str

    @abstractmethod
    def install(self, runtime: Runtime) -> None:
        """Be ready to execute with ``runtime``; connects to nothing."""

    @abstractmethod
    def dispatch(self, work: Dispatch) -> None:
        """Have the heads, and what follows them, executed. Raises ``BrokerUnavailable`` or ``CannotPublish``."""

    def dispatch_undo(self, instance_id: str, run: int) -> None:
        """Have ``run_undo`` called for the instance. Raises as ``dispatch`` does."""
        raise NotImplementedError(f"the {self.name} backend cannot undo")

    @property
    @abstractmethod
    def default_storage(self) -> str | None:
        """The storage URL that the backend's configuration names, if any."""

    @property
    def default_bodies(self) -> str | None:
        """The URL of an external store of large values that the backend's configuration names, if any."""
        return None

    @property
    def policy(self) -> Policy:
        """The policy that its configuration gives."""
        return Policy()

    def lane_of(self, plan: Plan, path: str) -> str:
        """The lane in which the message of a task waits (``storages.records.Lane``); the same in every process."""
        return ""

    def drained(self, lane: str) -> bool:
        """Whether no message waits in the queue of a lane. Raises ``BrokerUnavailable``."""
        return True

    def revoke(  # noqa: B027 - there may be nothing to do
        self, instance_id: str, run: int, paths: Collection[str]
    ) -> None:
        """Have workers drop the messages of these tasks. A fast path: the record decides. Raises nothing."""

    def canvas(self, instance_id: str, plan: Plan, run: int) -> Any:
        """The whole run as something users compose. Raises ``NotImplementedError`` where there is none."""
        raise NotImplementedError(f"the {self.name} backend has no canvas")
