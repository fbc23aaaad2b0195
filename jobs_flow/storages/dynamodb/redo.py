"""Changes of more items than a transaction takes: written down, committed by the header, then done; see ``unit``."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from typing import Any

from jobs_flow.ids import new_token
from jobs_flow.storages.dynamodb import items as table
from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.dynamodb.items import Conflict, ItemKey, Items, Write
from jobs_flow.storages.dynamodb.names import Names
from jobs_flow.storages.dynamodb.states import StoredState

#: Milliseconds after which others take whoever committed it for dead.
PATIENCE = 2_000
#: Writes done at a time.
BATCH = 50
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
        header = Write(
            header.at,
            {**header.put, "pending": pending},
            header.remove,
            condition=header.condition,
            values=header.values,
            names=header.names,
        )
        try:
            self._items.transact([header, *events])
        except Conflict:
            self._items.delete_many(keys)
            raise
        self._do(state.id, pending)

    def see_to(self, instance_id: str, pending: str) -> None:
        """Wait a moment for whoever does it; do it when that takes too long."""
        if self._clock() - json.loads(pending)[2] < PATIENCE:
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
            writes = [_write(version, *entry) for entry in entries]
            for start in range(0, len(writes), BATCH):
                self._do_some(writes[start : start + BATCH])
        try:
            self._items.write(
                Write(
                    self._names.header(instance_id),
                    remove=["pending"],
                    condition="#p = :p",
                    values={":p": pending},
                    names={"#p": "pending"},
                )
            )
        except Conflict:
            # Somebody else has done it.
            return
        self._items.delete_many(keys)

    def _do_some(self, writes: list[Write]) -> None:
        pause = 0.01
        while writes:
            try:
                self._items.transact(writes)
                return
            except Conflict as conflict:
                # Those whose condition fails are done, or were overtaken by a later transition.
                writes = [write for place, write in enumerate(writes) if place not in conflict.failed]
                if not conflict.failed:
                    time.sleep(random.uniform(0, pause))  # noqa: S311
                    pause = min(2 * pause, 0.5)


def _write(version: int, key: str, sort: str, item: dict[str, Any] | None) -> Write:
    older: dict[str, Any] = {
        "condition": "attribute_not_exists(#v) OR #v < :v",
        "values": {":v": version},
        "names": {"#v": "ver"},
    }
    if item is None:
        return Write(ItemKey(key, sort), delete=True, **older)
    return Write(ItemKey(key, sort), table.decode(item), whole=True, **older)
