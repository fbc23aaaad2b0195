"""The conformance suite on a cluster of three nodes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from jobs_flow.storages import Storage, create_storage
from jobs_flow.testing.conformance import *  # noqa: F403


@pytest.fixture
def open_again(redis_cluster_url: str) -> Callable[[], Storage]:
    return partial(create_storage, f"{redis_cluster_url}&prefix={uuid.uuid4().hex}:")


@pytest.fixture
def storage(open_again: Callable[[], Storage]) -> Iterator[Storage]:
    storage = open_again()
    yield storage
    storage.close()


@pytest.fixture
def examples() -> int:
    return 20
