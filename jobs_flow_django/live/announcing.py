"""Events over the project's channel layer, for storages that have no messenger of their own: ``events=channels``.

The layer's methods are coroutines and writers are not, so a thread with an event loop of its own sends what they
hand over. A layer may drop messages; those who listen ask the storage too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import threading
import weakref
from collections import deque
from typing import Any

from jobs_flow.errors import ConfigurationError
from jobs_flow.storages.announcing import register_announcer
from jobs_flow.storages.base import Subscription
from jobs_flow.storages.inbox import Inbox
from jobs_flow.storages.records import Event

logger = logging.getLogger("jobs_flow.live")

#: The key of ``CHANNEL_LAYERS``.
ALIAS = "default"
#: What consumers of the project would have to be called to get these messages.
MESSAGE_TYPE = "jobs_flow.event"
#: Events waiting to be sent; more are dropped.
SENDING_LIMIT = 10_000
#: Seconds for one call of the layer.
TIMEOUT = 5.0
#: Seconds between attempts to use a layer that failed.
RETRY_DELAY = 1.0
#: Seconds between two attempts to end the reader.
CANCELLED_IN = 0.2
#: Seconds after which groups are joined again: layers forget members, after a day if they are not told otherwise.
REJOIN = 1800.0


def install() -> None:
    """Make ``events=channels`` known."""
    register_announcer("channels", ChannelsAnnouncer)


def group_name(scope: str, instance_id: str) -> str:
    """The group of an instance; names of groups may hold few characters and not many, ids may be any text."""
    digest = hashlib.sha256(f"{scope}\n{instance_id}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"jobs-flow.{digest[:40]}"


def find_layer() -> Any:
    """The project's channel layer.

    :raises ConfigurationError: without channels or a layer.
    """
    try:
        from channels.layers import get_channel_layer
    except ImportError as error:
        reason = "events=channels needs channels, which is not installed: pip install jobs-flow[channels]"
        raise ConfigurationError(setting="storage", reason=reason) from error
    layer = get_channel_layer(ALIAS)
    if layer is None:
        raise ConfigurationError(setting="storage", reason=f"events=channels needs {ALIAS!r} in CHANNEL_LAYERS")
    return layer


class ChannelsAnnouncer:
    """See ``storages.announcing.Announcer``."""

    def __init__(self, scope: str) -> None:
        find_layer()
        self._scope = scope
        self._lock = threading.Lock()
        self._sender: LayerSender | None = None
        _announcers.add(self)

    def announce(self, instance_id: str, seq: int, text: str) -> None:
        """Hand it to the thread that sends; dropped when that is far behind."""
        with contextlib.suppress(Exception):
            sender = self._sender
            message = {"type": MESSAGE_TYPE, "id": instance_id, "seq": seq, "text": text}
            item = group_name(self._scope, instance_id), message
            if sender is None or not sender.hand_over(item):
                with self._lock:
                    if self._sender in (None, sender):
                        self._sender = LayerSender("events cannot be announced on the channel layer")
                    sender = self._sender
                if sender is not None:
                    sender.hand_over(item)

    def subscribe(self) -> Subscription:
        """What the groups of the watched instances get."""
        return ChannelsSubscription(self._scope)

    def close(self) -> None:
        """End the thread when it has sent what it has."""
        with self._lock:
            sender, self._sender = self._sender, None
        if sender is not None:
            sender.end()

    def after_fork(self) -> None:
        """For the child of a fork, which has no such thread."""
        self._lock = threading.Lock()
        if self._sender is not None:
            # Its event loop is not the child's to close: what it watches is the parent's too.
            _parents.append(self._sender)
            self._sender = None


class LayerSender:
    """A thread with an event loop, and the messages that it has to send to groups of the project's channel layer.

    ``failure`` is what the log says, once, when they cannot be sent; they are dropped then.
    """

    def __init__(self, failure: str) -> None:
        self._failure = failure
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._ending = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="jobs-flow-announcer", daemon=True)
        self._thread.start()

    def hand_over(self, item: tuple[str, dict[str, Any]]) -> bool:
        """Have a message sent to a group. Whether there is still a thread; what is too much is dropped."""
        if self._ending or not self._thread.is_alive():
            return False
        if len(self._waiting) < SENDING_LIMIT:
            self._waiting.append(item)
            self._loop.call_soon_threadsafe(self._wake.set)
        return True

    def end(self) -> None:
        """Return when it has sent all, or TIMEOUT later."""
        self._ending = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join(TIMEOUT)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._send())
        finally:
            self._loop.close()

    async def _send(self) -> None:
        layer = find_layer()
        while self._waiting or not self._ending:
            self._wake.clear()
            while self._waiting:
                group, message = self._waiting.popleft()
                try:
                    await asyncio.wait_for(layer.group_send(group, message), TIMEOUT)
                except Exception as error:
                    if not self._failing:
                        logger.warning("%s: %s", self._failure, type(error).__name__)
                    self._failing = True
                    # Those who listen have asked for them by the time that the layer is back.
                    self._waiting.clear()
                    if not self._ending:
                        await asyncio.sleep(RETRY_DELAY)
                else:
                    self._failing = False
            if not self._ending:
                await self._wake.wait()


class ChannelsSubscription(Inbox):
    """See ``storages.base.Subscription``: prompt, and with gaps that nothing tells of."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self._scope = scope
        self._layer = find_layer()
        self._watched: set[str] = set()
        self._channel: str | None = None
        self._ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def add(self, instance_id: str) -> None:
        """Join the instance's group; while the layer is away, when it is back."""
        self._watched.add(instance_id)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="jobs-flow-announced")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), TIMEOUT)
        if self._channel is not None and instance_id in self._watched:
            await self._try(self._layer.group_add, instance_id)

    async def remove(self, instance_id: str) -> None:
        """Leave the group."""
        self._watched.discard(instance_id)
        self._missed.pop(instance_id, None)
        if self._channel is not None:
            await self._try(self._layer.group_discard, instance_id)

    async def aclose(self) -> None:
        """Leave all groups."""
        reader, self._reader = self._reader, None
        if reader is None:
            return
        while not reader.done():
            # More than once: the layer's driver may take a cancellation for its own time limit.
            reader.cancel()
            await asyncio.wait([reader], timeout=CANCELLED_IN)
        for instance_id in tuple(self._watched):
            await self.remove(instance_id)

    async def _try(self, call: Any, instance_id: str) -> None:
        try:
            await asyncio.wait_for(call(group_name(self._scope, instance_id), self._channel), TIMEOUT)
        except Exception as error:
            logger.warning("the channel layer failed: %s", type(error).__name__)

    async def _read(self) -> None:
        failing = False
        while True:
            try:
                await self._join()
                failing = False
                rejoin = asyncio.get_running_loop().time() + REJOIN
                while (left := rejoin - asyncio.get_running_loop().time()) > 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            self._receive(await self._layer.receive(self._channel))
            except (Exception, asyncio.CancelledError) as error:
                # Layers let out cancellations of tasks of their own.
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                    raise
                self._ready.clear()
                if not failing:
                    logger.warning("announced events cannot be received: %s", type(error).__name__)
                failing = True
                await asyncio.sleep(RETRY_DELAY)

    async def _join(self) -> None:
        """All groups; what was missed until now is reported."""
        if self._channel is None:
            self._channel = await self._layer.new_channel("jobs-flow")
        for instance_id in tuple(self._watched):
            await self._layer.group_add(group_name(self._scope, instance_id), self._channel)
        self._ready.set()
        for instance_id in self._watched:
            self._offer(instance_id, None)

    def _receive(self, message: dict[str, Any]) -> None:
        if message.get("type") == MESSAGE_TYPE and message["id"] in self._watched:
            self._offer(message["id"], Event.parse(message["seq"], message["text"]))


_announcers: weakref.WeakSet[ChannelsAnnouncer] = weakref.WeakSet()
_parents: list[LayerSender] = []


def _after_fork() -> None:
    for announcer in list(_announcers):
        announcer.after_fork()


os.register_at_fork(after_in_child=_after_fork)
