"""Houses for the tests. JOBS_FLOW_LONG_CHAOS in the environment asks for the longer form of those that have one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.house import House

#: Whether the longer form was asked for.
IS_LONG = bool(os.environ.get("JOBS_FLOW_LONG_CHAOS"))


@pytest.fixture
def open_house() -> Iterator[Callable[..., House]]:
    """A function that opens a house for this test alone: ``open_house(lease=2.0, pool="threads")``."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(House(**options))


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    """One with the usual options, without workers yet."""
    return open_house()
