"""The same operations sent to memory, Redis and DynamoDB at once: every answer, record and event is compared."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from jobs_flow.storages import Storage, create_storage
from jobs_flow.testing.differential import compare
from tests.support.servers_dynamodb import fresh

EXAMPLES = 8


@pytest.fixture
def storages(redis_server_url: str, redis_cluster_url: str, dynamodb_url: str) -> Iterator[list[Storage]]:
    prefix = f"prefix={uuid.uuid4().hex}:"
    # The cluster first: it alone says which ids an instance with a key may have.
    urls = [f"{redis_cluster_url}&{prefix}", f"{redis_server_url}?{prefix}", fresh(dynamodb_url)]
    with ExitStack() as opened:
        yield [opened.enter_context(closing(create_storage(url))) for url in urls]


def test_all_storages_say_the_same(storages: list[Storage]) -> None:
    compare(storages, EXAMPLES, shrink=False)
