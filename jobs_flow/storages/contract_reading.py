"""What may be read of an instance: a part of the contract of a storage. See ``base``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from jobs_flow.storages.records import Event, Input, Snapshot


class Subscription(Protocol):
    """Live events of a changing set of instances, for one asyncio event loop.

    Delivery is prompt but may have gaps (a reconnect); whoever needs every event compares sequence
    numbers and fills gaps with ``Storage.events``.
    """

    async def add(self, instance_id: str) -> None:
        """Start receiving; on return no later event of the instance goes unnoticed."""

    async def remove(self, instance_id: str) -> None:
        """Stop receiving."""

    async def next(self) -> tuple[str, Event | None]:
        """The next ``(instance id, event)``; waits for it.

        ``(id, None)``: events of that instance may have been missed (the connection was lost and is
        back), compare sequence numbers. Raises nothing while the server is away: it reconnects.
        """

    async def aclose(self) -> None:
        """Stop, and free the connection."""


class Readable(ABC):
    """Snapshots, records, logs, and the events of an instance."""

    @abstractmethod
    def snapshot(self, instance_id: str) -> Snapshot | None:
        """Header, tree and all task views as of one sequence number."""

    @abstractmethod
    def get_task(self, instance_id: str, path: str) -> dict[str, Any] | None:
        """One record, decoded: TASK_VIEW (with the body whatever its size) and TASK_DETAILS; None without it.

        A payload whose text is that of a ``bodies.Reference`` is given as one.
        """

    @abstractmethod
    def get_figures(self, instance_id: str, paths: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Those of TASK_FIGURES that are asked for, of each of the paths that has a record.

        For who wants little of one record or of very many: no value is read for it. Each record is given as of one
        moment, not all of them as of the same.
        """

    @abstractmethod
    def get_attempts(self, instance_id: str, path: str) -> list[dict[str, Any]]:
        """Earlier attempts at a task (``ATTEMPT_FIELDS``), oldest first; the present one is the record itself."""

    @abstractmethod
    def get_inputs(self, instance_id: str, paths: Sequence[str]) -> dict[str, Input]:
        """What each of the paths hands on, as ``claim`` would give it."""

    @abstractmethod
    def get_logs(self, instance_id: str, paths: Sequence[str], *, last: int | None = None) -> dict[str, list[str]]:
        """Log lines by path, oldest first; the ``last`` so many of each when given."""

    @abstractmethod
    def events(self, instance_id: str, since: int) -> list[Event] | None:
        """The events after number ``since``, in order; None when some of them are no longer kept."""

    @abstractmethod
    def wait_events(self, instance_id: str, since: int, timeout: float) -> list[Event] | None:
        """Like ``events``, but waits up to ``timeout`` seconds for the first one; [] when none came."""

    @abstractmethod
    def subscribe(self) -> Subscription:
        """A new subscription, to be used from the running event loop."""
