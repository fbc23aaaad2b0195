"""The part of the facade that destroys instances: their records, large values, rows, and what is left of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jobs_flow import aio
from jobs_flow.errors import InvalidArgument, kind_of
from jobs_flow.hooks import Hook
from jobs_flow.queries import Queries
from jobs_flow.storages.records import Instance

logger = logging.getLogger("jobs_flow.engine")

#: Instances destroyed between two looks at a realm.
REALM_BATCH = 100


class Destroying(Queries):
    """What removes an instance, or all of a realm, wherever there is something of it."""

    on_delete: Hook

    def destroy_workflow(self, instance_id: str) -> bool:
        """Remove an instance with its records and logs; False when there is none.

        Whatever still runs for it writes nothing any more, whoever waits for it is told ``InstanceNotFound``, and
        ``on_delete`` is called once. In a transaction of the index's database it waits for the commit. Raises
        ``StorageUnavailable``; where there is an outbox it is then done later.
        """
        token = self.index.requested(instance_id, "destroy", {})
        if not self.index.in_transaction():
            return self.destroy_now(instance_id)
        self.index.on_commit(lambda: self._destroy_after_commit(instance_id, token))
        return self.storage.get_instance(instance_id) is not None

    def _destroy_after_commit(self, instance_id: str, token: str, *, rested: int | None = None) -> None:
        try:
            self.destroy_now(instance_id, rested=rested)
        except Exception as error:
            kind = kind_of(error)
            logger.error("%s was not destroyed after the commit: %s", instance_id, kind)
        else:
            self.index.done(token)

    def destroy_now(self, instance_id: str, *, rested: int | None = None) -> bool:
        """``destroy_workflow`` whatever transaction is open; with ``rested`` as ``Storage.delete_instance`` has it."""
        header = self._remove_records(instance_id, rested)
        if header is not None:
            self.on_delete.fire(id=instance_id)
        elif rested is not None and self.storage.get_instance(instance_id) is not None:
            return False
        # Also when the storage has it no longer: whoever removed it there may have died before this.
        self.index.deleted(instance_id)
        return header is not None

    def _remove_records(self, instance_id: str, rested: int | None = None) -> Instance | None:
        """Have the storage forget an instance, with its large values; the header that it had."""
        bodies = self.runtime.bodies
        if rested is None:
            bodies.forget(instance_id)
        # It may have been started again, and goes on with its large values then: they are removed after it.
        external = [] if rested is None else bodies.external(instance_id)
        header = self.storage.delete_instance(instance_id, rested=rested)
        if header is not None and external:
            bodies.delete_external(instance_id, external)
        return header

    def destroy_workflows_by_realm(self, realm: str) -> int:
        """Remove every instance of a realm, in batches; how many there were.

        Raises ``InvalidArgument`` without a realm: instances that have none are removed one by one.
        """
        if not realm or not isinstance(realm, str):
            raise InvalidArgument(argument="realm", reason=f"it is the name of a realm, not {realm!r}")
        destroyed, after = 0, None
        while ids := self.storage.list_ids(realm=realm, after=after, limit=REALM_BATCH):
            destroyed += self._destroy_together(ids)
            # In a transaction they stay until its commit.
            after = ids[-1] if self.index.in_transaction() else None
        self._destroy_left_over(realm)
        return destroyed

    def _destroy_together(self, instance_ids: Sequence[str]) -> int:
        """Remove a batch, and what the index has of it at once; how many there were."""
        if self.index.in_transaction():
            return sum(self.destroy_workflow(instance_id) for instance_id in instance_ids)
        destroyed: list[str] = []
        gone: list[str] = []
        try:
            for instance_id in instance_ids:
                if self._remove_records(instance_id) is not None:
                    destroyed.append(instance_id)
                gone.append(instance_id)
        finally:
            # Also when the storage went away in the middle: nobody else would tell the index.
            self.index.deleted_together(gone)
            for instance_id in destroyed:
                self.on_delete.fire(id=instance_id)
        return len(destroyed)

    def _destroy_left_over(self, realm: str) -> None:
        """Have the index forget what somebody removed from the storage, and died before it was told."""
        if self.index.in_transaction():
            return
        after: str | None = None
        while ids := self.index.page(realm=realm, status=None, workflow=None, after=after, limit=REALM_BATCH):
            # What the outbox knows of is about to be created, or is destroyed by another one.
            found = zip(ids, self.storage.get_instances(ids), strict=True)
            gone = [each for each, header in found if header is None and not self.index.is_asked_for(each)]
            self.index.deleted_together(gone)
            after = ids[-1]

    adestroy_workflow = aio.twin(destroy_workflow)
    adestroy_workflows_by_realm = aio.twin(destroy_workflows_by_realm)
