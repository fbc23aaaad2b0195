"""Publishing to an AMQP broker so that what it did not confirm counts as not published.

Celery's own way (``confirm_publish``) waits for each message, for ever: a thousand messages are a thousand round trips,
and a broker that takes nothing any more (a full disk, a quorum queue without its majority) hangs whoever publishes.
Here a thousand are one wait, and the wait ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from amqp.exceptions import ConnectionError as AMQPConnectionError
from amqp.exceptions import MessageNacked

#: Seconds without news from the broker after which what it has not confirmed counts as not published.
CONFIRM_TIMEOUT = 5.0
#: What a connection that is lost raises; AttributeError where amqp uses what it has just cleared away.
LOST = (AttributeError, OSError, AMQPConnectionError)
REFUSED = "the broker refused a message: its queue is full, or has no leader"


class Unconfirmed(Exception):
    """Some messages may not have reached the broker.

    :param lost: whether another connection may do better.
    """

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost


@contextmanager
def confirmed(producer: Any) -> Iterator[None]:
    """What is published in the block with a kombu producer has been confirmed when it ends.

    Does nothing with transports that are not AMQP. Raises ``Unconfirmed``, after CONFIRM_TIMEOUT at most, and
    whatever publishing raises; in either case the connection is closed, since nobody knows what is still under way.
    """
    connection = producer.connection
    if connection.transport.driver_type != "amqp":
        yield
        return
    try:
        channel = _live_channel(connection)
        waiting = _Waiting(channel)
        with waiting.published():
            yield
        if producer.channel is not channel:
            # kombu has made a new one, and published the rest there.
            raise Unconfirmed("the connection was lost while messages were published", lost=True)
        waiting.wait()
    except BaseException:
        connection.collect()
        raise


def _live_channel(connection: Any) -> Any:
    """The channel of the connection; of a new one, where the broker has closed an idle one meanwhile."""
    channel = connection.default_channel
    try:
        channel.connection.drain_events(timeout=0)
    except TimeoutError:
        pass
    except connection.connection_errors:
        connection.collect()
        channel = connection.default_channel
    return channel


class _Waiting:
    """The messages of one channel that are not confirmed yet."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        #: The number that the broker gave to the last message of which that is known.
        self._number: int | None = None
        self._left: set[int] = set()
        self._nacked = False
        self._returned = False

    @contextmanager
    def published(self) -> Iterator[None]:
        """Within it the channel counts instead of waiting, but for the first message, which tells where it is."""
        channel = self._channel
        before = vars(channel).get("basic_publish")
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        channel.basic_publish = self._publish
        try:
            yield
        finally:
            if before is None:
                del channel.basic_publish
            else:
                channel.basic_publish = before

    def wait(self) -> None:
        """Until all are confirmed. Raises ``Unconfirmed``."""
        channel, news = self._channel, time.monotonic()
        try:
            while self._left and not self._nacked:
                left = len(self._left)
                with suppress(TimeoutError):
                    channel.connection.drain_events(timeout=CONFIRM_TIMEOUT)
                if len(self._left) < left:
                    news = time.monotonic()
                elif time.monotonic() - news >= CONFIRM_TIMEOUT:
                    raise Unconfirmed(f"the broker has not confirmed {left} messages within {CONFIRM_TIMEOUT:g} s")
        except LOST as error:
            reason = f"{type(error).__name__} while {len(self._left)} messages were not confirmed"
            raise Unconfirmed(reason, lost=True) from error
        finally:
            channel.events["basic_ack"].discard(self._on_ack)
            channel.events["basic_nack"].discard(self._on_nack)
            channel.events["basic_return"].discard(self._on_return)
        if self._nacked:
            raise Unconfirmed(REFUSED)
        if self._returned:
            raise Unconfirmed("there is no queue for a message", lost=True)

    def _publish(self, *args: Any, **kwargs: Any) -> Any:
        channel = self._channel
        # A queue that was deleted is not declared again on a connection that has declared it: without this the broker
        # confirms what it throws away.
        kwargs["mandatory"] = True
        # None of what is raised here is one of the errors after which kombu tries again by itself, message by message.
        try:
            if self._number is None:
                return channel.basic_publish_confirm(*args, **kwargs | {"confirm_timeout": CONFIRM_TIMEOUT})
            kwargs.pop("confirm_timeout", None)
            result = channel._basic_publish(*args, **kwargs)
        except TimeoutError as error:
            raise Unconfirmed(f"the broker has not confirmed a message within {CONFIRM_TIMEOUT:g} s") from error
        except MessageNacked as error:
            raise Unconfirmed(REFUSED) from error
        except LOST as error:
            raise Unconfirmed(f"{type(error).__name__} while a message was published", lost=True) from error
        self._number += 1
        self._left.add(self._number)
        return result

    def _on_ack(self, number: int, multiple: bool) -> None:
        if self._number is None:
            self._number = number
        elif multiple:
            self._left = {left for left in self._left if left > number}
        else:
            self._left.discard(number)

    def _on_return(self, *args: Any) -> None:
        self._returned = True

    def _on_nack(self, number: int, multiple: bool) -> None:
        self._nacked = True
