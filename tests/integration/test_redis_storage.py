"""What the storage makes of a server's states, limits and addresses, and of what the driver raises."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs_flow.errors import ConfigurationError, InstanceNotFound, InvalidArgument, StorageUnavailable, TooLarge
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow.storages.redis import RedisStorage
from jobs_flow.storages.redis_live import RedisSubscription
from tests.conformance.scenario import Scenario, failed, ok, task
from tests.support.eventually import eventually
from tests.support.servers import Valkey

#: Half a surrogate pair: a str that no UTF-8 text can hold.
HALF = "\ud800"


@pytest.fixture
def admin(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def storage(valkey: Valkey) -> Iterator[RedisStorage]:
    made = RedisStorage(valkey.url)
    yield made
    made.close()


def transitions(storage: Storage, scenario: Scenario) -> list[Callable[[], Any]]:
    """Each call that writes, in an order in which all succeed."""
    held = {"token": "token"}
    return [
        lambda: Scenario(storage, task("a")),
        scenario.start,
        lambda: storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"}),
        scenario.start,
        lambda: scenario.claim("#.a"),
        lambda: storage.set_progress(scenario.id, "#.a", 2, value=0.5, text="half", **held),
        lambda: storage.append_logs(scenario.id, "#.a", 2, lines=["line"], **held),
        lambda: storage.add_event(scenario.id, {"error": {}}),
        lambda: scenario.complete("#.a", ok("#.a", 1)),
    ]


class TestUnavailable:
    def test_without_memory_nothing_is_written_until_there_is_some(
        self, admin: redis.Redis, storage: RedisStorage
    ) -> None:
        scenario = Scenario(storage, task("a"))
        admin.config_set("maxmemory-policy", "noeviction")
        for transition in transitions(storage, scenario):
            if transition != scenario.start:  # which first frees what it resets, and is let through
                before = scenario.snapshot
                admin.config_set("maxmemory", 1)
                with pytest.raises(StorageUnavailable, match="OutOfMemoryError"):
                    transition()
                assert scenario.snapshot == before
                admin.config_set("maxmemory", 0)
            assert transition()
        assert scenario.instance.status == "done"

    @pytest.mark.parametrize(
        ("refuse", "serve"),
        [
            pytest.param("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", id="READONLY"),
            pytest.param("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", id="NOREPLICAS"),
            pytest.param("ACL SETUSER default -evalsha", "ACL SETUSER default +evalsha", id="NOPERM"),
        ],
    )
    def test_a_server_that_refuses_to_write(
        self, admin: redis.Redis, storage: RedisStorage, refuse: str, serve: str
    ) -> None:
        scenario = Scenario(storage, task("a"))
        admin.execute_command(*refuse.split())
        with pytest.raises(StorageUnavailable):
            scenario.start()
        admin.execute_command(*serve.split())
        assert scenario.start().run == 1

    def test_a_replica_without_its_master(self, admin: redis.Redis, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        admin.config_set("replica-serve-stale-data", "no")
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        for call in (lambda: scenario.instance, lambda: scenario.events(), lambda: scenario.snapshot, scenario.start):
            with pytest.raises(StorageUnavailable):
                call()

    def test_a_server_busy_with_a_script(self, admin: redis.Redis, valkey: Valkey, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        admin.config_set("busy-reply-threshold", 1)

        def run_forever() -> None:
            with contextlib.suppress(redis.ResponseError), redis.Redis.from_url(valkey.url) as client:
                client.eval("while true do end", 0)

        thread = threading.Thread(target=run_forever)
        thread.start()
        try:
            assert eventually(lambda: not answers(storage))
            for call in (lambda: scenario.instance, lambda: scenario.events(), scenario.start):
                with pytest.raises(StorageUnavailable, match="BUSY"):
                    call()
        finally:
            admin.script_kill()
            thread.join()
        assert scenario.start().run == 1

    def test_an_error_of_another_kind_is_none_of_that(self, admin: redis.Redis, storage: RedisStorage) -> None:
        admin.set("workflow_i", "of somebody else")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            storage.get_instance("i")


def answers(storage: Storage) -> bool:
    try:
        storage.ping()
    except StorageUnavailable:
        return False
    return True


@pytest.mark.parametrize("size", [2_000_000, 50_000_000])
def test_a_value_larger_than_the_server_takes(admin: redis.Redis, storage: RedisStorage, size: int) -> None:
    admin.config_set("proto-max-bulk-len", "1mb")
    scenario = Scenario(storage, task("a"))
    scenario.start()
    scenario.claim("#.a")
    with pytest.raises(TooLarge) as refused:
        scenario.complete("#.a", ok("#.a", "x" * size))
    assert refused.value.to_wire()["payload"].items() >= {"size": size + 2, "limit": 2**20}.items()
    assert scenario.complete("#.a", ok("#.a", "x" * 1000)).finished == "done"


class TestAddress:
    async def test_a_unix_socket(self, start_valkey: Callable[..., Valkey]) -> None:
        # Not below pytest's directory: the path of a socket has at most 107 characters.
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "s.sock"
            server = start_valkey(config={"unixsocket": str(path)})
            with redis.Redis.from_url(server.url) as client:
                client.config_set("requirepass", "secret")
            storage = create_storage(f"unix://:secret@{path}?db=3&prefix=p:")
            scenario = Scenario(storage, task("a"))
            subscription = storage.subscribe()
            await subscription.add(scenario.id)
            scenario.start()
            async with asyncio.timeout(10):
                while (event := (await subscription.next())[1]) is None:
                    pass
            assert event.seq == 2
            await subscription.aclose()
            storage.close()
            with redis.Redis(unix_socket_path=str(path), password="secret", db=3) as client:
                assert client.exists(f"p:workflow_{scenario.id}")
            server.kill()
            with pytest.raises(StorageUnavailable) as away:
                storage.ping()
            assert "secret" not in str(away.value)
            assert storage.label == f"unix://{path}"

    def test_labels_hold_no_password(self) -> None:
        urls = {
            "redis://user:secret@host:1/2?socket_timeout=3": "redis://host:1/2",
            "rediss://:secret@host": "rediss://host",
            "unix:///tmp/s.sock?db=3&password=secret": "unix:///tmp/s.sock",
            "unix://user:secret@/tmp/s.sock": "unix:///tmp/s.sock",
        }
        assert {url: RedisStorage(url).label for url in urls} == urls

    @pytest.mark.parametrize(
        "url",
        [
            "redis://:sec/ret@host",
            "redis://:12/secret@host",
            "redis://:secret@host:port",
            "redis://[secret",
            "redis://host?secret=1",
            "unix://:sec/ret@/tmp/s.sock",
            "unix://tmp/s.sock",
            "unix://",
        ],
    )
    def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            create_storage(url)
        assert "ret@" not in str(refused.value)

    def test_the_prefix_of_the_url(self) -> None:
        assert RedisStorage("redis://host?prefix=p:").prefix == "p:"
        assert RedisStorage("redis://host", prefix="q:").prefix == "q:"
        assert "prefix" not in RedisStorage("redis://host?prefix=p:&db=3").url


class TestWaiting:
    def test_longer_than_the_time_limit_of_the_socket(self, valkey: Valkey) -> None:
        storage = RedisStorage(f"{valkey.url}?socket_timeout=0.3")
        scenario = Scenario(storage, task("a"))
        assert storage.wait_events(scenario.id, 1, 1.0) == []
        timer = threading.Timer(0.5, scenario.start)
        timer.start()
        assert [event.seq for event in storage.wait_events(scenario.id, 1, 10) or []] == [2]
        timer.join()
        storage.close()


class TestHalfASurrogatePair:
    """A name that is no text is the name of nothing."""

    def test_as_an_id(self, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"), realm="r")
        found = storage.get_instances([HALF, scenario.id])
        assert (found[0], found[1] and found[1].id) == (None, scenario.id)
        assert storage.get_instance(HALF) is None
        assert storage.get_tree(HALF) is None
        assert storage.get_task(HALF, "#.a") is None
        assert storage.get_inputs(HALF, ["#.a"]) == {}
        assert storage.get_logs(HALF, ["#.a"]) == {"#.a": []}
        assert storage.snapshot(HALF) is None
        assert storage.events(HALF, 0) == []
        assert storage.wait_events(HALF, 0, 0.01) == []
        assert storage.list_ids(after=HALF) == []
        assert storage.list_ids(realm=HALF) == []
        assert storage.list_ids(realm="r") == [scenario.id]

    def test_as_a_path(self, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        path = f"#.{HALF}"
        assert storage.get_task(scenario.id, path) is None
        assert list(storage.get_inputs(scenario.id, [path, "#.a"])) == ["#.a"]
        assert storage.get_logs(scenario.id, [path]) == {path: []}
        assert list(scenario.claim("#.a", inputs=[path, "#.a"]).inputs) == ["#.a"]

    def test_in_a_transition(self, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        real, scenario.id = scenario.id, HALF
        with pytest.raises(InstanceNotFound):
            scenario.start()
        assert scenario.claim("#.a").state == "gone"
        assert not scenario.complete("#.a", ok("#.a")).recorded
        assert not storage.append_logs(HALF, "#.a", 1, token="token", lines=["x"])
        assert not storage.set_progress(HALF, "#.a", 1, token="token", value=0.5, text=None)
        assert not storage.revert_run(HALF, 1, {})
        assert storage.add_event(HALF, {}) is None
        assert storage.list_ids() == [real]

    @pytest.mark.parametrize("names", [{"instance_id": HALF}, {"realm": HALF}])
    def test_nothing_is_created_under_it(self, storage: RedisStorage, names: dict[str, str]) -> None:
        with pytest.raises(InvalidArgument):
            Scenario(storage, task("a"), **names)
        assert storage.list_ids() == []

    def test_in_an_error_it_is_kept(self, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a")
        error = {"code": "EXECUTION_FAILED", "message": f"no file é{HALF}"}
        scenario.complete("#.a", failed(error, traceback=HALF))
        assert (scenario.task("#.a")["error"], scenario.task("#.a")["traceback"]) == (error, HALF)
        assert scenario.instance.error == {**error, "path": "#.a"}
        assert scenario.events(3)[0].data["tasks"]["#.a"]["error"] == error
        assert scenario.snapshot.tasks["#.a"]["error"] == error


@pytest.fixture
async def subscription(storage: RedisStorage) -> AsyncIterator[RedisSubscription]:
    made = storage.subscribe()
    yield made
    await made.aclose()


def when_subscribed(
    subscription: RedisSubscription, instance_id: str, action: Callable[[], Awaitable[None]], *, times: int = 1
) -> None:
    """Run ``action`` when the instance's channel is asked for and not yet confirmed."""
    make = subscription._client.pubsub
    channel = subscription._channel(instance_id)
    left = iter(range(times))

    def pubsub() -> Any:
        made = make()
        subscribe = made.subscribe

        async def subscribe_and_act(*channels: bytes) -> None:
            await subscribe(*channels)
            if channel in channels and next(left, None) is not None:
                await action()

        made.subscribe = subscribe_and_act
        return made

    subscription._client.pubsub = pubsub  # type: ignore[method-assign]


