"""What an index of instances outside the storage implements, such as the Django app's table of rows.

The default does nothing: a plain Celery project needs no table.
"""

from __future__ import annotations

from collections.abc import Callable

from jobs_flow.storages.records import Instance, NewInstance


class InstanceIndex:
    """Mirrors instances somewhere they can be listed, and knows about the caller's transaction."""

    def created(self, new: NewInstance) -> None:
        """An instance is about to be created; called in the caller's transaction, before the storage has it."""

    def discard(self, instance_id: str) -> None:
        """The storage did not take an instance that ``created`` announced."""

    def changed(self, instance: Instance) -> None:
        """A run of the instance started, ended or was reverted. May come late or twice: compare runs."""

    def on_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` when the caller's transaction is committed; at once without one."""
        function()

    def in_transaction(self) -> bool:
        """Whether ``on_commit`` would wait."""
        return False
