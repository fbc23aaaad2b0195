"""Changes of more items than a transaction takes: written down, committed by the header, then done; see ``unit``."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from jobs_flow.errors import JobsFlowError, kind_of
from jobs_flow.ids import new_token
from jobs_flow.storages.dynamodb import attributes as table
from jobs_flow.storages.dynamodb.attributes import ItemKey, Write
from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.dynamodb.items import Conflict, Items
from jobs_flow.storages.dynamodb.names import Names
from jobs_flow.storages.dynamodb.states import StoredState

logger = logging.getLogger("jobs_flow.storage")

#: Milliseconds after which others take whoever committed it for dead.
PATIENCE = 2_000
#: Writes done at a time, and their bytes: the service takes 100 and 4 MB.
BATCH = 50
BATCH_BYTES = 2_500_000
#: Bytes of one part of what is written down.
PART = 300_000


class Redo:
    """Commits large changes, and sees to those that others committed."""

    def __init__(self, connection: Connection, items: Items, names: Names) -> None:
        self._clock = connection.clock
        self._items = items
        self._names = names

    def commit(self, state: StoredState, header: Write, writes: Sequence[Write], events: Sequence[Write]) -> None:
        """Do all of the writes, or none. Raises ``Conflict``."""
        entries = []
        for write in writes:
            whole = write.rest() if write.rest is not None else write.put
            entries.append([*write.at, None if write.delete else table.encode(whole)])
        state.overflow.flush()
        data = json.dumps([state.version + 1, entries], separators=(",", ":")).encode()
        name = new_token()
        parts = [data[start : start + PART] for start in range(0, len(data), PART)]
        keys = [self._names.redo(state.id, name, number) for number in range(len(parts))]
        for key, part in zip(keys, parts, strict=True):
            self._items.write(Write(key, {"data": part}, whole=True))
        pending = json.dumps([name, len(parts), self._clock()])
        try:
            self._items.transact([replace(header, put={**header.put, "pending": pending}), *events])
        except Conflict as conflict:
            if conflict.failed:
                # Nobody will do it. Otherwise it may have been committed after all.
                self._items.delete_many(keys)
            raise
        try:
            self._do(state.id, pending)
        except JobsFlowError as error:
            # What is committed is so: whoever reads the header next does it.
            logger.warning("%s: a large change is left to others: %s", state.id, kind_of(error))

    def see_to(self, instance_id: str, pending: str) -> None:
        """Wait a moment for whoever does it; do it when that takes too long."""
        # Another host's clock may be ahead of this one's.
        if abs(self._clock() - json.loads(pending)[2]) < PATIENCE:
            time.sleep(0.02)
        else:
            self._do(instance_id, pending)

    def _do(self, instance_id: str, pending: str) -> None:
        name, count, _ = json.loads(pending)
        keys = [self._names.redo(instance_id, name, number) for number in range(count)]
        found = self._items.get_many(keys)
        if len(found) == count:
            data = b"".join(bytes(found[key]["data"]) for key in keys)  # type: ignore[arg-type]
            version, entries = json.loads(data)
            for batch in _batches([_write(version, *entry) for entry in entries]):
                if not self._do_some(self._still(instance_id, pending), batch):
                    break
        done = replace(self._still(instance_id, pending), remove=["pending"])
        with contextlib.suppress(Conflict):
            # Refused when somebody else has done it.
            self._items.write(done)
        self._items.delete_many(keys)

    def _still(self, instance_id: str, pending: str) -> Write:
        """The condition that it is still to be done: nobody overwrites anything who wakes up after that."""
        at, names = self._names.header(instance_id), {"#p": "pending"}
        return Write(at, condition="#p = :p", values={":p": pending}, names=names)

    def _do_some(self, still: Write, writes: list[Write]) -> bool:
        """Do writes; False when others have done all of it meanwhile."""
        for _ in self._items.patiently():
            while writes:
                try:
                    self._items.transact([still, *writes])
                except Conflict as conflict:
                    if 0 in conflict.failed:
                        return False
                    if not conflict.failed:
                        break
                    # Those whose condition fails are done.
                    writes = [write for place, write in enumerate(writes, 1) if place not in conflict.failed]
                else:
                    return True
            if not writes:
                return True
        raise AssertionError("patience ends with an error")


def _batches(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """As many at a time as go into a transaction."""
    batch: list[Write] = []
    size = 0
    for write in writes:
        if batch and (len(batch) == BATCH or size + write.size() > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += write.size()
    if batch:
        yield batch


def _write(version: int, key: str, sort: str, item: dict[str, Any] | None) -> Write:
    older: dict[str, Any] = {
        "condition": "attribute_not_exists(#v) OR #v < :v",
        "values": {":v": version},
        "names": {"#v": "ver"},
    }
    if item is None:
        return Write(ItemKey(key, sort), delete=True, **older)
    return Write(ItemKey(key, sort), table.decode(item), whole=True, **older)
