"""What recovery reads and does: the part of the contract of a storage for what others left. See ``base``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from jobs_flow.storages.records import Due, Lane, Queued, Started, UndoClaim, Undone


class Recoverable(ABC):
    """Undoing, elections, timers and lanes.

    Where timers and lanes are found by an index that follows the records, ``due``, ``next_due``, ``lanes`` and
    ``overdue`` may be a moment behind; what they give is true when they give it.
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
        """Timers whose time has come, the earliest first, ``limit`` at most; ``expired`` only after all others.

        They stay due until what they are about changes (or ``settle``, ``postpone``). Those that no longer apply
        (the task has ended, the instance is gone) are removed here and not given. ``waiting`` of a paused
        instance is put off. ``expired`` may be held back while an ``ended`` of its instance waits.
        """

    @abstractmethod
    def next_due(self) -> int | None:
        """Milliseconds until the earliest timer comes due, 0 when one is; None without any."""

    @abstractmethod
    def settle(self, due: Due) -> None:
        """Remove a ``failed``, ``ended``, ``ephemeral`` or ``expired`` timer: it was seen to, in whatever run."""

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