async def taken(subscription: RedisSubscription) -> list[str]:
    """The ids of what is waiting."""
    return [(await subscription.next())[0] for _ in range(subscription._queue.qsize())]


class TestSubscribing:
    @pytest.fixture
    def subscribers(self, admin: redis.Redis) -> Callable[[str], int]:
        return lambda name: dict(admin.pubsub_numsub(f"workflowEvents_{name}"))[f"workflowEvents_{name}".encode()]

    async def test_to_more_while_connecting(
        self, storage: RedisStorage, subscription: RedisSubscription, subscribers: Callable[[str], int]
    ) -> None:
        adding: list[asyncio.Task[None]] = []

        async def add_two() -> None:
            adding.extend(asyncio.create_task(subscription.add(name)) for name in ("b", "c"))
            # Lets both begin; they wait for the connection that is being made.
            await asyncio.sleep(0)

        when_subscribed(subscription, "a", add_two)
        await subscription.add("a")
        assert subscription._connected.is_set()
        await asyncio.gather(*adding)
        assert [subscribers(name) for name in "abc"] == [1, 1, 1]
        assert sorted(await taken(subscription)) == ["a", "b", "c"]

    async def test_to_another_instead_while_connecting(
        self, subscription: RedisSubscription, subscribers: Callable[[str], int]
    ) -> None:
        adding: list[asyncio.Task[None]] = []

        async def replace() -> None:
            await subscription.remove("a")
            adding.append(asyncio.create_task(subscription.add("b")))
            # Lets it begin; it waits for the connection that is being made.
            await asyncio.sleep(0)

        when_subscribed(subscription, "a", replace)
        await subscription.add("a")
        assert subscription._connected.is_set()
        await asyncio.gather(*adding)
        assert [subscribers(name) for name in "ab"] == [0, 1]
        assert await taken(subscription) == ["b"]

    async def test_removed_and_added_again_while_connecting(
        self, subscription: RedisSubscription, subscribers: Callable[[str], int]
    ) -> None:
        adding: list[asyncio.Task[None]] = []

        async def remove_and_add() -> None:
            await subscription.remove("a")
            adding.append(asyncio.create_task(subscription.add("a")))
            # Lets it begin; it waits for the connection that is being made.
            await asyncio.sleep(0)

        when_subscribed(subscription, "a", remove_and_add)
        await subscription.add("a")
        await asyncio.gather(*adding)
        assert subscribers("a") == 1

    async def test_an_id_that_is_no_text(self, storage: RedisStorage, subscription: RedisSubscription) -> None:
        scenario = Scenario(storage, task("a"))
        await subscription.add(HALF)
        await subscription.add(scenario.id)
        await taken(subscription)
        scenario.start()
        received = await asyncio.wait_for(subscription.next(), 10)
        assert (received[0], received[1] and received[1].seq) == (scenario.id, 2)
        await subscription.remove(HALF)

    async def test_a_lost_connection_is_reported(
        self, admin: redis.Redis, storage: RedisStorage, subscription: RedisSubscription
    ) -> None:
        scenario = Scenario(storage, task("a"))
        await subscription.add(scenario.id)
        await taken(subscription)
        assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        assert await asyncio.wait_for(subscription.next(), 10) == (scenario.id, None)
        scenario.start()
        received = await asyncio.wait_for(subscription.next(), 10)
        assert (received[0], received[1] and received[1].seq) == (scenario.id, 2)

    async def test_what_could_not_be_sent_is_sent_again(
        self, storage: RedisStorage, subscription: RedisSubscription, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = Scenario(storage, task("a")), Scenario(storage, task("a"))
        await subscription.add(one.id)
        await taken(subscription)

        async def fail(*channels: bytes) -> None:
            raise redis.ConnectionError("lost")

        monkeypatch.setattr(subscription._pubsub, "subscribe", fail)
        await subscription.add(two.id)
        one.start()
        received = [await asyncio.wait_for(subscription.next(), 10) for _ in range(3)]
        assert received[0][0] == one.id
        assert sorted(received[1:]) == sorted([(one.id, None), (two.id, None)])

    async def test_subscribed_to_again_by_the_driver(
        self, storage: RedisStorage, subscription: RedisSubscription
    ) -> None:
        await subscription.add("a")
        await taken(subscription)
        # As it does on connecting again, in whatever call noticed the loss.
        await subscription._pubsub.subscribe(subscription._channel("a"))
        assert await asyncio.wait_for(subscription.next(), 10) == ("a", None)
