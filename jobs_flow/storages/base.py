"""The contract of a storage: a few atomic operations on the records of workflow instances.

Guarantees that every storage gives (``jobs_flow.testing`` proves them for each):

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

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from jobs_flow.ids import new_instance_id
from jobs_flow.storages.contract_bodies import Chunks
from jobs_flow.storages.contract_reading import Readable, Subscription
from jobs_flow.storages.contract_recovery import Recoverable
from jobs_flow.storages.contract_runs import Runs
from jobs_flow.storages.records import Instance, NewInstance

__all__ = ["Storage", "Subscription"]


class Storage(Runs, Recoverable, Readable, Chunks):
    """Where records live."""

    #: Shown in errors and on pages; holds no password.
    label: str = "the storage"

    # -- instances ---------------------------------------------------------------------------

    def new_id(self, *, realm: str = "", key: str | None = None) -> str:
        """An id for a new instance, ordered by time; of one with a key, an id that it can have here with that key.

        A storage of several parts keeps what it compares in one part, and an id says which.
        """
        return new_instance_id()

    @abstractmethod
    def create_instance(self, new: NewInstance) -> Instance:
        """Write the header and an ``inactive`` record for each path; the instance is ``inactive``.

        Raises ``InstanceExists`` and changes nothing when the id is taken, or when an instance of the same
        workflow and realm has the same key: the error's ``instance_id`` is that of the one that is there;
        ``InvalidArgument`` when it cannot have that key with that id (``new_id``). Writes event 1 (``reset``).
        """

    @abstractmethod
    def get_instance(self, instance_id: str) -> Instance | None:
        """The header, or None."""

    @abstractmethod
    def get_instances(self, instance_ids: Sequence[str]) -> list[Instance | None]:
        """The headers in the order asked for, in one round trip."""

    @abstractmethod
    def list_ids(self, *, realm: str | None = None, after: str | None = None, limit: int = 100) -> list[str]:
        """Ids in order of creation, newest first; ``after`` is the last id of the previous page.

        Of those created within a few milliseconds the greater id may count as newer. A storage may list an instance
        a moment after it was created, and a deleted one a moment longer.
        """

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
    def delete_instance(self, instance_id: str, *, rested: int | None = None) -> Instance | None:
        """Remove an instance with all that was written for it; its last header, None for all but the first caller.

        With ``rested``, the number of a run: None and no change unless that run is its latest, has ended in a final
        status (not ``inactive``), and ``undo`` is neither ``wanted`` nor ``running``.

        The event ``deleted`` reaches subscribers, ends ``wait_events``, and stays readable by ``events`` for
        TOMBSTONE_KEPT. Its key may be used again.
        """

    # -- the storage itself ------------------------------------------------------------------

    def now(self) -> int:
        """Epoch milliseconds on the clock that times and timers are told by."""
        return time.time_ns() // 1_000_000

    @abstractmethod
    def ping(self) -> None:
        """Raise ``StorageUnavailable`` if the storage cannot be used."""

    def cautions(self) -> list[str]:
        """What the server's settings put records at risk of, a text each; asks the server.

        [] also where it does not tell. Raises ``StorageUnavailable``.
        """
        return []

    @abstractmethod
    def close(self) -> None:
        """Free connections; the storage may be used again and then opens new ones."""
