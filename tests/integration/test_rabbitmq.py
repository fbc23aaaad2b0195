"""The engine on RabbitMQ with quorum queues: what is peculiar to it. Chaos on it is in ``tests/chaos``."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import amqp
import pytest
from celery import Celery
from kombu import Exchange, Queue, pools

from jobs_flow import Jobs
from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.celery import confirms, plugin
from jobs_flow.errors import BrokerUnavailable, CannotPublish
from tests.support.eventually import eventually
from tests.support.processes import Worker
from tests.support.proxy import LosingProxy
from tests.support.servers import Valkey
from tests.support.servers_rabbitmq import RabbitMQ

QUEUE = "celery"
ENV = {"ENGINE_LEASE": "1.5"}
#: Of a queue that refuses what it has no room for.
LIMIT = 5
LIMITED = {"x-queue-type": "quorum", "x-max-length": LIMIT, "x-overflow": "reject-publish"}


@pytest.fixture
def engine(rabbitmq: RabbitMQ, valkey: Valkey, import_engine: Callable[..., ModuleType]) -> ModuleType:
    """The engine's project with its messages on RabbitMQ."""
    rabbitmq.delete(QUEUE)
    pools.reset()
    return import_engine(broker=rabbitmq.url, storage=valkey.url)


@pytest.fixture
def proxy(rabbitmq: RabbitMQ) -> Iterator[LosingProxy]:
    """The way to the broker."""
    proxy = LosingProxy(rabbitmq.port)
    yield proxy
    proxy.close()


@pytest.fixture
def through(
    rabbitmq: RabbitMQ, proxy: LosingProxy, valkey: Valkey, import_engine: Callable[..., ModuleType]
) -> ModuleType:
    """The same, by way of the proxy."""
    rabbitmq.delete(QUEUE)
    pools.reset()
    return import_engine(broker=f"amqp://guest:guest@127.0.0.1:{proxy.port}//", storage=valkey.url)


@pytest.fixture
def stands_still(rabbitmq: RabbitMQ) -> Iterator[Callable[[], None]]:
    """A function that stops the broker without a word, as when its machine hangs; it goes on after the test."""
    yield lambda: rabbitmq.send(signal.SIGSTOP)
    rabbitmq.send(signal.SIGCONT)


def paths_in(server: RabbitMQ) -> list[str]:
    """Of the steps whose messages wait in the queue, which is left as it is."""
    with server.connect() as connection:
        channel, paths = connection.channel(), []
        while (message := channel.basic_get(QUEUE)) is not None:
            paths.append(json.loads(message.body)[0][1])
        return paths


def fill(server: RabbitMQ) -> None:
    """Declare the queue as a limited one, and put into it what there is room for and one more."""
    with server.connect() as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=LIMITED)
        for _ in range(LIMIT + 1):
            channel.basic_publish(amqp.Message("{}"), routing_key=QUEUE)
        eventually(lambda: server.count(QUEUE) > LIMIT)


def publish_members(engine: ModuleType, width: int) -> list[str]:
    """Publish the members of a block as the step before it does; their paths."""
    id = engine.jobs.create_workflow_instance("wide", width)
    plan = engine.jobs.runtime.plan_of(engine.jobs.runtime.header(id))
    paths = [path for path in plan.nodes if path.startswith("#.split.")]
    engine.jobs.backend.dispatch(Dispatch(id, 1, plan, paths))
    return paths


