"""The storages that the conformance suite is run on: every test once for each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.memory import MemoryStorage


def make_storage(kind: str, request: pytest.FixtureRequest) -> Storage:
    """A storage of that kind with nothing in it."""
    if kind == "memory":
        return MemoryStorage()
    from jobs_flow.storages import create_storage

    url: str = request.getfixturevalue("valkey_url")
    return create_storage(f"{url}?prefix={uuid.uuid4().hex}:")


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    made = make_storage(request.param, request)
    yield made
    made.close()


@pytest.fixture(scope="module")
def redis_storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    made = make_storage("redis", request)
    yield made
    made.close()
