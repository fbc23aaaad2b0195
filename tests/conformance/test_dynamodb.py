"""The conformance suite on DynamoDB's protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from functools import partial

import boto3.session
import pytest

from jobs_flow.storages import Storage, create_storage
from jobs_flow.testing.conformance import *  # noqa: F403
from tests.support.servers_dynamodb import fresh


@pytest.fixture(autouse=True, scope="module")
def _one_session() -> Iterator[None]:
    """One session of boto3 for all tests: what it reads from files for each costs more than a test does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3.session, "Session", functools.cache(boto3.session.Session))
        yield


@pytest.fixture
def open_again(dynamodb_url: str) -> Callable[[], Storage]:
    return partial(create_storage, fresh(dynamodb_url))


@pytest.fixture
def storage(open_again: Callable[[], Storage]) -> Iterator[Storage]:
    storage = open_again()
    yield storage
    storage.close()


@pytest.fixture
def examples() -> int:
    """Fewer: each operation is a request over HTTP, and ``test_differential_all`` plays some more."""
    return 6
