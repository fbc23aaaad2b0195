"""Where a process hears of sessions that ended in others: one channel in one group of the project's channel layer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from jobs_flow_django.live.logouts import DIGEST_LENGTH, GROUP, MESSAGE_TYPE, shared_layer

logger = logging.getLogger("jobs_flow.live")

#: Seconds between attempts to use a layer that failed: at first, and at most.
RETRY_DELAYS = (1.0, 60.0)
#: Seconds after which the group is joined again: layers forget members, after a day if they are not told otherwise.
REJOIN = 1800.0
#: Seconds between two attempts to end the reader.
CANCELLED_IN = 0.2
#: Seconds for leaving the group of a layer that does not answer; it forgets its members by itself.
LEAVING = 2.0


class SessionChannel:
    """Calls ``ended`` with the digest of each; does nothing where no layer reaches other processes.

    A layer that fails is logged once and tried again. Not thread safe: belongs to its event loop.
    """

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._reader: asyncio.Task[None] | None = None
        self._layer: Any = None
        self._channel: str | None = None
        #: Whether messages are received now.
        self.is_ready = False

    def open(self) -> None:
        """Begin to listen, where there is anything to listen to."""
        self._layer = shared_layer()
        if self._layer is not None and self._reader is None:
            self._reader = asyncio.create_task(self._read(self._layer), name="jobs-flow-sessions")

    async def aclose(self) -> None:
        """Listen no more."""
        reader, self._reader = self._reader, None
        while reader is not None and not reader.done():
            # More than once: the layer's driver may take a cancellation for its own time limit.
            reader.cancel()
            await asyncio.wait([reader], timeout=CANCELLED_IN)
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._layer.group_discard(GROUP, channel), LEAVING)

    async def _read(self, layer: Any) -> None:
        first, longest = RETRY_DELAYS
        delay, failing = first, False
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._channel = channel = await layer.new_channel("jobs-flow")
                while True:
                    await layer.group_add(GROUP, channel)
                    self.is_ready, delay, failing = True, first, False
                    rejoin = loop.time() + REJOIN
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout_at(rejoin):
                            while True:
                                self._receive(await layer.receive(channel))
            except (Exception, asyncio.CancelledError) as error:
                self.is_ready = False
                # Layers let out cancellations of tasks of their own.
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                    raise
                if not failing:
                    logger.warning(
                        "ends of sessions in other processes cannot be heard of; sockets are checked all the same: %s",
                        type(error).__name__,
                    )
                failing = True
                await asyncio.sleep(delay)
                delay = min(2 * delay, longest)

    def _receive(self, message: Any) -> None:
        digest = message.get("session") if isinstance(message, dict) and message.get("type") == MESSAGE_TYPE else None
        if isinstance(digest, str) and len(digest) == DIGEST_LENGTH:
            self._ended(digest)
