"""The messages of one watched instance as server-sent events, read only.

The same messages as over a socket, each the ``data`` of an event without a name. Where one is the last of a change,
its ``id`` is the ``seq``, which browsers send back as ``Last-Event-ID`` when they reconnect: then they are told what
they missed. The stream ends when the watch does; who reconnects is then told why by the status.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator

from asgiref.sync import sync_to_async
from django.db import connections

from jobs_flow.errors import JobsFlowError
from jobs_flow_django.live import protocol
from jobs_flow_django.live.access import Scope
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.live.protocol import Ref
from jobs_flow_django.live.requests import Watch
from jobs_flow_django.live.sessions import get_supervisor
from jobs_flow_django.live.telling import Frame

#: Seconds without a word after which a comment is sent, so that nothing between takes the connection for dead.
KEEP_ALIVE = 15.0
#: Milliseconds before a browser reconnects.
RETRY = 3_000
#: Messages that wait for a reader; until it has taken one, the outlet merges what happens.
WAITING = 4
#: Seconds in which a reader is told why the stream ends.
FAREWELL = 5.0

#: Without these, proxies that collect answers would hold the events back.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class _StreamOutlet(Outlet):
    """Fills a queue that the response is read from; None in it is the end."""

    def __init__(self) -> None:
        super().__init__(self._put, self._end)
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue(WAITING)
        self._ending: asyncio.Task[None] | None = None
        self._is_read = True

    async def leave(self, instance_id: str) -> None:
        """No longer; that was all there is to read."""
        watched = instance_id in self
        await super().leave(instance_id)
        if watched and self._is_read and self._ending is None:
            # Later, so that whoever ended the watch can still say why.
            self._ending = asyncio.create_task(self._end(), name="jobs-flow-stream-end")

    async def turn_away(self, error: JobsFlowError, ref: Ref = None) -> None:
        """Say why, and end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self.send(protocol.app_error(error, ref=ref))
        await self._end()

    async def read(self) -> AsyncGenerator[Frame | None, None]:
        """The frames; None for each time that nothing was said for long."""
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    frame = await self._frames.get()
            except TimeoutError:
                yield None
                continue
            if frame is None:
                return
            yield frame

    async def aclose(self) -> None:
        """The reader is gone."""
        self._is_read = False
        while not self._frames.empty():
            self._frames.get_nowait()  # who waits for room goes on
        if self._ending is not None:
            self._ending.cancel()
        await super().aclose()

    async def _put(self, frame: Frame) -> None:
        if self._is_read:
            await self._frames.put(frame)

    async def _end(self) -> None:
        if self._is_read:
            await self._frames.put(None)


async def stream(scope: Scope, request: Watch, *, payload: bool) -> AsyncGenerator[bytes, None]:
    """The response's content, for somebody who may see the instance; holds a watch until it is closed.

    Raises ``TooManySockets`` before the first part, which is there at once.
    """
    outlet = _StreamOutlet()
    guard = get_supervisor().admit(scope, outlet, outlet.turn_away)
    try:
        yield f"retry: {RETRY}\n\n".encode()
        yield encode(Frame.of(protocol.hello(time.time_ns() // 1_000_000)))
        outlet.open()
        await outlet.watch(
            request.workflow_id, payload=payload, since=request.since, logs=request.logs, fold=request.fold
        )
        guard.watched(request.workflow_id)
        async with contextlib.aclosing(outlet.read()) as frames:
            async for frame in frames:
                yield b": still here\n\n" if frame is None else encode(frame)
    finally:
        await guard.aclose()
        await outlet.aclose()


async def begun(content: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """``content``, of which the first part has been made: what it raises then is still an answer with a status."""
    first = await anext(content)

    async def parts() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(content):
            yield first
            async for part in content:
                yield part

    return parts()


def encode(frame: Frame) -> bytes:
    """A message, which is JSON in ASCII and so has no line breaks, as an event."""
    event_id = "" if frame.seq is None else f"id: {frame.seq}\n"
    return f"{event_id}data: {frame}\n\n".encode()


@sync_to_async
def release_connections() -> None:
    """Close the request's connections to databases: a stream lasts long, and asks them little."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
