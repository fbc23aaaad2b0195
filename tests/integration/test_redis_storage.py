"""What the storage makes of a server's states, limits and addresses, and of what the driver raises."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs_flow.errors import ConfigurationError, InstanceNotFound, InvalidArgument, StorageUnavailable, TooLarge
from jobs_flow.storages import create_storage, redis_live
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Grip, Loss, NewInstance, Queued, RunSelection
from jobs_flow.storages.redis import RedisStorage
from jobs_flow.storages.redis_live import RedisSubscription
from jobs_flow.testing.scenario import LEASE, Scenario, failed, ok, pass_time, task
from tests.support.eventually import aeventually, eventually
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


def transitions(storage: Storage, scenario: Scenario) -> list[tuple[Callable[[], Any], int]]:
    """Each call that writes, in an order in which all succeed, with the number of events it makes."""
    held = {"token": "token"}
    new = dataclasses.replace(scenario.new, data="other")
    return [
        (scenario.start, 1),
        (lambda: storage.revert_run(scenario.id, 1, {"code": "X", "message": "x"}), 1),
        (scenario.start, 1),
        (lambda: scenario.claim("#.a", timeout=LEASE), 1),
        (lambda: storage.set_progress(scenario.id, "#.a", 2, value=0.5, text="half", **held), 1),
        (lambda: storage.append_logs(scenario.id, "#.a", 2, lines=["line"], **held), 1),
        (lambda: storage.add_event(scenario.id, {"error": {}}), 1),
        (lambda: scenario.renew("#.a"), 0),
        (lambda: scenario.retry("#.a", delay=LEASE), 1),
        (lambda: storage.release(scenario.id, "#.a", 2), 1),
        (lambda: scenario.claim("#.a"), 1),
        (lambda: scenario.lose("#.a") is Loss.REQUEUED, 1),
        (lambda: scenario.claim("#.a"), 1),
        (lambda: storage.pause(scenario.id, True), 1),
        (lambda: storage.cancel(scenario.id, "#.nobody", undo=True), 1),
        (lambda: scenario.complete("#.a", ok("#.a", 1)), 1),
        (lambda: storage.set_updaters(scenario.id, "#.a", '[{"$unset": "a"}]'), 1),
        (lambda: storage.begin_undo(scenario.id, ["#.a"]), 1),
        (lambda: storage.claim_undo(scenario.id, 3, token="token", worker="worker", lease=LEASE), 1),
        (lambda: storage.end_undo(scenario.id, 3, "#.a", token="token", error=None), 1),
        (lambda: storage.reset(scenario.id, ["#.a"]), 1),
        (lambda: storage.update_instance(new, revision=1), 1),
        (lambda: storage.elect("recovery", "holder", LEASE), 0),
    ]


def everything(storage: RedisStorage, scenario: Scenario) -> Any:
    """All that is readable of an instance."""
    tasks = {path: storage.get_task(scenario.id, path) for path in scenario.plan.nodes}
    attempts = {path: storage.get_attempts(scenario.id, path) for path in scenario.plan.nodes}
    return scenario.snapshot, tasks, attempts, storage.lanes(), storage.get_logs(scenario.id, list(scenario.plan.nodes))


class TestUnavailable:
    def test_without_memory_nothing_is_written_until_there_is_some(
        self, admin: redis.Redis, storage: RedisStorage
    ) -> None:
        scenario = Scenario(storage, task("a"))
        admin.config_set("maxmemory-policy", "noeviction")
        for number, (transition, events) in enumerate(transitions(storage, scenario)):
            before = everything(storage, scenario), admin.zrange("workflowTimers", 0, -1, withscores=True)
            admin.config_set("maxmemory", 1)
            with pytest.raises(StorageUnavailable, match="OutOfMemoryError"):
                transition()
            after = everything(storage, scenario), admin.zrange("workflowTimers", 0, -1, withscores=True)
            assert after == before, number
            admin.config_set("maxmemory", 0)
            assert transition(), number
            assert scenario.instance.seq == before[0][0].seq + events, number
        admin.config_set("maxmemory", 1)
        with pytest.raises(StorageUnavailable, match="OutOfMemoryError"):
            Scenario(storage, task("a"), instance_id="i")
        # What frees memory goes on without any.
        assert storage.delete_instance(scenario.id)
        admin.config_set("maxmemory", 0)
        assert storage.list_ids() == []
        assert Scenario(storage, task("a"), instance_id="i").start().run == 1

    def test_scripts_that_the_server_lost_are_loaded_again(self, admin: redis.Redis, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        for number, (transition, _) in enumerate(transitions(storage, scenario)):
            admin.script_flush()
            assert transition(), number
        admin.script_flush()
        assert (storage.due(), storage.lanes(), storage.overdue("", grace=0, drained=True)) == ([], [], [])
        admin.script_flush()
        assert storage.delete_instance(scenario.id)

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
            async with asyncio.timeout(30):
                # Said when it is connected: only what is published then is heard.
                assert await subscription.next() == (scenario.id, None)
                scenario.start()
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


class TestRestart:
    def test_timers_and_lanes_outlive_the_server(self, start_valkey: Callable[..., Valkey]) -> None:
        server = start_valkey(config={"appendonly": "yes", "appendfsync": "always"})
        storage = RedisStorage(server.url)
        scenario = Scenario(storage, task("a", task("b"), task("c")), task("d"), key="k")
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.a.b", "token b")
        scenario.retry("#.a.b", delay=LEASE, token="token b")
        scenario.claim("#.a.c", "token c", lease=0)
        pass_time()
        server.kill()
        with pytest.raises(StorageUnavailable):
            scenario.complete("#.a.c", ok("#.a.c"), "token c")
        server.start()
        assert scenario.kinds() == {("lease", "#.a.c")}
        assert scenario.lose("#.a.c", "token c") is Loss.REQUEUED
        pass_time()
        assert storage.overdue("", grace=0, drained=True) == [Queued(scenario.id, "#.a.c", 1)]
        assert storage.release(scenario.id, "#.a.b", 1)
        assert scenario.claim("#.a.b").retries == 1
        assert scenario.complete("#.a.b", ok("#.a.b")).queued == ()
        scenario.do("#.a.c")
        assert scenario.do("#.d").finished == "done"
        assert [attempt["status"] for attempt in scenario.attempts("#.a.c")] == ["lost"]
        assert storage.find_key("scenario", "k") == scenario.id
        assert [event.seq for event in scenario.events()] == list(range(1, scenario.instance.seq + 1))
        storage.close()


class TestLanes:
    def test_healthy_tasks_are_not_even_read(self, admin: redis.Redis, storage: RedisStorage) -> None:
        paths = tuple(f"#.{number}" for number in range(10_000))
        storage.create_instance(NewInstance("i", "w", {}, {}, "", [], paths))
        storage.start_run("i", RunSelection(paths=paths, heads=paths, joins={}, lane="celery"))
        options: dict[str, Any] = {"token": "t", "worker": "w", "revision": 1, "inputs": (), "lease": LEASE}
        assert storage.claim("i", "#.5000", 1, **options).state == "granted"
        pass_time()
        assert storage.lanes()[0].length == 9_999
        storage.overdue("celery", grace=0, drained=False)
        admin.config_resetstat()
        assert storage.overdue("celery", grace=0, drained=False) == []
        counts = {name: stats["calls"] for name, stats in admin.info("commandstats").items()}
        assert "cmdstat_hmget" not in counts
        assert sum(calls for name, calls in counts.items() if name.startswith("cmdstat_z")) <= 4

    def test_each_call_reads_what_it_gives(self, admin: redis.Redis, storage: RedisStorage) -> None:
        paths = tuple(f"#.{number}" for number in range(1_000))
        storage.create_instance(NewInstance("i", "w", {}, {}, "", [], paths))
        storage.start_run("i", RunSelection(paths=paths, heads=paths, joins={}, lane="celery"))
        pass_time()
        admin.config_resetstat()
        first = storage.overdue("celery", grace=1, drained=True, limit=10)
        assert len(first) == 10
        assert admin.info("commandstats")["cmdstat_hmget"]["calls"] <= 2 * 10
        given = storage.overdue("celery", grace=1, drained=True, limit=2_000)
        assert len({queued.path for queued in first} | {queued.path for queued in given}) == 1_000

    def test_a_claim_takes_it_out_of_wherever_it_waits(self, admin: redis.Redis, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        pass_time()
        assert storage.overdue("", grace=0, drained=True) == [Queued(scenario.id, "#.a", 1)]
        assert (admin.zcard("workflowLane_"), admin.zcard("workflowLaneLater_")) == (0, 1)
        assert storage.lanes()[0].length == 1
        scenario.claim("#.a")
        assert (admin.zcard("workflowLane_"), admin.zcard("workflowLaneLater_")) == (0, 0)
        assert storage.lanes() == []


class TestDeleted:
    def test_nothing_is_left_of_it(self, admin: redis.Redis, storage: RedisStorage) -> None:
        kept = Scenario(storage, task("a"), realm="r")
        before = set(admin.keys())
        scenario = Scenario(storage, task("a", task("b")), task("c"), realm="r", key="k", ephemeral=True)
        for transition, _ in transitions(storage, Scenario(storage, task("a"), instance_id="i")):
            assert transition()
        scenario.start()
        scenario.do("#.a", ok("#.a", 1, updaters='[{"$unset": "x"}]', logs=["line"]))
        scenario.claim("#.a.b")
        scenario.retry("#.a.b", delay=LEASE)
        assert storage.delete_instance(scenario.id)
        assert storage.delete_instance("i")
        # The last event and the last header, for who asks again.
        left = {key for key in set(admin.keys()) - before if admin.pttl(key) < 0}
        assert left == {b"workflowLanes"}
        assert admin.zrange("workflowTimers", 0, -1) == []
        assert storage.list_ids(realm="r") == [kept.id]

    def test_nothing_is_written_to_it(self, admin: redis.Redis, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        calls = transitions(storage, scenario)
        storage.delete_instance(scenario.id)
        before = sorted(admin.keys())
        for transition, _ in calls[:-1]:
            with contextlib.suppress(InstanceNotFound):
                transition()
        assert sorted(admin.keys()) == before

    def test_another_of_the_same_id_begins_anew(self, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"), instance_id="i")
        scenario.start()
        storage.delete_instance("i")
        again = Scenario(storage, task("a"), instance_id="i")
        assert [event.seq for event in again.events()] == [1]
        again.start()
        assert again.do("#.a").finished == "done"


class TestOfAnEarlierVersion:
    """Instances that were written before there were keys, lanes and timers."""

    def test_goes_on(self, admin: redis.Redis, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        admin.hdel(f"workflow_{scenario.id}", "key", "paused", "cancelled", "undo")
        admin.hdel(f"workflowTask_{scenario.id}_#.a", "lane", "publishedAt", "waitTimeout")
        admin.delete("workflowLanes", "workflowLane_", "workflowTimers")
        header = scenario.instance
        assert (header.key, header.paused, header.cancelled, header.undo) == (None, False, (), None)
        assert scenario.claim("#.a").state == "granted"
        assert scenario.lose("#.a") is Loss.REQUEUED
        scenario.do("#.a")
        assert scenario.do("#.b").finished == "done"
        assert storage.delete_instance(scenario.id)


class TestWaiting:
    def test_longer_than_the_time_limit_of_the_socket(self, valkey: Valkey) -> None:
        storage = RedisStorage(f"{valkey.url}?socket_timeout=1")
        scenario = Scenario(storage, task("a"))
        assert storage.wait_events(scenario.id, 1, 1.5) == []
        timer = threading.Timer(0.5, scenario.start)
        timer.start()
        assert [event.seq for event in storage.wait_events(scenario.id, 1, 30) or []] == [2]
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
        assert storage.get_figures(HALF, ["#.a"], ["status"]) == {}
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
        assert list(storage.get_figures(scenario.id, [path, "#.a"], ["status"])) == ["#.a"]
        assert storage.get_logs(scenario.id, [path]) == {path: []}
        assert list(scenario.claim("#.a", inputs=[path, "#.a"]).inputs) == ["#.a"]

    def test_in_a_transition(self, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        real, scenario.id = scenario.id, HALF
        with pytest.raises(InstanceNotFound):
            scenario.start()
        assert scenario.claim("#.a").state == "gone"
        assert not scenario.complete("#.a", ok("#.a")).recorded
        assert storage.append_logs(HALF, "#.a", 1, token="token", lines=["x"]) is Grip.LOST
        assert storage.set_progress(HALF, "#.a", 1, token="token", value=0.5, text=None) is Grip.LOST
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
async def subscription(storage: RedisStorage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisSubscription]:
    # However slow the machine is: whoever adds an instance is not sent on before it is subscribed to.
    monkeypatch.setattr(redis_live, "CONNECTED_IN", 60.0)
    monkeypatch.setattr(redis_live, "CONFIRMED_IN", 60.0)
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
        received = await asyncio.wait_for(subscription.next(), 30)
        assert (received[0], received[1] and received[1].seq) == (scenario.id, 2)
        await subscription.remove(HALF)

    async def test_a_lost_connection_is_reported(
        self, admin: redis.Redis, storage: RedisStorage, subscription: RedisSubscription
    ) -> None:
        scenario = Scenario(storage, task("a"))
        await subscription.add(scenario.id)
        await taken(subscription)
        assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        assert await asyncio.wait_for(subscription.next(), 30) == (scenario.id, None)
        scenario.start()
        received = await asyncio.wait_for(subscription.next(), 30)
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
        received = [await asyncio.wait_for(subscription.next(), 30) for _ in range(3)]
        assert received[0][0] == one.id
        assert sorted(received[1:]) == sorted([(one.id, None), (two.id, None)])

    async def test_subscribed_to_again_by_the_driver(
        self, storage: RedisStorage, subscription: RedisSubscription
    ) -> None:
        await subscription.add("a")
        await taken(subscription)
        # As it does on connecting again, in whatever call noticed the loss.
        await subscription._pubsub.subscribe(subscription._channel("a"))
        assert await asyncio.wait_for(subscription.next(), 30) == ("a", None)


class TestSubscriptionsEnd:
    async def test_one_that_is_closed_while_it_connects_leaves_no_connection(self, valkey: Valkey) -> None:
        storage = RedisStorage(valkey.url)
        with redis.Redis(port=valkey.port) as client:

            def listening() -> int:
                return sum(int(each["sub"]) > 0 for each in client.client_list())

            for moment in range(60):
                subscription = storage.subscribe()
                adding = asyncio.create_task(subscription.add("i"))
                # At another point of connecting and subscribing each time.
                for _ in range(moment):
                    await asyncio.sleep(0)
                adding.cancel()
                await asyncio.gather(adding, return_exceptions=True)
                ended, _ = await asyncio.wait([asyncio.create_task(subscription.aclose())], timeout=10)
                assert ended, f"closed at its step {moment} it does not end"
            await aeventually(lambda: listening() == 0)
        storage.close()
