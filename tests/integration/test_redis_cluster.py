"""The storage in a cluster: where its keys are, and what becomes of records while nodes die and slots move."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import redis

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages import create_storage
from jobs_flow.storages.redis import RedisStorage
from jobs_flow.storages.redis_partitions import Partitions, slot_of, tags
from jobs_flow.testing.scenario import LEASE, Scenario, task
from tests.support.eventually import aeventually, eventually
from tests.support.processes import Worker
from tests.support.servers import Valkey, redis_program
from tests.support.servers_redis import RedisCluster

ENGINE = "tests.integration.apps.engine"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    cluster = RedisCluster(program=redis_program())
    try:
        yield cluster.start()
    finally:
        cluster.end()


@contextlib.contextmanager
def noticing(cluster: RedisCluster) -> Iterator[None]:
    """Nodes that die, and are started again, are noticed soon; at the end the cluster is whole."""
    cluster.notice_soon()
    try:
        yield
    finally:
        for node in cluster.nodes:
            if not node.running:
                node.start()
        cluster.wait_until_whole()


@pytest.fixture
def prefix() -> str:
    return f"{uuid.uuid4().hex}:"


@pytest.fixture
def storage(cluster: RedisCluster, prefix: str) -> Iterator[RedisStorage]:
    storage = create_storage(f"{cluster.url}&prefix={prefix}")
    assert isinstance(storage, RedisStorage)
    yield storage
    storage.close()


def keys_of(cluster: RedisCluster, pattern: str) -> dict[bytes, Valkey]:
    """The keys of that pattern, and the node of each."""
    return {key: node for node in cluster.nodes for key in cluster.command(node, "KEYS", pattern)}


class TestPartitions:
    def test_equal_ranges_of_slots_hold_equally_many(self) -> None:
        for count in (1, 2, 3, 16, 100):
            bands = Counter(slot_of(tag) * count // 16384 for tag in tags(count))
            assert bands == dict.fromkeys(range(count), 1)

    def test_their_names_are_for_ever(self) -> None:
        # Records are found by them: another name is another key.
        assert Partitions("p:", 4).prefixes == ("p:{0.1}:", "p:{1.3}:", "p:{2.1}:", "p:{3.3}:")
        assert Partitions("", 4).of("01a20000-0000-7000-8000-00000000000a") == "{2.1}:"

    def test_a_server_that_is_no_cluster_has_none(self) -> None:
        assert Partitions("p:").prefixes == ("p:",)

    def test_each_is_in_the_slot_that_the_server_computes(self, cluster: RedisCluster) -> None:
        for tag in tags(16):
            assert cluster.command(cluster.nodes[0], "CLUSTER", "KEYSLOT", f"p:{{{tag}}}:x") == slot_of(tag)

    def test_an_id_is_drawn_until_it_fits_its_key(self) -> None:
        partitions = Partitions("", 16)
        ids = [partitions.new_id("realm", f"key {number}") for number in range(30)]
        assert [partitions.of(id) for id in ids] == [partitions.of_key("realm", f"key {n}") for n in range(30)]
        assert len({partitions.of(id) for id in ids}) > 5


class TestKeys:
    def test_those_of_an_instance_are_in_one_slot(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), key="k", realm="r")
        scenario.start()
        scenario.do("#.a")
        scenario.claim("#.b")
        storage.append_logs(scenario.id, "#.b", 1, token="token", lines=["line"])
        scenario.retry("#.b", delay=LEASE)
        storage.add_body(scenario.id, "body")
        storage.write_chunk(scenario.id, "body", 0, b"bytes")
        found = keys_of(cluster, f"{storage.prefix}*{scenario.id}*")
        kinds = {key.partition(b"}:")[2].partition(b"_")[0] for key in found}
        assert {b"workflow", b"workflowState", b"workflowTask", b"logs", b"attempts", b"workflowBody"} <= kinds
        assert len({cluster.command(cluster.nodes[0], "CLUSTER", "KEYSLOT", key) for key in found}) == 1
        storage.delete_instance(scenario.id)
        left = keys_of(cluster, f"{storage.prefix}*{scenario.id}*")
        assert {key.partition(b"}:")[2].partition(b"_")[0] for key in left} == {b"workflowEvents", b"workflowDeleted"}

    def test_instances_are_on_every_node(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        ids: list[str] = []
        # Which partition an id is in is chance: as many as it takes for each to have one.
        partitions = 16
        while len({storage._partitions.of(id) for id in ids}) < partitions and len(ids) < 1_000:
            ids.append(Scenario(storage, task("a")).id)
        nodes = Counter(node.port for node in keys_of(cluster, f"{storage.prefix}*workflow_*").values())
        assert sum(nodes.values()) == len(ids)
        assert min(nodes[node.port] for node in cluster.nodes) >= partitions // len(cluster.nodes)
        pages = [storage.list_ids(limit=25)]
        while pages[-1]:
            pages.append(storage.list_ids(after=pages[-1][-1], limit=25))
        assert [id for page in pages for id in page] == ids[::-1]
        assert [header and header.id for header in storage.get_instances(ids)] == ids

    def test_another_number_of_partitions_is_refused(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        other = create_storage(f"{cluster.url}&prefix={storage.prefix}&partitions=8")
        with pytest.raises(ConfigurationError, match="partitions=16"):
            other.get_instance(scenario.id)
        same = create_storage(f"{cluster.url}&prefix={storage.prefix}&partitions=16")
        assert same.get_instance(scenario.id) == scenario.instance
        other.close()
        same.close()

    def test_scripts_that_the_nodes_lost_are_loaded_again(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        for node in cluster.nodes:
            cluster.command(node, "SCRIPT", "FLUSH")
        assert [lane.length for lane in storage.lanes()] == [1]
        assert scenario.claim("#.a").state == "granted"


class TestNodes:
    def test_nothing_is_lost_with_a_node(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        scenarios = [Scenario(storage, task("a"), task("b")) for _ in range(4)]
        for scenario in scenarios:
            scenario.start()
            scenario.do("#.a")
        before = [scenario.snapshot for scenario in scenarios]
        with noticing(cluster):
            cluster.kill(cluster.nodes[1])
            for scenario in scenarios:
                with pytest.raises(StorageUnavailable):
                    scenario.claim("#.b")
            with pytest.raises(StorageUnavailable):
                storage.due()
        assert [eventually(lambda each=each: snapshot_of(each), 20) for each in scenarios] == before
        for scenario in scenarios:
            assert scenario.do("#.b").finished == "done"

    async def test_a_subscription_moves_to_another_node(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        # A URL with one host: of the others it has to learn by itself.
        alone = create_storage(f"redis://127.0.0.1:{cluster.nodes[0].port}?cluster=true&prefix={storage.prefix}")
        scenario = Scenario(storage, task("a"))
        subscription = alone.subscribe()
        try:
            await subscription.add(scenario.id)
            async with asyncio.timeout(30):
                # Said when it is connected: only what is published then is heard.
                assert await subscription.next() == (scenario.id, None)
            scenario.start()
            assert await next_event(subscription) == 2
            await aeventually(lambda: len(subscription._listener._places) > 1)  # type: ignore[attr-defined]
            with noticing(cluster):
                await asyncio.to_thread(cluster.kill, cluster.nodes[0])
                async with asyncio.timeout(30):
                    assert await subscription.next() == (scenario.id, None)
                # It hears of what other nodes publish while its first one is away.
                channel = storage._partitions.channel(scenario.id)
                cluster.command(cluster.nodes[2], "PUBLISH", channel, b'9 {"error":{}}')
                assert await next_event(subscription) == 9
        finally:
            await subscription.aclose()
            alone.close()

    def test_a_client_whose_nodes_are_all_gone_begins_anew(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"))
        with noticing(cluster):
            for node in cluster.nodes:
                node.kill()
            with pytest.raises(StorageUnavailable):
                scenario.start()
            assert storage._server._clients == {}  # type: ignore[attr-defined]
        assert scenario.start().run == 1


# Connections to a node that is no part of it any more are left by the driver to the garbage collector, which warns
# when it comes to a socket before its owner.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_replica_takes_over() -> None:
    cluster = RedisCluster()
    try:
        cluster.start().add_replica(cluster.nodes[1])
        storage = create_storage(cluster.url)
        scenarios = [Scenario(storage, task("a"), task("b")) for _ in range(8)]
        for scenario in scenarios:
            scenario.start()
            scenario.do("#.a")
        # What is not at the replica yet would be lost with its master. Waited for is what this very client has written.
        with redis.Redis(port=cluster.nodes[1].port) as client:
            client.set(f"{{{tags(3)[1]}}}last", "1")
            assert client.wait(1, 30_000) == 1
        cluster.notice_soon()
        cluster.nodes[1].kill()
        for scenario in scenarios:
            assert eventually(lambda each=scenario: done(each), 60) == "done"
        storage.close()
    finally:
        cluster.end()
    # Here, and not in whatever test comes next.
    del storage, scenarios, scenario
    gc.collect()


def done(scenario: Scenario) -> str | None:
    try:
        return scenario.do("#.b").finished
    except StorageUnavailable:
        return None


def snapshot_of(scenario: Scenario) -> Any:
    try:
        return scenario.snapshot
    except StorageUnavailable:
        return None


async def next_event(subscription: Any) -> int:
    async with asyncio.timeout(30):
        while (event := (await subscription.next())[1]) is None:
            pass
    return event.seq


class TestMovingASlot:
    def test_nothing_is_done_by_halves_meanwhile(self, cluster: RedisCluster, storage: RedisStorage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), key="k")
        scenario.start()
        scenario.do("#.a")
        before = scenario.snapshot
        move = Move(cluster, storage._key("workflow", scenario.id))
        move.begin()
        keys = move.keys()
        assert len(keys) > 8
        header = storage._key("workflow", scenario.id)
        # First those beside the header, so that the first node finds it; then all but one, so that the second does.
        keys.sort(key=lambda key: key == header)
        for key in (*keys[1:-1], keys[-1]):
            move.one(key)
            if key in (keys[1], keys[-2], keys[-1]):
                with pytest.raises(StorageUnavailable):
                    scenario.claim("#.b")
        move.one(keys[0])
        move.end()
        assert eventually(lambda: snapshot_of(scenario), 20) == before
        assert scenario.do("#.b").finished == "done"
        assert [event.seq for event in scenario.events()] == list(range(1, 7))
        assert storage.find_key("scenario", "k") == scenario.id
        assert storage.list_ids() == [scenario.id]


class Move:
    """The slot of a key goes from its node to another."""

    def __init__(self, cluster: RedisCluster, key: bytes) -> None:
        self._cluster = cluster
        self._slot = cluster.command(cluster.nodes[0], "CLUSTER", "KEYSLOT", key)
        self._source = keys_of(cluster, key.decode().replace("{", "\\{"))[key]
        self._target = next(node for node in cluster.nodes if node is not self._source)

    def begin(self) -> None:
        self._set(self._target, "IMPORTING", self._id(self._source))
        self._set(self._source, "MIGRATING", self._id(self._target))

    def keys(self) -> list[bytes]:
        found: list[bytes] = self._cluster.command(self._source, "CLUSTER", "GETKEYSINSLOT", self._slot, 1000)
        return found

    def one(self, key: bytes) -> None:
        self._cluster.command(self._source, "MIGRATE", "127.0.0.1", self._target.port, key, 0, 5000)

    def end(self) -> None:
        for node in (self._target, self._source, *self._cluster.nodes):
            self._set(node, "NODE", self._id(self._target))

    def _id(self, node: Valkey) -> str:
        return str(self._cluster.command(node, "CLUSTER", "MYID").decode())

    def _set(self, node: Valkey, *words: str) -> None:
        self._cluster.command(node, "CLUSTER", "SETSLOT", self._slot, *words)


class TestEngine:
    def test_a_workflow_runs_while_a_node_is_away(
        self,
        cluster: RedisCluster,
        valkey: Valkey,
        prefix: str,
        import_engine: Callable[..., ModuleType],
        start_worker: Callable[..., Worker],
    ) -> None:
        engine = import_engine(broker=valkey.url, storage=f"{cluster.url}&prefix={prefix}")
        worker = start_worker(ENGINE)
        assert engine.jobs.wait(engine.jobs.create_workflow_instance("nested", execute=True), 30) is not None
        ids = [engine.jobs.create_workflow_instance("nested", key=f"k{number}", execute=True) for number in range(6)]
        with noticing(cluster):
            cluster.kill(cluster.nodes[2])
        for id in ids:
            eventually(lambda id=id: status_of(engine, id) == "done", 120)
        again = [engine.jobs.create_workflow_instance("nested", key=f"k{number}") for number in range(6)]
        assert again == ids
        assert worker.running


def status_of(engine: ModuleType, id: str) -> str | None:
    try:
        return str(engine.jobs.snapshot(id).instance.status)
    except (StorageUnavailable, redis.RedisError):
        return None
