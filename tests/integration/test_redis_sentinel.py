"""A master that sentinels know: when it dies, records go on where its replica was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest
import redis

from jobs_flow.errors import ConfigurationError, StorageUnavailable
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow.testing.scenario import Scenario, ok, task
from tests.support.eventually import aeventually
from tests.support.servers_sentinel import NAME, Sentinels


@pytest.fixture
def sentinels() -> Iterator[Sentinels]:
    sentinels = Sentinels()
    try:
        yield sentinels.start()
    finally:
        sentinels.end()


def take_for_dead_after(sentinels: Sentinels, milliseconds: int, ports: Iterable[int]) -> None:
    """How long the master may be silent for these sentinels."""
    for port in ports:
        sentinels.command(port, "SENTINEL", "SET", NAME, "down-after-milliseconds", milliseconds)


async def test_records_go_on_at_the_replica(sentinels: Sentinels) -> None:
    ports = sentinels._ports
    # Nobody takes its place before it is dead, nor before that was seen here.
    take_for_dead_after(sentinels, 600_000, ports)
    storage = create_storage(f"{sentinels.url}?prefix=p:")
    scenario = Scenario(storage, task("a"), task("b"))
    subscription = storage.subscribe()
    await subscription.add(scenario.id)
    async with asyncio.timeout(30):
        # Said when it is connected: only what is published then is heard.
        assert await subscription.next() == (scenario.id, None)
    scenario.start()
    scenario.do("#.a")
    scenario.claim("#.b")
    seen = 0
    async with asyncio.timeout(30):
        while seen < scenario.instance.seq:
            event = (await subscription.next())[1]
            seen = event.seq if event else seen
    with redis.Redis(port=sentinels.master.port) as client:
        # What is not at the replica yet would be lost with the master.
        client.set("last", "1")
        assert client.wait(1, 30_000) == 1
    # One of the sentinels may be gone too: the others are enough.
    sentinels.stop_sentinel(0)
    sentinels.master.kill()
    with pytest.raises(StorageUnavailable):
        scenario.claim("#.b")
    take_for_dead_after(sentinels, 500, ports[1:])
    assert await aeventually(lambda: completed(storage, scenario), 60) == "done"
    assert sentinels.promoted()
    async with asyncio.timeout(30):
        while (event := (await subscription.next())[1]) is not None:
            pass
    assert [event.seq for event in scenario.events()] == list(range(1, 7))
    storage.add_event(scenario.id, {"error": {}})
    async with asyncio.timeout(30):
        while (event := (await subscription.next())[1]) is None or event.seq < 7:
            pass
    await subscription.aclose()
    storage.close()


def completed(storage: Storage, scenario: Scenario) -> str | None:
    try:
        return storage.complete(
            scenario.id, "#.b", 1, token="token", outcome=ok("#.b"), flow=scenario.plan.flow("#.b")
        ).finished
    except StorageUnavailable:
        return None


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("redis+sentinel://host:26379", "name of the master"),
            ("redis+sentinel:///name", "name of the master"),
            ("redis+sentinel://host/name/first", "name of the master"),
            ("redis+sentinel://host/name?cluster=true", "cluster=true is for"),
            ("redis://one,two/0", "add cluster=true"),
            ("redis://host/zero", "number of a database"),
            ("redis://host/3?cluster=true", "no other database"),
            ("redis://host?cluster=perhaps", "true or false"),
            ("redis://host?cluster=true&partitions=0", "from 1 to 256"),
            ("redis://host?partitions=4", "add cluster=true"),
            ("redis://host?cluster=true&prefix=a{b", "no {"),
            ("redis://host?cluster=true&secret=1", "secret"),
            ("redis://:sec/ret@one:1,two:2?cluster=true", "cannot be read"),
        ],
    )
    def test_what_is_none(self, url: str, words: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            create_storage(url)
        assert words in str(refused.value)
        assert "ret@" not in str(refused.value)

    def test_labels_hold_no_password(self) -> None:
        urls = {
            "redis+sentinel://user:secret@one:1,two/name/2?sentinel_password=secret": "redis+sentinel://one:1,two/name/2",
            "rediss://:secret@one:1,[::1]:2/?cluster=true&password=secret": "rediss://one:1,[::1]:2/",
        }
        for url, label in urls.items():
            storage = create_storage(url)
            assert storage.label == label
            assert "secret" not in repr(storage.address.label)  # type: ignore[attr-defined]
            storage.close()

    def test_both_have_users_of_their_own(self) -> None:
        storage = create_storage("sentinel://user:pass@one,two:7/name?sentinel_username=su&sentinel_password=sp&db=3")
        address = storage.address  # type: ignore[attr-defined]
        assert address.hosts == (("one", 26379), ("two", 7))
        assert address.master == "name"
        assert address.sentinel_login == {"username": "su", "password": "sp"}
        assert {"username": "user", "password": "pass", "db": 3}.items() <= address.options().items()
        storage.close()
