"""From what steps record to hooks and index entries, each told once (features S51 to S53)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from jobs_flow.backends.runtime import RunListener
from jobs_flow.errors import JobsFlowError, kind_of
from jobs_flow.hooks import Hook
from jobs_flow.storages.records import Due, Instance
from jobs_flow.workflows import paths
from jobs_flow.workflows.states import InstanceStatus

if TYPE_CHECKING:
    from jobs_flow.jobs import Jobs

logger = logging.getLogger("jobs_flow.engine")

#: Milliseconds for which the functions of a hook may run before recovery takes the process for dead and calls
#: them again.
HOOK_PATIENCE = 600_000
#: Requests of the outbox performed at a time.
BATCH = 100


class Listener(RunListener):
    """What was recorded stands as a timer in the storage until everybody has been told of it."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def run_started(self, instance_id: str) -> None:
        """Mirror the instance, and call ``on_start``."""
        header = self._mirror(instance_id)
        if header is not None:
            self._jobs.on_start.fire(id=instance_id, run=header.run)

    def task_failed(self, instance_id: str, path: str, run: int, error: dict[str, Any]) -> None:
        """Call ``on_error``."""
        self._tell(Due("failed", instance_id, path, run, None), self._jobs.on_error, path=path, payload=error)

    def run_finished(self, instance_id: str, run: int, status: str) -> bool:
        """Mirror the instance, call ``on_complete`` after a full run that ended well, undo what is to be undone."""
        due = Due("ended", instance_id, paths.ROOT, run, None, detail=f"{run} {status}")
        try:
            header = self._mirror(instance_id, must=True)
            if header is not None and header.undo == "wanted" and header.status != InstanceStatus.WORKING:
                self._jobs.begin_undo(header)
        except Exception as error:
            logger.error("%s ended and not all is done about it, it is tried again: %s", instance_id, kind_of(error))
            return False
        self._tell(due, self._jobs.on_complete if status == InstanceStatus.DONE else None)
        return True

    def run_reverted(self, instance_id: str) -> None:
        """Mirror the instance."""
        self._mirror(instance_id)

    def outlived(self, instance_id: str, run: int) -> bool:
        """Delete an instance that still rests after that run, and of which nothing is asked any more."""
        return self._jobs.destroy_rested(instance_id, run)

    def catch_up(self) -> int:
        """Perform what was committed and not done."""
        entries = self._jobs.index.unfinished(self._jobs.runtime.policy.lease, BATCH)
        for entry in entries:
            self._jobs.perform(entry)
        return len(entries)

    def _tell(self, due: Due, hook: Hook | None, **arguments: Any) -> None:
        storage = self._jobs.storage
        try:
            if hook is not None and hook.connected:
                # A process that dies in the middle leaves the timer; one that takes its time keeps it away.
                storage.postpone(due, HOOK_PATIENCE)
                hook.fire(id=due.instance_id, **arguments)
            storage.settle(due)
        except JobsFlowError as error:
            logger.error("%s: whether its hooks were told is not known: %s", due.instance_id, kind_of(error))

    def _mirror(self, instance_id: str, *, must: bool = False) -> Instance | None:
        # The record is the truth and is written; an index that lags must not fail the task that wrote it.
        try:
            header = self._jobs.storage.get_instance(instance_id)
            if header is not None:
                self._jobs.index.changed(header)
            return header
        except Exception as error:
            if must:
                raise
            logger.error("the index was not told about %s: %s", instance_id, kind_of(error))
            return None
