"""The contract of a storage: a few atomic operations on the records of workflow instances.

Guarantees that every storage gives (``tests/conformance`` proves them for each):

- Each method that changes something is atomic: its whole effect and its event are visible, or nothing is.
- Transitions compare and set. A write whose run, status or token does not match changes nothing and says so.
- An answer that is lost on the way and asked for again is the same answer, and nothing is written twice.
- Sequence numbers of an instance's events are 1, 2, 3 … without gap, in the order of the transitions.
- Times come from one clock per instance (the server's, where there is one) and never go back.
- Every method raises ``StorageUnavailable`` when the storage cannot be reached, and no driver error.

The methods are synchronous: they run in workers. Web processes call them in a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from jobs_flow.storages.records import (
    Claim,
    Completed,
    Event,
    Flow,
    Input,
    Instance,
    NewInstance,
    Outcome,
    RunSelection,
    Snapshot,
    Started,
)


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


class Storage(ABC):
    """Where records live."""

    #: Shown in errors and on pages; holds no password.
    label: str

    # -- instances ---------------------------------------------------------------------------

    @abstractmethod
    def create_instance(self, new: NewInstance) -> Instance:
        """Write the header and an ``inactive`` record for each path; the instance is ``inactive``.

        Raises ``InstanceExists`` and changes nothing when the id is taken. Writes event 1 (``reset``).
        """

    @abstractmethod
    def get_instance(self, instance_id: str) -> Instance | None:
        """The header, or None."""

    @abstractmethod
    def get_instances(self, instance_ids: Sequence[str]) -> list[Instance | None]:
        """The headers in the order asked for, in one round trip."""

    @abstractmethod
    def list_ids(self, *, realm: str | None = None, after: str | None = None, limit: int = 100) -> list[str]:
        """Ids in order of creation, newest first; ``after`` is the last id of the previous page."""

    @abstractmethod
    def get_tree(self, instance_id: str) -> list[dict[str, Any]] | None:
        """The description the instance was created with, or None."""

    # -- runs and tasks ----------------------------------------------------------------------

    @abstractmethod
    def start_run(self, instance_id: str, selection: RunSelection, *, expect_run: int | None = None) -> Started:
        """Begin a run: number up, status ``working``, selected paths reset, heads ``queued``.

        Reset clears body, argument, context, error, times, progress and logs of the selected paths
        and marks them with the new run number; other records keep theirs. ``error``, ``finished_at`` of the instance
        are cleared, ``started_at`` set. An argument of the selection is recorded on the heads. Event: ``reset``.
        Without heads (a workflow of no tasks) the run is over at once: ``done``.

        Raises ``InstanceNotFound``; ``CannotStart`` (path ``#``) when the instance is ``working``, or when
        ``expect_run`` is given and the run would get another number.
        """

    @abstractmethod
    def revert_run(self, instance_id: str, run: int, error: Mapping[str, Any]) -> bool:
        """Undo the start of a run of which nothing was published or claimed.

        When the run is the present one, working, and no selected task is beyond ``queued``: queued
        records go back to ``inactive``, the instance to ``inactive`` with ``error``; True. Else False and
        nothing changes. The run number stays used, so a message that was published after all is stale.
        """

    @abstractmethod
    def claim(
        self,
        instance_id: str,
        path: str,
        run: int,
        *,
        token: str,
        worker: str,
        revision: int | None,
        inputs: Sequence[str],
    ) -> Claim:
        """Take a queued task: status ``running``, ``executionTime`` now, attempt up, token stored.

        ``revision`` is that of the header the caller built its plan from; when it is None or not the
        stored one the answer is ``header`` and nothing changes. Refusals are checked in this order:
        gone, stale (of the instance or the record), header, halted, then by the record's status
        (``inactive``: early). A claim that was granted to this very token is granted again: its answer
        was lost. A granted claim carries ``inputs``, one ``Input`` for each path asked for (``status`` of
        that record; value and execution time of the record its ``source`` names: the ``body`` of an ok
        record, the ``argument`` of any other).
        """

    @abstractmethod
    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        """Record an outcome once, count it down in its blocks, and queue what follows.

        Needs the record to be ``running`` under ``token``. With ``token=None`` (a signal reports what the
        step cannot) it may be ``queued`` or ``running`` under any token. The run must be the instance's
        present run, and the instance ``working``. The same token completing once more, because the answer
        was lost, changes nothing and is answered as before, with those queued paths that nobody has
        claimed since.

        Then, with "selected" meaning that a record carries this run number and is ``inactive``:

        1. The record gets the outcome, ``finishedAt``, ``duration`` (since executionTime, None without
           one) and its log lines; an ok outcome gets progress 1.0. The run's first failure that neither
           the task nor a block around it tolerates becomes the instance's ``error``:
           ``{**outcome.error, "path": path}``.
        2. ok: its selected ``flow.children`` are queued; if there was one, that is all.
        3. Skipped, or a failure that the task or a block around it tolerates: the selected part of
           ``flow.subtree`` becomes ``skipped``, with the outcome's source.
        4. The subtree has ended, with as many failures as nothing tolerates. For each of ``flow.joins``,
           innermost first: its counter goes down by one (a block without a counter in this run is passed
           through) and the failures are noted on it; if others are outstanding, stop here. At zero the
           block's own subtree has ended, with all failures noted on it, or none if it tolerates them.
        5. Beyond the outermost block: if failures are left, or there is no selected ``flow.following``,
           the run is over; else that path is queued.
        6. A finished run sets ``finished_at`` and the status: ``cancelled`` if a task is cancelled and
           none failed; ``failed`` if any failure remains that is not tolerated; ``inactive`` if tasks are
           (a run of some tasks only); else ``done``.

        One event with all of it.
        """

    @abstractmethod
    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> bool:
        """Record progress of a running task; None leaves that part as it is. False: not held by ``token``."""

    @abstractmethod
    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> bool:
        """Append log lines of a running task. False: not held by ``token``, nothing written."""

    @abstractmethod
    def add_event(self, instance_id: str, data: Mapping[str, Any]) -> int | None:
        """Append an event that changes no record (``error``); its number, None without such an instance."""

    # -- reading -----------------------------------------------------------------------------

    @abstractmethod
    def snapshot(self, instance_id: str) -> Snapshot | None:
        """Header, tree and all task views as of one sequence number."""

    @abstractmethod
    def get_task(self, instance_id: str, path: str) -> dict[str, Any] | None:
        """One record, decoded: TASK_VIEW (with the body whatever its size) and TASK_DETAILS; None without it."""

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

    # -- the storage itself ------------------------------------------------------------------

    @abstractmethod
    def ping(self) -> None:
        """Raise ``StorageUnavailable`` if the storage cannot be used."""

    @abstractmethod
    def close(self) -> None:
        """Free connections; the storage may be used again and then opens new ones."""
