"""Fixtures for all tests; the servers behind them are in ``tests.support``.

A test of models on both databases takes the ``database`` fixture and is marked
``@pytest.mark.django_db(transaction=True)``: it runs once on SQLite and once on MariaDB, which is started only then.
Both are real files or servers, so what the test commits is seen by the workers and web servers that it starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import playwright.async_api
import playwright.sync_api
import pytest
import redis

from tests.support import plugin
from tests.support.live import PATIENCE
from tests.support.packaging import build_wheel
from tests.support.processes import Process, WebServer, Worker, worker_number
from tests.support.router import every_model_in
from tests.support.servers import MariaDB, ServerMissing, Valkey, find_chromium, redis_program
from tests.support.servers_dynamodb import DynamoDB, elsewhere, make_table
from tests.support.servers_rabbitmq import RabbitMQ
from tests.support.servers_redis import RedisCluster

T = TypeVar("T")

# Five seconds are its own default: little for a page that asks a server that asks a storage, where all share two cores.
playwright.sync_api.expect.set_options(timeout=PATIENCE * 1000)
playwright.async_api.expect.set_options(timeout=PATIENCE * 1000)


def _found(find: Callable[[], T]) -> T:
    """What the function finds; a test fails, and is not skipped, where the machine lacks it."""
    try:
        return find()
    except ServerMissing as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="session")
def valkey_url(pytestconfig: pytest.Config) -> str:
    """The Valkey that all tests share, as the broker of the settings: database 0, never emptied."""
    return pytestconfig.stash[plugin.valkey_url]


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """A Redis server, not Valkey, that all tests share, started when the first one asks for it."""
    with _found(lambda: Valkey(name="shared-redis", watched=False, program=redis_program())) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The URL of a storage in a cluster of three nodes that all tests share; give each test a prefix of its own."""
    cluster = _found(lambda: RedisCluster(watched=False, config={"appendonly": "no"}))
    try:
        yield cluster.start().url
    finally:
        cluster.end()


@pytest.fixture(scope="session")
def dynamodb_url() -> Iterator[str]:
    """The URL of a storage in a DynamoDB table that all tests share: ``servers_dynamodb.fresh`` gives an empty one."""
    if endpoint := elsewhere():
        yield make_table("jobs-flow-tests", endpoint)
        return
    with _found(lambda: DynamoDB(name="shared-dynamodb", watched=False)) as server:
        yield server.url


@pytest.fixture
def start_dynamodb() -> Iterator[Callable[..., DynamoDB]]:
    """A function that starts a DynamoDB for this test alone: ``start_dynamodb(durable=True)`` keeps its data."""
    servers: list[DynamoDB] = []

    def start(**options: Any) -> DynamoDB:
        servers.append(_found(lambda: DynamoDB(**options)))
        return servers[-1].start()

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def storage_url() -> str:
    """The storage of the settings, in a database of its own, empty at the start of the test."""
    url = os.environ["JOBS_FLOW_STORAGE_URL"]
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def start_valkey() -> Iterator[Callable[..., Valkey]]:
    """A function that starts a Valkey for this test alone: ``start_valkey(config={"appendonly": "yes"})``."""
    servers: list[Valkey] = []

    def start(**options: Any) -> Valkey:
        servers.append(Valkey(**options))
        return servers[-1].start()

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def valkey(start_valkey: Callable[..., Valkey]) -> Valkey:
    """A Valkey for this test alone, to restart and to kill; what it holds is gone with it."""
    return start_valkey()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The MariaDB server, started when the first test asks for it."""
    server = _found(MariaDB.start)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A RabbitMQ for all tests that only use it, started when the first one asks; others start one of their own."""
    server = _found(lambda: RabbitMQ(watched=False)).start()
    yield server
    server.end()


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """An empty MariaDB database for this test alone, as a ``DATABASE_URL``."""
    # Of this process: a server that the environment names may serve several.
    name = f"jobs_flow_empty_{worker_number()}"
    yield mariadb.create_database(name)
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
    """Tell Django where MariaDB is, when a collected test is going to use it."""
    from django.db import connections

    from testproject import environment

    if any(_uses_mysql(item) for item in request.session.items):
        found = environment.database(request.getfixturevalue("mariadb").url)
        connections.settings["mysql"].update({key: found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})


def _uses_mysql(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    databases = marker.kwargs.get("databases") if marker else None
    return databases == "__all__" or "mysql" in (databases or ())


@dataclass(frozen=True)
class Database:
    """The database that a test runs on."""

    alias: str
    #: ``sqlite`` or ``mysql``.
    vendor: str
    #: Of the test database; the ``DATABASE_URL`` of all processes that the test starts.
    url: str


@pytest.fixture(params=["default", "mysql"], ids=["sqlite", "mysql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The test runs on SQLite and on MariaDB: all models, in this process and in those that the test starts."""
    from django.db import connections

    if request.node.get_closest_marker("django_db") is None:
        pytest.fail("with `database` a test is marked @pytest.mark.django_db(transaction=True)", pytrace=False)
    alias: str = request.param
    connection = connections[alias]
    name = str(connection.settings_dict["NAME"])
    url = request.getfixturevalue("mariadb").url_of(name) if alias == "mysql" else f"sqlite:///{name}"
    monkeypatch.setenv("DATABASE_URL", url)
    with every_model_in(alias):
        yield Database(alias=alias, vendor=connection.vendor, url=url)


@pytest.fixture
def start_process() -> Iterator[Callable[[Process], Process]]:
    """A function that starts a process and ends it, with all of its children, after the test."""
    running: list[Process] = []

    def start(process: Process) -> Process:
        running.append(process)
        return process.start()

    yield start
    for process in running:
        process.end()


@pytest.fixture
def start_worker(start_process: Callable[[Process], Process]) -> Callable[..., Worker]:
    """``start_worker("testproject", pool="threads")`` starts a Celery worker and waits until it is ready."""

    def start(app: str = "testproject", *, wait: bool = True, **options: Any) -> Worker:
        worker = Worker(app, **options)
        start_process(worker)
        return worker.wait_until_ready() if wait else worker

    return start


@pytest.fixture
def start_web(start_process: Callable[[Process], Process]) -> Callable[..., WebServer]:
    """``start_web()`` starts the web server of the example project, or of the application named, and waits for it."""

    def start(app: str = "testproject.asgi:application", **options: Any) -> WebServer:
        server = WebServer(app, **options)
        start_process(server)
        return server.wait_until_ready()

    return start


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program, for Playwright's ``executable_path`` with ``servers.CHROMIUM_FLAGS``."""
    return _found(find_chromium)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this clone."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def take_picture() -> Callable[[Any, str], None]:
    """``take_picture(page, name)`` keeps a picture of a Playwright page in ``JOBS_FLOW_SCREENSHOTS``, if set."""
    directory = os.environ.get("JOBS_FLOW_SCREENSHOTS")

    def take(page: Any, name: str) -> None:
        if directory:
            page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)

    return take
