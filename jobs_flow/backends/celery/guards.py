"""Faults that end a worker although they need not, mended where they are: in kombu's Redis transport.

Each is tied to the versions that have it, and ``tests/integration/test_worker_guards.py`` shows that the worker
does not survive without. Nothing here is about jobs-flow's own messages: the whole worker is kept alive.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import kombu

logger = logging.getLogger("jobs_flow.celery")

#: First version of kombu for which the guards are not known to fit.
UNKNOWN_KOMBU = (6, 0, 0)
#: What is added to a queue's name for the list of what could not be read from it.
SIDE_LIST = ".undecodable"
#: Elements kept in a side list, and the seconds for which it is kept.
SIDE_LIMIT = 100
SIDE_KEPT = 30 * 24 * 3600


class _Undecodable(Exception):
    """An element of a queue that is no message."""


class _Broken:
    """Stands for text that is no JSON, until somebody delivers it."""

    def __init__(self, text: str, error: Exception) -> None:
        self.text = text
        self.error = error

    def __iter__(self) -> Any:
        raise self.error

    def __getitem__(self, name: Any) -> Any:
        raise self.error


def install() -> None:
    """Guard this process; again changes nothing. Does nothing where the Redis transport is not installed."""
    try:
        from kombu.transport import redis as transport
    except ImportError:
        return
    version = _version()
    if version >= UNKNOWN_KOMBU or vars(transport).get("_jobs_flow_guards"):
        return
    vars(transport)["_jobs_flow_guards"] = True
    if version >= (5, 7, 0):
        _guard_closed_channels(transport)
    _guard_elements(transport)


def _version() -> tuple[int, ...]:
    found: Any = kombu
    return tuple(found.VERSION[:3])


def _guard_closed_channels(transport: Any) -> None:
    """A channel whose connection was closed says so; kombu 5.7.0 ends in ``AttributeError: … 'hostname'``.

    ``Consumer.on_connection_error_after_connected`` closes the connection while messages are not acknowledged
    yet; restoring them makes a new pool of a channel that has no connection any more. What is raised instead is
    what callers expect of a server that is away.
    """
    from redis.exceptions import ConnectionError as RedisConnectionError

    original = transport.Channel._connparams

    def _connparams(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the connection of this channel was closed")
        return original(self, *args, **kwargs)

    transport.Channel._connparams = _connparams


def _guard_elements(transport: Any) -> None:
    """An element of a queue that is no message goes to a side list; unguarded it ends the worker."""
    loads: Callable[[str], Any] = transport.loads
    deliver = transport.Transport._deliver
    message_class = transport.Channel.Message

    def tolerant_loads(text: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return loads(text, *args, **kwargs)
        except ValueError as error:
            return _Broken(text, error)

    class Message(message_class):  # type: ignore[misc, valid-type]
        """A message whose parts are there."""

        def __init__(self, payload: Any, *args: Any, **kwargs: Any) -> None:
            try:
                super().__init__(payload, *args, **kwargs)
                delivery = self.properties["delivery_info"]
                delivery["exchange"], delivery["routing_key"]
                if not self.body and self.content_type == "application/json":
                    raise ValueError("there is no JSON of no length")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _Undecodable from error

    def _deliver(self: Any, message: Any, queue: str) -> None:
        if isinstance(message, _Broken):
            _put_aside(self, queue, message.text)
            return
        try:
            deliver(self, message, queue)
        except _Undecodable:
            _put_aside(self, queue, json.dumps(message))

    transport.loads = tolerant_loads
    transport.Channel.Message = Message
    transport.Transport._deliver = _deliver


def _put_aside(transport: Any, queue: str, text: str) -> None:
    """Keep the element where a human finds it. Its content is not logged: it may be anybody's data."""
    name = f"{queue}{SIDE_LIST}"
    logger.error("an element of the queue %s is no Celery message; it was put into the Redis list %s", queue, name)
    channel = next((channel for channel in transport.channels if channel is not None), None)
    if channel is None:
        return
    try:
        with channel.conn_or_acquire() as client, client.pipeline() as pipe:
            pipe.lpush(name, text)
            pipe.ltrim(name, 0, SIDE_LIMIT - 1)
            pipe.expire(name, SIDE_KEPT)
            pipe.execute()
    except Exception as error:
        logger.error("an element of the queue %s was not put aside: %s", queue, type(error).__name__)
