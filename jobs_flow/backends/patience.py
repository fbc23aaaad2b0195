"""Going on while the storage is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from jobs_flow.errors import StorageUnavailable, kind_of

logger = logging.getLogger("jobs_flow.engine")

T = TypeVar("T")


def patiently(operation: Callable[[], T], patience: float) -> T:
    """The result of a storage operation, tried again while the storage is away."""
    deadline, delay = time.monotonic() + patience, 0.05
    while True:
        try:
            return operation()
        except StorageUnavailable as error:
            if time.monotonic() + delay > deadline:
                raise
            logger.warning("the storage is away, trying again in %.2f s: %s", delay, kind_of(error))
            time.sleep(delay)
            delay = min(delay * 2, 5.0)
