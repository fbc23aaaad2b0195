"""The large values that a process has read last: each subtask of a wide block is given the same one."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable

#: Bytes of memory that the texts of one cache may take.
CACHE_BYTES = 64 * 1024 * 1024

_caches: weakref.WeakSet[TextCache] = weakref.WeakSet()


class TextCache:
    """Texts by key, those used last, as many as fit in ``limit`` bytes of memory; a longer one is not kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._texts: OrderedDict[Hashable, str] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        _caches.add(self)

    def get(self, key: Hashable) -> str | None:
        """The text, if it is there."""
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
            return self._texts.get(key)

    def put(self, key: Hashable, text: str) -> None:
        """Have a text at hand; those that were not used for longest go."""
        size = sys.getsizeof(text)
        if size > self._limit:
            return
        with self._lock:
            if (old := self._texts.pop(key, None)) is not None:
                self._size -= sys.getsizeof(old)
            self._texts[key] = text
            self._size += size
            while self._size > self._limit:
                self._size -= sys.getsizeof(self._texts.popitem(last=False)[1])

    def after_fork(self) -> None:
        """Begin anew: another thread of the parent may have been in the middle of a change."""
        self._lock = threading.Lock()
        self._texts = OrderedDict()
        self._size = 0


def _after_fork() -> None:
    for cache in _caches:
        cache.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
