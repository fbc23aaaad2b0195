"""A process that stands still, so that what it would do next is certain not to have happened yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.support.processes import Process


@contextmanager
def held(process: Process) -> Iterator[None]:
    """It and its children stand still meanwhile; the pool of a worker, for example, takes no task."""
    family = [psutil.Process(process.pid)]
    try:
        # First the one that makes the others.
        family[0].suspend()
        family += family[0].children()
        for each in family[1:]:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        yield
    finally:
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.resume()
