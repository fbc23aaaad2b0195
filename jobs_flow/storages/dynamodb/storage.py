"""Records in DynamoDB: items of one table, and one conditional transaction a transition.

The transitions are those of the memory storage, done here on what was read (``unit``); the layout is in ``names``.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs_flow.errors import InvalidArgument
from jobs_flow.storages.announcing import create_announcer
from jobs_flow.storages.contract_bodies import CHUNK_BYTES
from jobs_flow.storages.contract_reading import Subscription
from jobs_flow.storages.dynamodb.attributes import ItemKey, Write
from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.dynamodb.items import Conflict, Items
from jobs_flow.storages.dynamodb.names import HEADER, Names
from jobs_flow.storages.dynamodb.reading import DynamoReading
from jobs_flow.storages.dynamodb.redo import Redo


class DynamoStorage(DynamoReading):
    """Records in one table of DynamoDB; ``url`` as ``Connection.parse`` reads it."""

    def __init__(self, url: str) -> None:
        self.connection = Connection.parse(url)
        self.label = self.connection.label
        self.names = Names(self.connection.prefix)
        self.items = Items(self.connection)
        self.redo = Redo(self.connection, self.items, self.names)
        self._lanes = {}
        scope = f"{self.label}/{self.connection.prefix}"
        self._announcer = create_announcer(self.connection.events, scope=scope, prefix=self.connection.prefix)

    # -- large values ------------------------------------------------------------------------

    def add_body(self, instance_id: str, name: str) -> bool:
        """Announce a body."""
        header = Write(
            self.names.header(instance_id),
            condition="attribute_exists(#v) AND attribute_not_exists(#d)",
            names={"#v": "ver", "#d": "deletedAt"},
        )
        for _ in self.items.patiently():
            try:
                self.items.transact([header, Write(self.names.body(instance_id, f"a#{name}"), {"ver": 0})])
            except Conflict as conflict:
                if conflict.failed:
                    return False
            else:
                return True
        raise AssertionError("patience ends with an error")

    def write_chunk(self, instance_id: str, name: str, number: int, data: bytes) -> None:
        """Write a chunk."""
        if len(data) > CHUNK_BYTES:
            raise InvalidArgument(argument="data", reason=f"a chunk has at most {CHUNK_BYTES} bytes")
        # What is written while the instance is deleted is swept with its tombstone.
        if self.items.get(self.names.body(instance_id, f"a#{name}")) is not None:
            self.items.write(Write(self.names.body(instance_id, _chunk(name, number)), {"data": data}, whole=True))

    def read_chunk(self, instance_id: str, name: str, number: int) -> bytes | None:
        """A chunk; None when it is not there."""
        found = self.items.get(self.names.body(instance_id, _chunk(name, number)))
        return None if found is None else bytes(found["data"])  # type: ignore[arg-type]

    def list_bodies(self, instance_id: str) -> list[str]:
        """The names of the bodies."""
        key = self.names.of("workflowBody_", instance_id)
        return [sort.removeprefix("a#") for sort, _ in self.items.query(key, "a#", only=["ver"])]

    def remove_bodies(self, instance_id: str, names: Sequence[str]) -> None:
        """Remove bodies with all their chunks."""
        key = self.names.of("workflowBody_", instance_id)
        for name in names:
            self.items.delete_many([self.names.body(instance_id, f"a#{name}")])
            chunks = self.items.query(key, f"c#{name}#", only=["ver"])
            self.items.delete_many(ItemKey(key, sort) for sort, _ in chunks)

    # -- events ------------------------------------------------------------------------------

    def _announce(self, instance_id: str, seq: int, text: str) -> None:
        if self._announcer is not None:
            self._announcer.announce(instance_id, seq, text)

    def _prompt(self) -> Subscription | None:
        return None if self._announcer is None else self._announcer.subscribe()

    # -- the storage itself ------------------------------------------------------------------

    def now(self) -> int:
        """Epoch milliseconds, as this host's clock says, corrected by the service's."""
        return self.connection.clock()

    def ping(self) -> None:
        """Raise ``StorageUnavailable`` if the storage cannot be used."""
        self.items.get(ItemKey(f"{self.names.prefix}ping", HEADER))

    def close(self) -> None:
        """Free connections."""
        self.connection.close()
        if self._announcer is not None:
            self._announcer.close()


def _chunk(name: str, number: int) -> str:
    return f"c#{name}#{number:06d}"
