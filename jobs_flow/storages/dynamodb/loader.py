"""What belongs to an instance and is seldom looked at: its definition and its tree."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from jobs_flow.storages.dynamodb.attributes import Attributes, ItemKey
from jobs_flow.storages.dynamodb.items import Items
from jobs_flow.storages.dynamodb.names import Names
from jobs_flow.storages.dynamodb.overflow import Overflow, Replaced


class Loader:
    """Reads what belongs to an instance and is seldom looked at."""

    def __init__(self, items: Items, names: Names, instance_id: str) -> None:
        self.items = items
        self.names = names
        self.overflow = Overflow(items, names, instance_id)
        self._id = instance_id
        self._known: dict[ItemKey, Attributes] = {}

    def definition(self, name: str) -> Attributes:
        """``data`` and ``baseContext``, of the update that the tree is named by."""
        return self._read(self.names.definition(self._id), name)

    def tree(self, name: str) -> Attributes:
        """``tree`` and ``paths`` of that name."""
        return self._read(self.names.tree(self._id), name)

    def paths(self, name: str) -> tuple[Sequence[str], frozenset[str]]:
        """Every path in pre-order, and as a set; ``name`` is that of the tree, another one after each update."""
        known: tuple[Sequence[str], frozenset[str]] | None = _paths.get(name)
        if known is None:
            paths = json.loads(str(self.tree(name)["paths"]))
            known = tuple(paths), frozenset(paths)
            _paths.put(name, known)
        return known

    def prefetch(self) -> None:
        """Read both with one request."""
        self._known = self.items.get_many([self.names.definition(self._id), self.names.tree(self._id)])

    def _read(self, at: ItemKey, name: str) -> Attributes:
        found = self._known.get(at) or self.items.get(at)
        return self.take(found, name)

    def take(self, attributes: Attributes | None, name: str) -> Attributes:
        """One of these items as it was read, whole; ``Replaced`` when it is another than the header's."""
        if attributes is None or attributes["treeName"] != name:
            raise Replaced
        self.overflow.fill([attributes])
        return attributes


class _Recent:
    """The paths of the instances that this process looked at lately."""

    KEPT = 256

    def __init__(self) -> None:
        self._known: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._after_fork)

    def get(self, key: Any) -> Any:
        with self._lock:
            return self._known.get(key)

    def put(self, key: Any, value: Any) -> None:
        with self._lock:
            self._known[key] = value
            while len(self._known) > self.KEPT:
                self._known.popitem(last=False)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()


_paths = _Recent()
