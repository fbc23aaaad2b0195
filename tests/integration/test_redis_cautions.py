"""What the storage says of a server whose settings put records at risk, and that it reads headers whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import redis

from jobs_flow.storages.redis import RedisStorage
from jobs_flow.storages.redis_connection import evictions
from jobs_flow.testing.scenario import Scenario, task
from tests.support.processes import Worker
from tests.support.servers import Valkey


@pytest.fixture
def admin(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def storage(valkey: Valkey) -> Iterator[RedisStorage]:
    made = RedisStorage(valkey.url)
    yield made
    made.close()


class TestEvictions:
    def test_a_server_that_removes_what_it_has_no_room_for(self, admin: redis.Redis, storage: RedisStorage) -> None:
        assert storage.cautions() == []
        admin.config_set("maxmemory-policy", "allkeys-lru")
        assert storage.cautions() == []
        admin.config_set("maxmemory", "1gb")
        (text,) = storage.cautions()
        assert "allkeys-lru" in text
        assert "1073741824" in text
        admin.config_set("maxmemory-policy", "noeviction")
        assert storage.cautions() == []

    def test_no_record_has_a_time_to_live(self, admin: redis.Redis, storage: RedisStorage) -> None:
        # So a policy that removes only what has one is harmless.
        assert evictions({"maxmemory": 1, "maxmemory_policy": "volatile-lru"}) is None
        scenario = Scenario(storage, task("a"), key="k")
        scenario.start()
        scenario.do("#.a")
        assert {admin.ttl(key) for key in admin.scan_iter()} == {-1}

    def test_a_user_who_may_not_ask(self, admin: redis.Redis, storage: RedisStorage) -> None:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        admin.config_set("maxmemory", "1gb")
        admin.execute_command("ACL", "SETUSER", "default", "-info", "-config")
        assert storage.cautions() == []

    def test_a_worker_says_it_once(
        self, engine: ModuleType, admin: redis.Redis, start_engine: Callable[..., Worker]
    ) -> None:
        admin.config_set("maxmemory-policy", "allkeys-lfu")
        admin.config_set("maxmemory", "1gb")
        worker = start_engine(pool="solo")
        worker.wait_for_output(r"WARNING.*maxmemory-policy is allkeys-lfu")
        worker.wait_for_output("this worker runs the recovery")
        assert worker.output().count("maxmemory-policy is") == 1


def test_headers_are_read_whole(admin: redis.Redis, storage: RedisStorage) -> None:
    ids = [Scenario(storage, task("a")).id for _ in range(3)]
    storage.get_instances(ids)
    admin.config_resetstat()
    assert [header and header.id for header in storage.get_instances([*ids, "nobody"])] == [*ids, None]
    # Of status and counters in two commands, one could be older than the other.
    assert admin.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
