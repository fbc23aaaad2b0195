"""The conformance suite on Redis."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from jobs_flow.storages import Storage, create_storage
from jobs_flow.testing.conformance import *  # noqa: F403


@pytest.fixture
def open_again(redis_server_url: str) -> Callable[[], Storage]:
    return partial(create_storage, f"{redis_server_url}?prefix={uuid.uuid4().hex}:")


@pytest.fixture
def storage(open_again: Callable[[], Storage]) -> Iterator[Storage]:
    storage = open_again()
    yield storage
    storage.close()


@pytest.fixture
def examples() -> int:
    """As on Valkey, but for another version of the protocol's commands: fewer will do."""
    return 20
