"""What the suite asks of whoever runs it, with defaults; see ``jobs_flow.testing``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.testing import lag
from jobs_flow.testing.crowd import Processes


@pytest.fixture
def storage() -> Storage:
    """An empty storage, closed after the test."""
    pytest.fail("the suite needs a fixture `storage` that gives an empty storage: see jobs_flow.testing", pytrace=False)


@pytest.fixture
def open_again() -> Callable[[], Storage]:
    """What opens the storage of this test in another process."""
    pytest.skip("no fixture `open_again` says how another process opens this storage: see jobs_flow.testing")


@pytest.fixture
def index_lag() -> float:
    """Seconds by which lists of ids, timers and lanes may be behind."""
    return 0.0


@pytest.fixture(autouse=True)
def _allowed_lag(index_lag: float) -> Iterator[None]:
    lag.allow(index_lag)
    yield
    lag.allow(0.0)


@pytest.fixture
def examples() -> int:
    """How many random histories the storage and the model are compared in."""
    return 50


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """The other processes, which stay for all tests of a module."""
    with Processes() as started:
        yield started
