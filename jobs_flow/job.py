"""The handle that a task function receives: its context, and what it may say while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from jobs_flow.errors import InvalidArgument, StorageUnavailable
from jobs_flow.storages.base import Storage
from jobs_flow.workflows.json import printable

logger = logging.getLogger("jobs_flow.engine")

#: Progress of a task is written at most so often a second, after a burst of as many: a loop that
#: reports each of a million rows must not make a million round trips.
PROGRESS_RATE = 20
#: Log lines that go into one event.
LINES_A_WRITE = 200
#: Characters kept of one log line and of a progress text.
LINE_LIMIT = 8_192


class Failure(Exception):
    """Fails a task with a value instead of a message: ``raise Failure({"rows": 3})``.

    The value is the failed record's body (feature S48) and must be JSON.
    """

    def __init__(self, payload: Any, message: str = "") -> None:
        super().__init__(message or (payload if isinstance(payload, str) else "the task failed"))
        self.payload = payload


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
    ) -> None:
        self.workflow_id = workflow_id
        self.path = path
        self.run = run
        #: 1 for the first execution of the task in this run.
        self.attempt = attempt
        #: The context; changes made to it stay in this execution.
        self.context = context
        self._storage = storage
        self._token = token
        self._record = (workflow_id, path, run)
        self._allowance = float(PROGRESS_RATE)
        self._refilled = time.monotonic()

    @property
    def previous_context(self) -> Mapping[str, Any]:
        """The context as the task received it, read-only (feature S29)."""
        return MappingProxyType(self.context)

    def progress(self, value: float | str | None = None, text: str | None = None) -> None:
        """Say how far the task is: a share from 0 to 1, a step's name, or both.

        ``job.progress(0.3)``, ``job.progress("plotting")``, ``job.progress(0.3, "plotting")``. Raises
        ``InvalidArgument`` outside 0 to 1. Writes above about 20 a second are left out.
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
        """Append lines to the task's log. Text with line breaks becomes several lines."""
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

    def _write(self, write: Callable[[], bool]) -> None:
        # A report that is lost costs a watcher a line; failing the task for it would cost its work.
        try:
            if not write():
                logger.debug("%s %s no longer holds its task; a report was left out", self.workflow_id, self.path)
        except StorageUnavailable as error:
            logger.warning("%s %s: a report was lost: %s", self.workflow_id, self.path, error.code)


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidArgument(argument="progress", reason=f"it is a number from 0 to 1, not {value!r}")
    return float(value)
