"""What makes events of a storage prompt that tells nobody of them: Redis, and the project's channel layer."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import pytest
from channels.layers import BaseChannelLayer, channel_layers

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages import announcing, create_storage
from jobs_flow.storages.announcing import Announcer, RedisAnnouncer, create_announcer
from jobs_flow.storages.base import Subscription
from jobs_flow.storages.dynamodb.live import PollingSubscription
from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.storages.records import Event
from jobs_flow.storages.redis import RedisStorage
from jobs_flow.testing.scenario import Scenario, task
from jobs_flow_django.live import announcing as live_announcing
from jobs_flow_django.live.announcing import ChannelsAnnouncer, ChannelsSubscription, group_name
from scripts.environment import ROOT
from tests.support.eventually import aeventually
from tests.support.servers import Valkey, numbered
from tests.support.servers_dynamodb import fresh

LAYERS = {
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
}


#: Writers give up on a server of events soon; these tests count on each event, also while the machine is busy.
PATIENT = "socket_timeout=30&socket_connect_timeout=30"


def use_layer(settings: Any, backend: str, url: str) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": LAYERS[backend], "CONFIG": {"hosts": [url]}}}
    channel_layers.backends.clear()


@pytest.fixture(params=["redis", "pubsub", "core"])
async def announcer(request: pytest.FixtureRequest, valkey_url: str, settings: Any) -> AsyncIterator[Announcer]:
    scope = secrets.token_hex(6)
    if request.param == "redis":
        made = create_announcer(f"{valkey_url}?prefix={scope}&{PATIENT}", scope="")
    else:
        use_layer(settings, request.param, numbered(valkey_url, 2))
        made = create_announcer("channels", scope=scope)
    assert made is not None
    yield made
    made.close()
    channel_layers.backends.clear()


async def heard(subscription: Subscription, count: int) -> list[tuple[str, int, Any]]:
    """The next so many events; that some may have been missed is said of all when listening begins."""
    found: list[tuple[str, int, Any]] = []
    while len(found) < count:
        instance_id, event = await asyncio.wait_for(subscription.next(), 10)
        if event is not None:
            found.append((instance_id, event.seq, dict(event.data)))
    return found


class TestAnnouncers:
    async def test_carries_events(self, announcer: Announcer) -> None:
        subscription = announcer.subscribe()
        ids = ["one", "twö / with # all: sorts", "x" * 300]
        for id in ids:
            await subscription.add(id)
        await subscription.add("silent")
        for id in ids:
            announcer.announce(id, 7, json.dumps({"error": {"é": []}}))
        announcer.announce("unwatched", 1, "{}")
        assert sorted(await heard(subscription, 3)) == sorted((id, 7, {"error": {"é": []}}) for id in ids)
        await subscription.remove(ids[0])
        announcer.announce(ids[0], 8, "{}")
        announcer.announce(ids[1], 8, "{}")
        assert await heard(subscription, 1) == [(ids[1], 8, {})]
        await subscription.aclose()

    async def test_in_order(self, announcer: Announcer) -> None:
        subscription = announcer.subscribe()
        await subscription.add("one")
        for seq in range(50):
            announcer.announce("one", seq, "{}")
        assert [seq for _, seq, _ in await heard(subscription, 50)] == list(range(50))
        await subscription.aclose()

    async def test_two_listeners(self, announcer: Announcer) -> None:
        subscriptions = [announcer.subscribe() for _ in range(2)]
        for subscription in subscriptions:
            await subscription.add("one")
        announcer.announce("one", 1, "{}")
        for subscription in subscriptions:
            assert await heard(subscription, 1) == [("one", 1, {})]
            await subscription.aclose()

    async def test_makes_a_subscription_prompt(self, announcer: Announcer) -> None:
        storage = MemoryStorage()
        scenario = Scenario(storage, task("a"))
        # It asks at once for what it is told may have been missed, and for the rest once an hour.
        subscription = PollingSubscription(
            lambda ids: dict.fromkeys(ids, storage._states[scenario.id].seq),
            storage.events,
            prompt=announcer.subscribe(),
            prompt_interval=3600,
        )
        await subscription.add(scenario.id)
        for number in range(5):
            seq = storage.add_event(scenario.id, {"number": number})
            assert seq is not None
            announcer.announce(scenario.id, seq, json.dumps({"number": number}))
            event = await asyncio.wait_for(subscription.next(), 10)
            assert event == (scenario.id, Event(number + 2, {"number": number}))
        await subscription.aclose()

    async def test_used_again_after_it_was_closed(self, announcer: Announcer) -> None:
        announcer.announce("one", 1, "{}")
        announcer.close()
        subscription = announcer.subscribe()
        await subscription.add("one")
        announcer.announce("one", 2, "{}")
        assert (await heard(subscription, 1))[-1] == ("one", 2, {})
        await subscription.aclose()


class TestDynamoStorage:
    @pytest.mark.parametrize("way", ["redis", "channels"])
    async def test_is_prompt(self, dynamodb_url: str, valkey_url: str, settings: Any, way: str) -> None:
        use_layer(settings, "pubsub", numbered(valkey_url, 2))
        events = "channels" if way == "channels" else quote(f"{valkey_url}?{PATIENT}", safe="")
        storage = create_storage(f"{fresh(dynamodb_url)}&events={events}")
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        subscription = storage.subscribe()
        assert isinstance(subscription, PollingSubscription)
        subscription._prompt_interval = 3600
        await subscription.add(scenario.id)
        for number in (2, 3):
            await asyncio.to_thread(storage.add_event, scenario.id, {"number": number})
            found = await asyncio.wait_for(subscription.next(), 10)
            assert found == (scenario.id, Event(number, {"number": number}))
        await asyncio.to_thread(storage.delete_instance, scenario.id)
        assert await asyncio.wait_for(subscription.next(), 10) == (scenario.id, Event(4, {"deleted": True}))
        await subscription.aclose()
        storage.close()
        channel_layers.backends.clear()


class TestRedis:
    async def test_speaks_as_a_redis_storage_does(self, valkey_url: str) -> None:
        prefix = secrets.token_hex(6)
        storage = RedisStorage(f"{valkey_url}?prefix={prefix}")
        announcer = RedisAnnouncer(f"{valkey_url}?{PATIENT}", prefix=prefix)
        listener, subscription = storage.subscribe(), announcer.subscribe()
        scenario = await asyncio.to_thread(Scenario, storage, task("a"))
        for each in (listener, subscription):
            await each.add(scenario.id)
        announcer.announce(scenario.id, 5, '{"number": 5}')
        assert await heard(listener, 1) == [(scenario.id, 5, {"number": 5})]
        storage.add_event(scenario.id, {"number": 2})
        assert await heard(subscription, 2) == [(scenario.id, 5, {"number": 5}), (scenario.id, 2, {"number": 2})]
        for each in (listener, subscription):
            await each.aclose()
        announcer.close()
        storage.close()

    def test_a_server_that_is_away_costs_nobody_time(
        self, valkey: Valkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.INFO, "jobs_flow.storage")
        monkeypatch.setattr(announcing, "PAUSE", 3600)
        announcer = RedisAnnouncer(valkey.url.replace("redis://", "redis://user:hidden@"))
        tries: list[int] = []
        client = announcer._server.client
        publish = client.publish
        monkeypatch.setattr(client, "publish", lambda *words: tries.append(1) or publish(*words))
        valkey.kill()
        for seq in range(100):
            announcer.announce("one", seq, "{}")
        assert len(tries) == 1
        announcer._silent_until = 0.0
        announcer.announce("one", 100, "{}")
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "hidden" not in caplog.text
        announcer.close()

    def test_and_is_used_again_when_it_is_back(
        self, valkey: Valkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.INFO, "jobs_flow.storage")
        monkeypatch.setattr(announcing, "PAUSE", 0)
        announcer = RedisAnnouncer(f"{valkey.url}?{PATIENT}")
        announcer.announce("one", 1, "{}")
        valkey.kill()
        announcer.announce("one", 2, "{}")
        valkey.start()
        announcer.announce("one", 3, "{}")
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        announcer.close()


FORK = """
import asyncio, os, sys, django
django.setup()
from jobs_flow_django.live import announcing as live_announcing
from jobs_flow_django.live.announcing import ChannelsAnnouncer
announcer = ChannelsAnnouncer(sys.argv[1])
announcer.announce("one", 1, "{}")
pid = os.fork()
announcer.announce("one", 2 if pid else 3, "{}")
announcer.close()
if not pid:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class TestChannels:
    def test_names_are_legal(self) -> None:
        names = {group_name(scope, id) for scope in ("", "é/") for id in ("a", "b", "ü" * 500, "\ud800", "/")}
        assert len(names) == 10
        assert all(BaseChannelLayer().require_valid_group_name(name) for name in names)

    async def test_a_child_sends_too(self, valkey_url: str, settings: Any) -> None:
        url = numbered(valkey_url, 2)
        use_layer(settings, "pubsub", url)
        scope = secrets.token_hex(6)
        subscription = ChannelsSubscription(scope)
        await subscription.add("one")
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "testproject.settings", "CHANNEL_REDIS_URL": url}
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, scope]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert {seq for _, seq, _ in await heard(subscription, 3)} == {1, 2, 3}
        await subscription.aclose()
        channel_layers.backends.clear()

    async def test_a_layer_that_was_away(
        self, start_valkey: Callable[..., Valkey], settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = start_valkey()
        use_layer(settings, "core", server.url)
        announcer = ChannelsAnnouncer("scope")
        subscription = announcer.subscribe()
        await subscription.add("one")
        server.kill()
        announcer.announce("one", 1, "{}")
        await aeventually(lambda: "cannot be announced" in caplog.text and "cannot be received" in caplog.text, 30)
        server.start()

        async def told() -> bool:
            announcer.announce("one", 2, "{}")
            try:
                return (await asyncio.wait_for(subscription.next(), 0.5))[1] == Event(2, {})
            except TimeoutError:
                return False

        await aeventually(told, timeout=40)
        await subscription.aclose()
        announcer.close()
        channel_layers.backends.clear()

    def test_a_layer_that_hangs_costs_writers_neither_time_nor_memory(
        self, valkey: Valkey, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_announcing, "SENDING_LIMIT", 3)
        use_layer(settings, "core", valkey.url)
        announcer = ChannelsAnnouncer("scope")
        valkey.send(signal.SIGSTOP)
        for seq in range(50):
            announcer.announce("one", seq, "{}")
        assert announcer._sender is not None
        assert len(announcer._sender._waiting) <= 3
        valkey.send(signal.SIGCONT)
        announcer.close()
        channel_layers.backends.clear()

    def test_needs_a_layer(self, settings: Any) -> None:
        settings.CHANNEL_LAYERS = {}
        channel_layers.backends.clear()
        with pytest.raises(ConfigurationError, match="CHANNEL_LAYERS"):
            create_announcer("channels", scope="scope")
        channel_layers.backends.clear()


class TestNames:
    def test_nothing_is_announced_unless_asked_for(self) -> None:
        assert create_announcer(None, scope="scope") is None

    def test_an_unknown_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(announcing._factories, "channels")
        with pytest.raises(ConfigurationError, match="jobs_flow_django in INSTALLED_APPS"):
            create_announcer("channels", scope="scope")
        with pytest.raises(ConfigurationError, match=r"events=pigeons is not known here; there are redis://"):
            create_announcer("pigeons", scope="scope")

    def test_one_that_was_registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(announcing, "_factories", {})
        made: list[str] = []
        announcing.register_announcer("pigeons", lambda scope: made.append(scope))  # type: ignore[func-returns-value, arg-type, return-value]
        create_announcer("pigeons", scope="scope")
        assert made == ["scope"]
