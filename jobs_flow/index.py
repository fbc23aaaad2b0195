"""What an index of instances outside the storage implements, such as the Django app's table of rows.

The default does nothing: a plain Celery project needs no table.

An index with a database of its own also keeps an outbox: what was asked for in a transaction is written
down in it, performed after the commit, and removed when it is done. What a process that died left in it
is given by ``unfinished``, so that a committed request is always performed. Performing an entry twice
must be harmless: creating is idempotent by id, a start names the run it expects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs_flow.errors import (
    BrokerUnavailable,
    ConfigurationError,
    DefinitionChanged,
    DefinitionError,
    InstanceNotFound,
    JobsFlowError,
    StorageUnavailable,
    UnknownWorkflow,
)
from jobs_flow.storages.records import Instance, Json, NewInstance

#: Refusals of ours that may be over later: a server is back, somebody has put a setting or a permission right, another
#: worker or later code knows the workflow, the creation that stands before a start in the outbox was done.
PASSING = (
    StorageUnavailable,
    BrokerUnavailable,
    ConfigurationError,
    UnknownWorkflow,
    DefinitionError,
    DefinitionChanged,
    InstanceNotFound,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of the outbox that nobody has reported as done.

    ``action`` is ``create`` (``arguments``: ``{"execute": bool}``), ``start`` (those of ``starting.Start``, and
    ``expect_run``) or ``destroy`` (none, or ``{"rested": run}``, see ``Storage.delete_instance``). They are given back
    as they were requested.
    """

    token: str
    instance_id: str
    action: str
    arguments: Mapping[str, Json]
    #: For ``create``: the instance as it was announced, with the tree that the present code gives.
    new: NewInstance | None = None


class Rested(NamedTuple):
    """An instance whose run is over, as far as the index knows."""

    id: str
    workflow: str
    run: int
    #: Where the index goes on after it; its own affair.
    mark: Any = None


class InstanceIndex:
    """Mirrors instances somewhere they can be listed, and knows about the caller's transaction."""

    #: Whether ``finished`` and ``ids`` give what there is; else the storage is asked for it.
    lists = False

    def created(self, new: NewInstance, *, execute: bool) -> str | None:
        """An instance is about to be created; called in the caller's transaction, before the storage has it.

        None: go on with ``new``; an outbox has a ``create`` entry for it whose token is ``new.id``. An id: that
        instance has the key already (it may not be in the storage yet), nothing was written.
        """
        return None

    def discard(self, instance_id: str, *, taken: bool = False) -> None:
        """The storage did not take an instance that ``created`` announced.

        One with a key stays, with its ``create`` entry, for a later attempt or recovery; unless ``taken``: the
        storage has another instance with that key. All others are forgotten.
        """

    def changed(self, instance: Instance) -> None:
        """A run of the instance started, ended or was reverted, or its definition, pause or cancellation changed.

        May come late or twice: compare sequence numbers.
        """

    def deleted(self, instance_id: str) -> None:
        """The storage has the instance no longer. Forgets it and its outbox entries; may come twice."""

    def page(
        self, *, realm: str | None, status: str | None, workflow: str | None, after: str | None, limit: int
    ) -> list[str] | None:
        """Ids of what matches, newest first, ``limit`` at most, of those older than the id ``after``.

        None: it cannot say, and the storage is asked. A status may be late: the storage decides.
        """
        return None

    def finished(
        self, *, workflow: str | None, statuses: Collection[str], until: int, after: Rested | None, limit: int
    ) -> list[Rested]:
        """Those in one of ``statuses`` whose run ended at ``until`` (epoch milliseconds) or before, in order of time.

        ``after``: the last one of the page before. May be late: the storage decides.
        """
        return []

    def ids(self, *, until: int, after: str | None, limit: int) -> list[str]:
        """Ids of those created at ``until`` (epoch milliseconds) or before, in order, behind ``after``."""
        return []

    def deleted_together(self, instance_ids: Sequence[str]) -> None:
        """As ``deleted``, of a bounded number of instances at once."""
        for instance_id in instance_ids:
            self.deleted(instance_id)

    def on_commit(self, function: Callable[[], None]) -> None:
        """Call ``function`` when the caller's transaction is committed; at once without one."""
        function()

    def in_transaction(self) -> bool:
        """Whether ``on_commit`` would wait."""
        return False

    def requested(self, instance_id: str, action: str, arguments: Mapping[str, Json]) -> str:
        """Write down a request in the caller's transaction; its token, "" where there is no outbox."""
        return ""

    def is_asked_for(self, instance_id: str) -> bool:
        """Whether anything stands in the outbox for the instance."""
        return False

    def done(self, token: str) -> None:
        """What the token stands for was performed, or can never be. An unknown token, or "", is no error."""

    def unfinished(self, older_than_seconds: float, limit: int) -> list[Entry]:
        """At most ``limit`` requests that were written longer ago than that, the oldest first.

        Each one given is not given again for ``older_than_seconds``, then twice as long each time (64 times at
        most), so that one that fails again and again does not stand in the way of the others.
        """
        return []


def is_final(error: Exception) -> bool:
    """Whether trying again would not change it. What is not ours (a database that is away, a bug) may pass."""
    return isinstance(error, JobsFlowError) and not isinstance(error, PASSING)
