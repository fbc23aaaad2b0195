"""Runs and tasks: the part of the contract of a storage that moves an instance forward. See ``base``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from jobs_flow.storages.records import (
    Claim,
    Completed,
    Flow,
    Grip,
    Hold,
    Instance,
    JsonText,
    Loss,
    Outcome,
    RunSelection,
    Started,
)


class Runs(ABC):
    """Transitions of runs and of their tasks."""

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
           (a run of some tasks only); else ``done``. It sets the timer ``ended`` at NOTICE_DELAY and, unless the
           status is ``inactive``, for an ephemeral instance ``ephemeral`` at EPHEMERAL_KEPT, for any other whose run
           was started with ``keep`` ``expired`` at that. A start, a reset and the begin of an undo remove both.

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

        Event: ``tasks`` with ``updaters`` of the path, None for those that a reference stands for.
        """

    # -- while a task runs -------------------------------------------------------------------

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
