"""The handle that a task function receives: its context, and what it may say while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from jobs_flow.errors import InvalidArgument, StorageUnavailable, kind_of
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Grip
from jobs_flow.workflows import updaters
from jobs_flow.workflows.json import printable

logger = logging.getLogger("jobs_flow.engine")

#: Progress of a task is written at most so often a second, after a burst of as many: a loop that
#: reports each of a million rows must not make a million round trips.
PROGRESS_RATE = 20
#: Log lines that go into one event.
LINES_A_WRITE = 200
#: Characters kept of one log line and of a progress text.
LINE_LIMIT = 8_192
#: Seconds between two questions to the storage whether the task was asked to stop.
CHECK_INTERVAL = 0.5


class Failure(Exception):
    """Fails a task with a value instead of a message: ``raise Failure({"rows": 3})``.

    The value is the failed record's body (feature S48) and must be JSON.
    """

    def __init__(self, payload: Any, message: str = "") -> None:
        super().__init__(message or (payload if isinstance(payload, str) else "the task failed"))
        self.payload = payload


class Cancelled(BaseException):
    """The task was asked to stop, or is no longer held by this process.

    Raised in the task's function by what it calls on its job. Not an ``Exception``, so that code which goes
    on after any error does not go on after this one: use ``finally`` to tidy up, and let it through.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} was stopped: {reason}")
        self.path = path
        self.reason = reason


class Job:
    """One execution of one task. ``job.<dest>`` reads the context member ``dest``."""

    def __init__(
        self,
        *,
        storage: Storage,
        workflow_id: str,
        path: str,
        run: int,
        token: str,
        attempt: int,
        context: dict[str, Any],
        reports: bool = True,
    ) -> None:
        self.workflow_id = workflow_id
        self.path = path
        self.run = run
        #: 1 for the first execution of the task in this run, retried or not.
        self.attempt = attempt
        #: The context; changes made to it stay in this execution.
        self.context = context
        self._storage = storage
        self._token = token
        self._record = (workflow_id, path, run)
        #: Whether there is a running task to report of: an ``undo`` function has none.
        self._reports = reports
        self._updaters: list[dict[str, Any]] = []
        self._grip = Grip.HELD
        self._checked = time.monotonic()
        self._allowance = float(PROGRESS_RATE)
        self._refilled = time.monotonic()

    @property
    def previous_context(self) -> Mapping[str, Any]:
        """The context as the task received it, read-only (feature S29)."""
        return MappingProxyType(self.context)

    @property
    def cancelled(self) -> bool:
        """Whether the task should stop: it was cancelled, or somebody else has taken it over.

        A task that returns after it has seen this is recorded as cancelled. Asks the storage twice a second
        at most.
        """
        now = time.monotonic()
        if self._reports and self._grip is Grip.HELD and now - self._checked >= CHECK_INTERVAL:
            self._checked = now
            try:
                self._grip = self._storage.grip(*self._record, token=self._token)
            except StorageUnavailable as error:
                logger.warning("%s %s: whether it was cancelled is not known: %s", *self._record[:2], kind_of(error))
        return self._grip is not Grip.HELD

    def heartbeat(self) -> None:
        """Raise ``Cancelled`` when the task should stop; cheap enough for any loop."""
        if self.cancelled:
            self._stop()

    def update_context(self, updater: Mapping[str, Any]) -> None:
        """Change the context of this and of all later tasks, by updaters (``workflows/updaters.py``).

        ``job.update_context({"rows": {"$push": [3]}, "seen": {"$set": True}})``. The change is recorded when the
        task is ok, and made again for each task that sees this one's results. Raises ``InvalidUpdater``, and
        changes nothing, for one that is not valid or does not fit what is there.
        """
        checked = updaters.check(updater)
        changed = updaters.apply(self.context, checked)
        self.context.clear()
        self.context.update(changed)
        self._updaters.append(checked)

    @property
    def stopped(self) -> bool:
        """Whether the task has been told, by anything it called, that it should stop."""
        return self._grip is not Grip.HELD

    @property
    def recorded_updaters(self) -> list[dict[str, Any]]:
        """What ``update_context`` was called with."""
        return list(self._updaters)

    def progress(self, value: float | str | None = None, text: str | None = None) -> None:
        """Say how far the task is: a share from 0 to 1, a step's name, or both.

        ``job.progress(0.3)``, ``job.progress("plotting")``, ``job.progress(0.3, "plotting")``. Raises
        ``InvalidArgument`` outside 0 to 1, and ``Cancelled`` when the task should stop. Writes above about 20
        a second are left out.
        """
        if isinstance(value, str):
            value, text = None, value
        if value is not None:
            value = _share(value)
        if value is None and text is None:
            return
        if self._may_write() or value == 1:
            kept = None if text is None else printable(str(text)[:LINE_LIMIT])
            self._write(partial(self._storage.set_progress, *self._record, token=self._token, value=value, text=kept))

    def log(self, *lines: object) -> None:
        """Append lines to the task's log. Text with line breaks becomes several lines.

        Raises ``Cancelled`` when the task should stop.
        """
        split = [printable(part[:LINE_LIMIT]) for line in lines for part in str(line).splitlines() or [""]]
        for start in range(0, len(split), LINES_A_WRITE):
            some = split[start : start + LINES_A_WRITE]
            self._write(partial(self._storage.append_logs, *self._record, token=self._token, lines=some))

    def __getattr__(self, name: str) -> Any:
        context = self.__dict__.get("context")
        if context is not None and name in context:
            return context[name]
        raise AttributeError(f"the job of {self.__dict__.get('path')} has no {name!r} in its context")

    def _may_write(self) -> bool:
        now = time.monotonic()
        self._allowance = min(PROGRESS_RATE, self._allowance + (now - self._refilled) * PROGRESS_RATE)
        self._refilled = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _write(self, write: Callable[[], Grip]) -> None:
        if not self._reports:
            return
        # A report that is lost costs a watcher a line; failing the task for it would cost its work.
        try:
            self._grip = write()
        except StorageUnavailable as error:
            logger.warning("%s %s: a report was lost: %s", self.workflow_id, self.path, kind_of(error))
        if self._grip is not Grip.HELD:
            self._stop()

    def _stop(self) -> None:
        reason = "it was cancelled" if self._grip is Grip.CANCELLED else "it is no longer this process's task"
        raise Cancelled(self.path, reason)


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidArgument(argument="progress", reason=f"it is a number from 0 to 1, not {value!r}")
    return float(value)
