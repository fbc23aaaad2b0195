"""The object behind ``from jobs_flow_django import jobs``; imports nothing that needs settings."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from django.utils.functional import LazyObject, empty

if TYPE_CHECKING:
    _LazyObject = LazyObject[Any]
else:
    _LazyObject = LazyObject

# Two builds would be two storages, and with memory:// two sets of records.
_building = threading.RLock()


class LazyJobs(_LazyObject):
    """Stands for the configured ``Jobs`` and builds it at the first use."""

    _wrapped: Any

    def _setup(self) -> None:
        from jobs_flow_django.facade import build_jobs

        with _building:
            if self._wrapped is empty:
                self._wrapped = build_jobs()

    def setup(self) -> None:
        """Build the object now, if it was not yet."""
        if self._wrapped is empty:
            self._setup()

    def forget(self) -> None:
        """Forget the built object, so that the next use builds one from the present settings."""
        built, self._wrapped = self._wrapped, empty
        if built is not empty:
            built.close()
