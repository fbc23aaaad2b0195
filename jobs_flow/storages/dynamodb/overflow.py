"""Texts that are too long for their item: kept in items of their own, with a pointer in their place.

The service takes items of 400 KB. Long texts of users are cut before they come here (``bodies``); this is for what is
left: several middling ones in one record, the tree of a very large workflow, the event of a very wide block.
A text is written under a fresh name and never changed, so that readers need no lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from jobs_flow.ids import new_token
from jobs_flow.storages.dynamodb.attributes import Attributes, ItemKey, Pointer, Value
from jobs_flow.storages.dynamodb.items import Items
from jobs_flow.storages.dynamodb.names import Names

#: Bytes of a text that stays in its item. A record has eight that may be long, so an item stays below the limit.
INLINE = 45_000
CHUNK = 350_000


class Overflow:
    """The long texts of an instance's items."""

    def __init__(self, items: Items, names: Names, instance_id: str) -> None:
        self._items = items
        self._names = names
        self._id = instance_id
        #: Pointers by the item they are of and the text they stand for: two items never share one, as the text goes
        #: with whichever is changed first.
        self._written: dict[tuple[ItemKey, str], Pointer] = {}
        self._waiting: list[tuple[ItemKey, Attributes]] = []
        self._flushed: list[ItemKey] = []

    def pointer(self, at: ItemKey, value: Value) -> Pointer | None:
        """The pointer that stands for a text in an item; None for one that has none."""
        if isinstance(value, Pointer):
            return value
        return self._written.get((at, value)) if isinstance(value, str) else None

    def spill(self, at: ItemKey, attributes: Mapping[str, Value]) -> Attributes:
        """The attributes of an item with pointers in the place of long texts, which ``flush`` writes.

        A text that was read from this item keeps its pointer.
        """
        spilt: Attributes = dict(attributes)
        for name, value in attributes.items():
            if not isinstance(value, str) or len(value) * 4 <= INLINE:
                continue
            data = value.encode()
            if len(data) <= INLINE:
                continue
            pointer = self._written.get((at, value))
            if pointer is None:
                pointer = self._written[at, value] = Pointer(new_token(), len(data), -(-len(data) // CHUNK))
                self._waiting += [
                    (self._names.body(self._id, chunk_name(pointer, n)), {"data": data[n * CHUNK : (n + 1) * CHUNK]})
                    for n in range(pointer.chunks)
                ]
            spilt[name] = pointer
        return spilt

    def flush(self) -> None:
        """Write what was spilt."""
        waiting, self._waiting = self._waiting, []
        self._flushed += (at for at, _ in waiting)
        # 25 chunks would be more than a request may be.
        for start in range(0, len(waiting), 8):
            self._items.put_many(waiting[start : start + 8])

    def discard(self) -> None:
        """Delete what ``flush`` wrote: no item was written that points there, and none will be."""
        flushed, self._flushed = self._flushed, []
        self._items.delete_many(flushed)

    def fill(self, all_attributes: Sequence[Attributes], leave: Iterable[str] = ()) -> None:
        """Put the texts back in the place of their pointers, but for those of the attributes to ``leave``."""
        found = [
            (attributes, name, value)
            for attributes in all_attributes
            for name, value in attributes.items()
            if isinstance(value, Pointer) and name not in leave
        ]
        if not found:
            return
        keys = [self._names.body(self._id, chunk_name(value, n)) for _, _, value in found for n in range(value.chunks)]
        chunks = self._items.get_many(keys)
        for attributes, name, pointer in found:
            parts = [chunks.get(self._names.body(self._id, chunk_name(pointer, n)), {}) for n in range(pointer.chunks)]
            if all(parts):
                text = b"".join(cast(bytes, part["data"]) for part in parts).decode()
                attributes[name] = text
                self._written[ItemKey(str(attributes["Key"]), str(attributes["Sort"])), text] = pointer
            else:
                # Replaced by a transition since its item was read; whoever wants to write finds that out.
                raise Replaced

    def drop(self, pointers: Iterable[Pointer]) -> None:
        """Delete the texts of pointers that no item has any more."""
        self._items.delete_many(
            self._names.body(self._id, chunk_name(pointer, n)) for pointer in pointers for n in range(pointer.chunks)
        )


class Replaced(Exception):
    """A long text is not there any more: its item was changed since it was read."""


def chunk_name(pointer: Pointer, number: int) -> str:
    """The range key of a part of a long text."""
    return f"o#{pointer.name}#{number:06d}"
