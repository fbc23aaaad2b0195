"""The servers of a house: a broker and a storage, each of several kinds."""

from __future__ import annotations

from typing import Protocol, Self

import redis

from tests.support.servers import Valkey
from tests.support.servers_dynamodb import DynamoDB
from tests.support.servers_rabbitmq import RabbitMQ

#: Keeps what was answered over a SIGKILL.
DURABLE = {"appendonly": "yes", "appendfsync": "always"}
#: Where the messages are.
QUEUE = "celery"


class Server(Protocol):
    """What a house does with a server."""

    @property
    def url(self) -> str: ...
    def start(self) -> Self: ...
    def restart(self) -> Self: ...
    def kill(self) -> None: ...
    def end(self) -> None: ...


class Broker(Server, Protocol):
    """What it does with a broker."""

    def empty(self) -> None:
        """Have it forget the messages that wait in it, at work."""

    def renew(self) -> None:
        """Kill it, and start it again with nothing in it."""

    def waiting(self) -> int:
        """Messages that no worker has fetched."""


class RedisBroker(Valkey):
    """A Valkey that keeps nothing over its end."""

    def __init__(self) -> None:
        super().__init__(name="broker")

    def empty(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def renew(self) -> None:
        self.kill()
        self.start()

    def waiting(self) -> int:
        with redis.Redis.from_url(self.url) as client:
            return int(client.llen(QUEUE))


class RabbitBroker(RabbitMQ):
    """A RabbitMQ, whose queues are quorum queues (``project.make``)."""

    def __init__(self) -> None:
        super().__init__(name="broker")

    def empty(self) -> None:
        # Not ``delete``: RabbitMQ 3.10 hands the consumers of a quorum queue that is deleted, and made again by a
        # publisher in the same moment, to the new one and throws away what it delivers to them; they are never told.
        self.purge(QUEUE)

    def renew(self) -> None:
        self.kill()
        self.wipe()
        self.start()

    def waiting(self) -> int:
        return self.count(QUEUE)


def broker(kind: str) -> Broker:
    """``redis`` or ``rabbitmq``."""
    return {"redis": RedisBroker, "rabbitmq": RabbitBroker}[kind]()


def storage(kind: str) -> Server:
    """``redis`` or ``dynamodb``; either keeps its data over a SIGKILL."""
    if kind == "dynamodb":
        return DynamoDB(name="storage", durable=True)
    return Valkey(name="storage", config=DURABLE)
