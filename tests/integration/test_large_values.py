"""A result of 50 MB on a real worker: what the broker sees of it, what the next task gets, what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis

from jobs_flow.storages.bodies import Bodies, Reference
from jobs_flow.storages.dynamodb.connection import Connection
from jobs_flow.storages.records import TOMBSTONE_KEPT
from tests.support.meter import Meter
from tests.support.processes import Worker
from tests.support.servers import Valkey
from tests.support.servers_dynamodb import fresh

#: Bytes of the result, of any message, and of anything that the storage holds in one place.
SIZE = 50_000_000
MESSAGE_LIMIT = 8 * 1024
ITEM_LIMIT = 400_000


class ValkeyProbe:
    """What there is in a storage on Valkey, besides what the storage tells."""

    def __init__(self, server: Valkey) -> None:
        self.url = server.database(1)
        self._client = redis.Redis.from_url(self.url)

    def largest(self) -> int:
        """Bytes of the longest single value."""
        return max((max(self._sizes(key), default=0) for key in self._client.scan_iter(count=1_000)), default=0)

    def left(self, instance_id: str) -> list[str]:
        """Keys of an instance, but for what tells watchers of its end and expires by itself."""
        keys = self._client.scan_iter(f"*{instance_id}*", count=1_000)
        return [key.decode() for key in keys if not 0 < self._client.pttl(key) <= TOMBSTONE_KEPT]

    def close(self) -> None:
        self._client.close()

    def _sizes(self, key: bytes) -> list[int]:
        match self._client.type(key):
            case b"hash":
                return [self._client.hstrlen(key, str(field.decode())) for field in self._client.hkeys(key)]
            case b"list":
                return [len(member) for member in self._client.lrange(key, 0, -1)]
            case b"stream":
                return [sum(map(len, fields.values())) for _, fields in self._client.xrange(key)]
            case b"zset":
                return [len(member) for member in self._client.zrange(key, 0, -1)]
            case b"set":
                return [len(member) for member in self._client.smembers(key)]
        return [self._client.strlen(key)]


class DynamoProbe:
    """What there is in a storage in DynamoDB, besides what the storage tells."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = Connection.parse(url)

    def largest(self) -> int:
        """Bytes of the largest item."""
        return max(_bytes_of(item) for item in self._items())

    def left(self, instance_id: str) -> list[str]:
        """Keys of an instance, but for what tells watchers of its end and is removed a minute later."""
        items = [item for item in self._items() if instance_id in item["Key"]["S"]]
        return [f"{item['Key']['S']} {item['Sort']['S']}" for item in items if "deletedAt" not in item]

    def close(self) -> None:
        self._connection.close()

    def _items(self) -> Iterator[dict[str, Any]]:
        request = {"TableName": self._connection.table}
        while True:
            answer = self._connection.call("scan", **request)
            yield from (item for item in answer["Items"] if item["Key"]["S"].startswith(self._connection.prefix))
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _bytes_of(item: dict[str, Any]) -> int:
    return sum(len(name) + len(next(iter(value.values()))) for name, value in item.items())


@pytest.fixture
def probe(request: pytest.FixtureRequest, start_valkey: Callable[..., Valkey]) -> Any:
    """A storage of its own: its URL, and what is in it by ``largest()`` and ``left(id)``."""
    made: Any
    if request.param == "dynamodb":
        made = DynamoProbe(fresh(request.getfixturevalue("dynamodb_url")))
    else:
        made = ValkeyProbe(start_valkey(name="records"))
    yield made
    made.close()


@pytest.fixture
def engine(
    request: pytest.FixtureRequest,
    valkey: Valkey,
    probe: Any,
    import_engine: Callable[..., ModuleType],
    tmp_path: Path,
) -> ModuleType:
    urls = {"broker": valkey.database(0), "storage": probe.url}
    if request.param == "directory":
        (tmp_path / "bodies").mkdir()
        urls["bodies"] = f"file://{tmp_path}/bodies"
    return import_engine(**urls)


@pytest.mark.parametrize(
    ("probe", "engine", "size"),
    [
        pytest.param("valkey", "storage", SIZE, id="valkey"),
        pytest.param("dynamodb", "storage", SIZE, id="dynamodb"),
        pytest.param("valkey", "directory", SIZE // 10, id="directory"),
    ],
    indirect=["probe", "engine"],
)
def test_a_large_result(
    engine: ModuleType, size: int, valkey: Valkey, probe: Any, start_engine: Callable[..., Worker], tmp_path: Path
) -> None:
    start_engine(concurrency=2)
    id = engine.jobs.create_workflow_instance("large", size)
    with Meter(valkey.port) as meter:
        engine.jobs.execute_all_tasks(id)
        result = engine.jobs.wait(id, 120)

    # The broker has only heard of tasks.
    assert len(meter.messages) >= 5
    assert max(meter.messages) < MESSAGE_LIMIT

    # Equal bytes for who comes next, for each of a block, and from a block.
    made, block = engine.large_value("make", size), engine.large_value("block", size // 10)
    same, digest = engine.digest(block), engine.digest
    assert engine.jobs.get_value(id, "#.take") == digest(made)
    assert result == {
        "other": digest(engine.large_value("other", size // 10)),
        "same": same,
        **{f"take{number}": digest(same) for number in range(2)},
    }
    record = engine.jobs.get_task(id, "#.join")
    assert digest(record["argument"]["same"]) == same
    view = engine.jobs.get_tasks_statuses(id)["#.make"]
    assert "body" not in view
    assert view["bodySize"] > size

    # Nothing is too long for any storage, and what was written is what is there.
    assert probe.largest() < ITEM_LIMIT
    reference = engine.jobs.storage.get_task(id, "#.make")["body"]
    assert isinstance(reference, Reference)
    assert reference.length == view["bodySize"]
    text = Bodies(lambda: engine.jobs.storage, get_store=engine.jobs._get_body_store).read(id, reference)
    assert len(text.encode()) == reference.length

    # Destroyed, it leaves nothing.
    assert engine.jobs.destroy_workflow(id)
    assert probe.left(id) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