class TestSettings:
    def test_what_is_published_is_confirmed_unless_the_application_says_otherwise(
        self, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CELERY_BROKER_URL")
        for given, expected in (({}, True), ({"confirm_publish": False}, False)):
            app = Celery("settings", broker="amqp://127.0.0.1:1//", set_as_current=False)
            app.conf.broker_transport_options = {"write_timeout": 3, **given}
            Jobs(app, storage=valkey.url)
            assert app.conf.broker_transport_options == {"confirm_publish": expected, "write_timeout": 3}
            assert app.conf.broker_heartbeat == 30
            app.close()

    def test_the_queue_is_a_quorum_queue(self, engine: ModuleType, rabbitmq: RabbitMQ) -> None:
        engine.jobs.create_workflow_instance("one_word", "x", execute=True)
        with rabbitmq.connect() as connection, pytest.raises(amqp.PreconditionFailed, match="quorum"):
            connection.channel().queue_declare(QUEUE, durable=True, auto_delete=False)


class TestPublishing:
    def test_a_block_is_published_whole_before_its_dispatch_returns(
        self, engine: ModuleType, rabbitmq: RabbitMQ
    ) -> None:
        assert len(publish_members(engine, 600)) == 600
        eventually(lambda: rabbitmq.count(QUEUE) == 600)

    def test_a_connection_that_is_lost_on_the_way_is_replaced(
        self, through: ModuleType, proxy: LosingProxy, rabbitmq: RabbitMQ
    ) -> None:
        through.jobs.create_workflow_instance("one_word", "x", execute=True)
        proxy.lose_next_answer()
        members = publish_members(through, 300)
        assert proxy.lost == 1
        # All of them, and those that had arrived before a second time.
        assert set(members) <= set(paths_in(rabbitmq))

    def test_an_idle_connection_that_the_broker_has_closed_is_not_told(
        self, through: ModuleType, proxy: LosingProxy, rabbitmq: RabbitMQ
    ) -> None:
        first = through.jobs.create_workflow_instance("one_word", "x", execute=True)
        proxy.cut()
        second = through.jobs.create_workflow_instance("one_word", "x", execute=True)
        assert [through.jobs.get_workflow(id)["status"] for id in (first, second)] == ["working", "working"]
        eventually(lambda: rabbitmq.count(QUEUE) == 2)

    def test_a_queue_that_was_deleted_meanwhile_is_made_again(self, engine: ModuleType, rabbitmq: RabbitMQ) -> None:
        for _ in range(2):
            assert publish_members(engine, 50)
            eventually(lambda: rabbitmq.count(QUEUE) == 50)
            rabbitmq.delete(QUEUE)

    def test_what_the_broker_refuses_was_not_published(self, engine: ModuleType, rabbitmq: RabbitMQ) -> None:
        engine.app.conf.task_queues = [Queue(QUEUE, Exchange(QUEUE, type="topic"), QUEUE, queue_arguments=LIMITED)]
        # How much of a burst a quorum queue takes before it tells its publisher of its limit is not fixed.
        fill(rabbitmq)
        with pytest.raises(BrokerUnavailable, match="refused"):
            publish_members(engine, 100)
        eventually(lambda: rabbitmq.count(QUEUE) == LIMIT + 1)

    def test_a_queue_of_another_type_is_an_error_that_names_it(self, engine: ModuleType, rabbitmq: RabbitMQ) -> None:
        rabbitmq.delete(QUEUE)
        with rabbitmq.connect() as connection:
            connection.channel().queue_declare(QUEUE, durable=True, auto_delete=False)
        with pytest.raises(CannotPublish, match="x-queue-type"):
            publish_members(engine, 2)
        rabbitmq.delete(QUEUE)

    def test_a_password_that_is_refused_may_be_right_later(
        self, rabbitmq: RabbitMQ, valkey: Valkey, import_engine: Callable[..., ModuleType]
    ) -> None:
        url = rabbitmq.url.replace("guest:guest", "guest:not-yet")
        engine = import_engine(broker=url, storage=valkey.url)
        with pytest.raises(BrokerUnavailable, match="Login was refused") as caught:
            publish_members(engine, 2)
        assert "not-yet" not in str(caught.value)
        with pytest.raises(BrokerUnavailable):
            engine.jobs.backend.drained(f":{QUEUE}")

    @pytest.mark.parametrize("known", [True, False], ids=["connected", "new"])
    def test_a_broker_that_stands_still_is_unavailable(
        self, engine: ModuleType, stands_still: Callable[[], None], monkeypatch: pytest.MonkeyPatch, known: bool
    ) -> None:
        monkeypatch.setattr(confirms, "CONFIRM_TIMEOUT", 1.0)
        monkeypatch.setattr(plugin, "CONNECT_TIMEOUT", 1)
        engine.app.conf.broker_connection_timeout = 1
        if known:
            engine.jobs.create_workflow_instance("one_word", "x", execute=True)
        stands_still()
        begun = time.monotonic()
        id = engine.jobs.create_workflow_instance("one_word", "x", execute=True)
        header = engine.jobs.get_workflow(id)
        assert (header["status"], header["error"]["code"]) == ("inactive", "BROKER_UNAVAILABLE")
        with pytest.raises(BrokerUnavailable):
            engine.jobs.backend.drained(f":{QUEUE}")
        assert time.monotonic() - begun < 15


class TestDrained:
    def test_what_waits_is_seen_and_what_is_not_there_is_empty(self, engine: ModuleType, rabbitmq: RabbitMQ) -> None:
        backend = engine.jobs.backend
        assert backend.drained(f":{QUEUE}")
        engine.jobs.create_workflow_instance("one_word", "x", execute=True)
        # A quorum queue that does not answer at once counts as empty.
        eventually(lambda: not backend.drained(f":{QUEUE}"))
        eventually(lambda: not backend.drained(f"5:{QUEUE}"))
        with rabbitmq.connect() as connection:
            connection.channel().queue_purge(QUEUE)
        assert backend.drained(f":{QUEUE}")


class TestWorker:
    def test_all_that_a_workflow_does(self, engine: ModuleType, start_worker: Callable[..., Worker]) -> None:
        start_worker(engine.__name__, env=ENV)
        id = engine.jobs.create_workflow_instance("nested", {}, execute=True)
        assert engine.jobs.wait(id, 60)["context"]
        assert engine.jobs.wait(engine.jobs.create_workflow_instance("wide", 300, execute=True), 120) == 300

    def test_a_queue_that_is_deleted_is_made_again(
        self, engine: ModuleType, start_worker: Callable[..., Worker], rabbitmq: RabbitMQ, tmp_path: Path
    ) -> None:
        # This is not about leases: a worker that is slow keeps its task.
        worker = start_worker(engine.__name__, env={"ENGINE_LEASE": "10"})
        data = {"calls": str(tmp_path / "calls"), "seconds": 2}
        id = engine.jobs.create_workflow_instance("long", data, execute=True)
        eventually(lambda: engine.jobs.get_task(id, "#.a")["status"] == "running", 30)
        rabbitmq.delete(QUEUE)
        assert engine.jobs.wait(id, 60) == 1
        assert worker.running, worker.tail()


class TestPatience:
    """A node of its own, which gives a worker 2 seconds to acknowledge a message, where others give 30 minutes."""

    def test_a_task_that_takes_longer_is_not_executed_again(
        self,
        impatient: RabbitMQ,
        valkey: Valkey,
        import_engine: Callable[..., ModuleType],
        start_worker: Callable[..., Worker],
        tmp_path: Path,
    ) -> None:
        impatient.delete(QUEUE)
        engine = import_engine(broker=impatient.url, storage=valkey.url)
        # A lease that was not renewed once the connection is gone (after 2 to 3 seconds) would be over before the task.
        worker = start_worker(engine.__name__, env={"ENGINE_LEASE": "3"})
        # Two are executed at a time; the third waits in the worker meanwhile.
        ids = [
            engine.jobs.create_workflow_instance("long", {"calls": f"{tmp_path}/{n}", "seconds": 7}, execute=True)
            for n in range(3)
        ]
        worker.wait_for_output("PRECONDITION_FAILED|PreconditionFailed", 60)
        for id in ids:
            assert engine.jobs.wait(id, 90) == 1
            assert engine.jobs.get_task(id, "#.a")["losses"] == 0
        assert worker.running, worker.tail()
        # Nothing is left behind, and it takes new messages.
        assert engine.jobs.wait(engine.jobs.create_workflow_instance("one_word", "x", execute=True), 60) == "x"
        eventually(lambda: impatient.count(QUEUE) == 0)


@pytest.fixture(scope="module")
def impatient() -> Iterator[RabbitMQ]:
    server = RabbitMQ(name="impatient", advanced={"consumer_timeout": "2000", "channel_tick_interval": "1000"}).start()
    yield server
    server.end()
