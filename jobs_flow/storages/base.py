"""The contract of a storage: a few atomic operations on the records of workflow instances.

Guarantees that every storage gives (``tests/conformance`` proves them for each):

- Each method that changes something is atomic: its whole effect and its event are visible, or nothing is.
- Transitions compare and set. A write whose run, status or token does not match changes nothing and says so.
- An answer that is lost on the way and asked for again is the same answer, and nothing is written twice.
- Sequence numbers of an instance's events are 1, 2, 3 … without gap, in the order of the transitions.
- Times come from one clock per instance (the server's, where there is one) and never go back.
- Timers (leases, retries, time-outs) run on the storage's clock, and what a transition makes due is written
  with it, so that it comes due whatever dies afterwards.
- Nothing is written to an instance that was deleted.
- Every method raises ``StorageUnavailable`` when the storage cannot be reached, and no driver error.

Tokens: whoever is granted a task holds it under a fencing token of its choice. In ``complete``, ``retry`` and
``lose`` a token that ends in ``*`` stands for any that begins so: a worker's main process does not know
the tokens of its children, but what they begin with.

The methods are synchronous: they run in workers. Web processes call them in a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from jobs_flow.storages.records import (
    Claim,
    Completed,
    Due,
    Event,
    Flow,
    Grip,
    Hold,
    Input,
    Instance,
    JsonText,
    Lane,
    Loss,
    NewInstance,
    Outcome,
    Queued,
    RunSelection,
    Snapshot,
    Started,
    UndoClaim,
    Undone,
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

        Raises ``InstanceExists`` and changes nothing when the id is taken, or when an instance of the same
        workflow and realm has the same key: the error's ``instance_id`` is that of the one that is there. Writes
        event 1 (``reset``).
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
        """The description the instance was created with, or last updated to; None without one."""

    @abstractmethod
    def find_key(self, workflow: str, key: str, *, realm: str = "") -> str | None:
        """The id of the instance of this workflow and realm that has ``key``, or None."""

    @abstractmethod
    def update_instance(self, new: NewInstance, *, revision: int) -> Instance | None:
        """Give an instance another workflow, data, base context, name or tree; revision up.

        None and no change when its revision is not ``revision``. Records of paths that stay are kept as they
        are, those of new paths are ``inactive``, those of missing paths go with their logs and attempts.
        Id, realm, key and ephemeral stay whatever ``new`` says. Event: ``reset`` and ``tree``.

        Raises ``InstanceNotFound``; ``InstanceBusy`` when it is working and its paths would change.
        """

    @abstractmethod
    def delete_instance(self, instance_id: str) -> Instance | None:
        """Remove an instance with all that was written for it; its last header, None for all but the first caller.

        The event ``deleted`` reaches subscribers, ends ``wait_events``, and stays readable by ``events`` for
        TOMBSTONE_KEPT. Its key may be used again.
        """

    # -- runs and tasks ----------------------------------------------------------------------

    @abstractmethod
    def start_run(
        self,
        instance_id: str,
        selection: RunSelection,
        *,
        expect_run: int | None = None,
        revision: int | None = None,
        call: str | None = None,
    ) -> Started:
        """Begin a run: number up, status ``working``, selected paths reset, heads ``queued``.

        Reset keeps what there was of the selected paths as an attempt (``get_attempts``), clears body, argument,
        context, updaters, error, times, counters, progress, logs and undo, and marks them with the new run
        number; other records are not touched. ``error``, ``finished_at``, ``paused``, ``cancelled`` and ``undo`` of
        the instance are cleared, ``started_at`` set. An argument of the selection is recorded on
        the heads. Event: ``reset``. Without heads (a workflow of no tasks) the run is over at once: ``done``,
        with the timers of an end (see ``complete``).

        ``call`` names this start: one that has the name of the instance's latest start is answered as that one
        was, and starts nothing.

        Raises ``InstanceNotFound``; ``CannotStart`` (path ``#``) when the instance is ``working``, or when
        ``expect_run`` is given and the run would get another number, or ``revision``, that of the plan the
        paths were selected by, and the instance has another.
        """

    @abstractmethod
    def revert_run(self, instance_id: str, run: int, error: Mapping[str, Any]) -> bool:
        """Undo the start of a run of which nothing was published or claimed.

        When the run is the present one, working, and no selected task is beyond ``queued``: queued
        records go back to ``inactive`` and lose their timers, the instance to ``inactive`` with ``error``; True.
        Else False and nothing changes. The run number stays used, so a message that was published after all is stale.
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
        lease: int,
        timeout: int | None = None,
    ) -> Claim:
        """Take a queued task: status ``running``, ``executionTime`` now, attempt up, token stored.

        ``revision`` is that of the header the caller built its plan from; when it is None or not the
        stored one the answer is ``header`` and nothing changes. Refusals are checked in this order:
        gone, stale (of the instance or the record), header, halted, then by the record's status
        (``inactive``, or queued with a ``retryAt``: early); for a queued one then cancelled, paused. A claim that
        was granted to this very token is granted again: its answer was lost.

        The task leaves its lane, whose mark goes up to when it was queued. The timer ``waiting`` is removed;
        ``lease`` comes due after so many milliseconds unless renewed, ``timeout`` after so many, if given.

        A granted claim carries ``inputs``, one ``Input`` for each path asked for (``status`` of that record; value
        and execution time of the record its ``source`` names: the ``body`` of an ok record, the ``argument`` of
        any other), and the updaters of every task of the instance that has any.
        """

    @abstractmethod
    def renew(self, holds: Sequence[Hold], *, holder: str, lease: int) -> list[Grip]:
        """Extend the leases of running tasks whose tokens begin with ``holder``; what is still held, in order.

        A hold of the path ``#`` is that of whoever undoes the instance: its timer is ``undo``.
        Writes no event. One round trip, whatever their number.
        """

    @abstractmethod
    def grip(self, instance_id: str, path: str, run: int, *, token: str) -> Grip:
        """Whether ``token`` still holds the task; changes nothing."""

    @abstractmethod
    def complete(
        self, instance_id: str, path: str, run: int, *, token: str | None, outcome: Outcome, flow: Flow
    ) -> Completed:
        """Record an outcome once, count it down in its blocks, and queue what follows.

        Needs the record to be ``running`` under ``token``, or with ``token=None`` to be ``queued`` (cancelled, waited
        for too long, cannot be published). The run must be the instance's present run, and the instance
        ``working``. All timers of the record are removed, and it leaves its lane. The same token completing
        once more, because the answer was lost, changes nothing and is answered as before, with those queued
        paths that nobody has claimed since.

        Then, with "selected" meaning that a record carries this run number and is ``inactive``:

        1. The record gets the outcome, ``finishedAt``, ``duration`` (since executionTime, None without
           one) and its log lines; an ok outcome gets progress 1.0. Updaters that are not an empty list are
           kept for later claims. A failure sets the timer ``failed`` at NOTICE_DELAY. The run's first
           failure that neither the task nor a block around it tolerates becomes the instance's
           ``error``: ``{**outcome.error, "path": path}``.
        2. ok: its selected ``flow.children`` are queued; if there was one, that is all.
        3. Skipped, or a failure that the task or a block around it tolerates: the selected part of
           ``flow.subtree`` becomes ``skipped``, with the outcome's source.
        4. The subtree has ended, with as many failures as nothing tolerates. For each of ``flow.joins``,
           innermost first: its counter goes down by one (a block without a counter in this run is passed
           through) and the failures are noted on it; if others are outstanding, stop here. At zero the
           block's own subtree has ended, with all failures noted on it, or none if it tolerates them.
        5. Beyond the outermost block: if failures are left the run is over. Else the heads of the next stage
           are queued, in a run with stages; the selected ``flow.following`` in one without. With nothing left
           to queue, the run is over.
        6. A finished run sets ``finished_at`` and the status: ``cancelled`` if a task is cancelled and
           none failed; ``failed`` if any failure remains that is not tolerated; ``inactive`` if tasks are
           (a run of some tasks only); else ``done``. It sets the timers ``ended`` at NOTICE_DELAY and, for an
           ephemeral instance that is not ``inactive``, ``ephemeral`` at EPHEMERAL_KEPT.

        What is queued enters its lane, and gets the timer ``waiting`` if it may not wait for ever. One event
        with all of it.
        """

    @abstractmethod
    def retry(self, instance_id: str, path: str, run: int, *, token: str, outcome: Outcome, delay: int) -> Completed:
        """Give up this attempt and queue the task again, to be claimed after ``delay`` milliseconds.

        Needs what ``complete`` needs with a token. The attempt is kept as a ``failed`` one with the outcome's
        error; the record's log goes on, the rest of it is as before the attempt, with ``retries`` up, ``retryAt`` and
        the timer ``retry`` set (None and no timer for a delay of 0: then it enters its lane and is in
        ``Completed.queued``, for the caller to publish). The same token once more changes nothing and is answered
        as before. A task that was asked to stop is not queued: it is not recorded, complete it as cancelled.
        """

    @abstractmethod
    def release(self, instance_id: str, path: str, run: int) -> bool:
        """End the delay of a retry: it enters its lane; True for the one caller who is to publish it."""

    @abstractmethod
    def lose(
        self, instance_id: str, path: str, run: int, *, token: str, max_losses: int, error: Mapping[str, Any]
    ) -> Loss:
        """Take a running task from a worker that is gone.

        ``losses`` goes up. Over ``max_losses``: ``poisoned``; asked to stop: ``cancelled``; in both cases the record
        stays held, and the caller completes it with the token (a crash between leaves the lease due). Else the
        attempt is kept as ``lost`` with ``error`` and the record is queued again as by ``retry`` without a delay.
        """

    @abstractmethod
    def cancel(self, instance_id: str, path: str, *, undo: bool = False) -> Instance | None:
        """Ask the present run to stop, at ``path`` and below (``#``: everywhere); the header, None when not working.

        Claims of what is queued are answered ``cancelled`` from now on, and holders find out (``Grip``). ``undo``
        notes on the header that finished tasks are to be undone when the run has ended. Event: ``instance``
        with ``cancelled``. Raises ``InstanceNotFound``.
        """

    @abstractmethod
    def pause(self, instance_id: str, paused: bool) -> Instance:
        """Have claims answered ``paused``, or no longer. Event: ``instance``. Raises ``InstanceNotFound``."""

    @abstractmethod
    def reset(self, instance_id: str, paths: Sequence[str]) -> Instance:
        """Put records back to ``inactive`` as a run does, keeping their attempts; unknown paths are left out.

        The instance becomes ``inactive`` and its error is cleared. Event: ``reset``. Raises ``InstanceNotFound``;
        ``InstanceBusy`` when it is working.
        """

    @abstractmethod
    def set_updaters(self, instance_id: str, path: str, updaters: JsonText) -> bool:
        """Replace the recorded updaters (a JSON list) of an ok task; False, and no change, for any other.

        Event: ``tasks`` with ``updaters`` of the path.
        """

    # -- undoing -----------------------------------------------------------------------------

    @abstractmethod
    def begin_undo(self, instance_id: str, paths: Sequence[str]) -> Started | None:
        """Begin to undo: run number up, ``working``, ``undo`` is ``running``.

        Of ``paths`` those that are ok get ``undo`` ``queued``, to be taken latest ``finishedAt`` first, and of equal
        ones the later of ``paths`` first. The timer ``undo`` is due at once after NOTICE_DELAY. Without any of them:
        None, and ``undo`` is ``done``. Event: ``reset``. Raises ``InstanceNotFound``; ``InstanceBusy``.
        """

    @abstractmethod
    def claim_undo(self, instance_id: str, run: int, *, token: str, worker: str, lease: int) -> UndoClaim:
        """Take the next task to undo: its ``undo`` is ``running``, the timer ``undo`` is due after ``lease``.

        One whose lease has run out is given again, with ``losses`` up. A claim granted to this very token is granted
        again.
        """

    @abstractmethod
    def end_undo(self, instance_id: str, run: int, path: str, *, token: str, error: Mapping[str, Any] | None) -> Undone:
        """Record that a task was undone, or could not be.

        Undone: ``undo`` is ``ok``, its status ``cancelled``, what it was is kept as an attempt; the timer ``undo`` is
        due after NOTICE_DELAY while there are more. An error: ``undo`` is ``failed`` with ``undoError``, the others
        are not undone, the instance is ``failed`` with ``{**error, "path": path}`` and ``undo`` is ``failed``. After
        the last one: ``cancelled``, ``undo`` is ``done``. An end sets the timers that ``complete`` sets.
        """

    # -- timers and lanes: what recovery reads -----------------------------------------------

    @abstractmethod
    def elect(self, role: str, holder: str, ttl: int) -> bool:
        """Become, or stay, the one who has ``role`` for ``ttl`` milliseconds; False while another has it."""

    @abstractmethod
    def resign(self, role: str, holder: str) -> None:
        """Leave a role to others at once, if ``holder`` has it."""

    @abstractmethod
    def due(self, limit: int = 100) -> list[Due]:
        """Timers whose time has come, the earliest first, ``limit`` at most.

        They stay due until what they are about changes (or ``settle``, ``postpone``). Those that no longer apply
        (the task has ended, the instance is gone) are removed here and not given. ``waiting`` of a paused
        instance is put off.
        """

    @abstractmethod
    def next_due(self) -> int | None:
        """Milliseconds until the earliest timer comes due, 0 when one is; None without any."""

    @abstractmethod
    def settle(self, due: Due) -> None:
        """Remove a ``failed``, ``ended`` or ``ephemeral`` timer: it was seen to. Run and token do not matter."""

    @abstractmethod
    def postpone(self, due: Due, delay: int) -> None:
        """Have a timer that exists come due ``delay`` milliseconds from now."""

    @abstractmethod
    def lanes(self) -> list[Lane]:
        """Every lane with queued tasks."""

    @abstractmethod
    def overdue(
        self, lane: str, *, grace: int, drained: bool, limit: int = 100, longest: int | None = None
    ) -> list[Queued]:
        """Take queued tasks whose messages seem lost, to publish them again.

        First in, first out: a task that was queued (last published) more than ``grace`` milliseconds before one
        that somebody has claimed since (the lane's mark) should have been delivered; so should any that was queued
        that long ago when its queue is ``drained``. A smaller difference says nothing: publishing takes its time,
        so messages do not stand in the exact order in which their tasks were queued. Each one given counts as
        published now, and is not given again for ``grace``, then for twice as long each time, up to ``longest``
        (twice ``grace`` if not given); claimed at last, it moves the mark no further than its first message would.
        Entries whose record is not queued any more are removed; those of a paused instance are put off.
        """

    @abstractmethod
    def set_progress(
        self, instance_id: str, path: str, run: int, *, token: str, value: float | None, text: str | None
    ) -> Grip:
        """Record progress of a running task; None leaves that part as it is. ``lost``: nothing was written."""

    @abstractmethod
    def append_logs(self, instance_id: str, path: str, run: int, *, token: str, lines: Sequence[str]) -> Grip:
        """Append log lines of a running task. ``lost``: nothing was written."""

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

    # -- the storage itself ------------------------------------------------------------------

    @abstractmethod
    def ping(self) -> None:
        """Raise ``StorageUnavailable`` if the storage cannot be used."""

    @abstractmethod
    def close(self) -> None:
        """Free connections; the storage may be used again and then opens new ones."""
