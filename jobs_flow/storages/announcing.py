"""How watchers hear of events at once where the storage itself tells nobody: it is asked now and then, and this helps.

An announcer is a messenger beside the storage: whoever wrote an event hands it over right after the commit, and
subscriptions in other processes hear it. It may lose what it is given, because those who listen also ask the storage.

There is one for Redis here, and room for others under a name: ``register_announcer``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages.contract_reading import Subscription
from jobs_flow.storages.redis_addresses import Address
from jobs_flow.storages.redis_connection import connect
from jobs_flow.storages.redis_live import RedisSubscription
from jobs_flow.storages.redis_partitions import Partitions

logger = logging.getLogger("jobs_flow.storage")

#: Seconds that a writer waits for a server of events, unless its URL says otherwise; it tries a few times.
TIMEOUT = 0.5
#: Seconds in which nothing is announced after an attempt that failed, so that writers do not wait every time.
PAUSE = 10.0


class Announcer(Protocol):
    """Carries events from those who write them to those who watch; any of them may be lost."""

    def announce(self, instance_id: str, seq: int, text: str) -> None:
        """Hand over an event that was committed, as JSON text. Never raises, and blocks for moments only."""

    def subscribe(self) -> Subscription:
        """What was announced, for the running event loop."""

    def close(self) -> None:
        """Free connections; it may be used again."""


#: Makes an announcer of the instances of one storage, whose name, unlike those of others, is given.
Factory = Callable[[str], Announcer]

_factories: dict[str, Factory] = {}


def register_announcer(name: str, factory: Factory) -> None:
    """Make ``events=<name>`` in the URL of a storage stand for what ``factory(scope)`` gives.

    ``scope`` is a text that differs between storages whose events must not mix.
    """
    _factories[name] = factory


def create_announcer(events: str | None, *, scope: str, prefix: str = "") -> Announcer | None:
    """What ``events`` names: the URL of a Redis server or a registered name; None for None.

    :param prefix: of channels in Redis, unless the URL has one.
    :raises ConfigurationError: when it names nothing. Nothing is connected yet.
    """
    if events is None:
        return None
    if "://" in events:
        return RedisAnnouncer(events, prefix=prefix)
    factory = _factories.get(events)
    if factory is None:
        known = ", ".join(["redis://…", *sorted(_factories)])
        hint = " (it comes with jobs_flow_django in INSTALLED_APPS)" if events == "channels" else ""
        raise ConfigurationError(
            setting="storage", reason=f"events={events} is not known here{hint}; there are {known}"
        )
    return factory(scope)


class RedisAnnouncer:
    """By publish/subscribe of a Redis or Valkey server, on the channels that ``RedisStorage`` uses for its own events.

    ``url``: as that of a ``RedisStorage``; ``prefix`` in it is that of the channels.
    """

    def __init__(self, url: str, *, prefix: str = "") -> None:
        self._address = Address.parse(url)
        self._partitions = Partitions(
            prefix if self._address.prefix is None else self._address.prefix, self._address.partitions
        )
        self._server = connect(Address.parse(_impatient(url)), self._partitions)
        self._silent_until = 0.0
        self._failing = False

    def announce(self, instance_id: str, seq: int, text: str) -> None:
        """Publish it; while the server is away, try only now and then."""
        if time.monotonic() < self._silent_until:
            return
        try:
            self._server.client.publish(self._partitions.channel(instance_id), f"{seq} {text}".encode())
        except Exception as error:
            self._silent_until = time.monotonic() + PAUSE
            if not self._failing:
                logger.warning("events cannot be announced at %s: %s", self._address.label, type(error).__name__)
            self._failing = True
        else:
            if self._failing:
                logger.info("events are announced again at %s", self._address.label)
            self._failing = False

    def subscribe(self) -> Subscription:
        """The subscription of ``RedisStorage``."""
        return RedisSubscription(self._address, self._partitions)

    def close(self) -> None:
        """Free connections."""
        self._server.close()


def _impatient(url: str) -> str:
    """The URL with limits for those who write, where it has none."""
    missing = [name for name in ("socket_connect_timeout", "socket_timeout") if f"{name}=" not in url]
    return "&".join([url if "?" in url else f"{url}?", *(f"{name}={TIMEOUT}" for name in missing)]).replace("?&", "?")
