"""The conformance suite on Valkey."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from jobs_flow.storages import Storage, create_storage
from jobs_flow.testing.conformance import *  # noqa: F403
from jobs_flow.testing.conformance.lanes import lost, wide
from jobs_flow.testing.scenario import lengths


@pytest.fixture
def open_again(valkey_url: str) -> Callable[[], Storage]:
    return partial(create_storage, f"{valkey_url}?prefix={uuid.uuid4().hex}:")


@pytest.fixture
def storage(open_again: Callable[[], Storage]) -> Iterator[Storage]:
    storage = open_again()
    yield storage
    storage.close()


class TestTenThousand:
    """More than Lua takes as arguments of one call."""

    def test_of_one_time_are_not_overdue(self, storage: Storage) -> None:
        scenario = wide(storage, 10_000)
        for number in (0, 1, 5_000):
            scenario.claim(f"#.a.n{number}")
            assert lost(storage) == []
        assert lengths(storage) == {"q": 9_997}
