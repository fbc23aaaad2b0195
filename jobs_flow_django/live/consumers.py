"""The socket: requests in, answers and what watched instances do out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, cast

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from jobs_flow.errors import JobsFlowError
from jobs_flow_django.conf import get_settings
from jobs_flow_django.live import access, commands, protocol
from jobs_flow_django.live.errors import (
    InternalError,
    NotAuthenticated,
    ProtocolError,
    TooManyRequests,
    TooManySockets,
    TooManyWatches,
)
from jobs_flow_django.live.limits import Allowance
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.live.protocol import Message, Ref
from jobs_flow_django.live.requests import GetTask, GetTaskLogs, Request, SetVisibility, SetWindow, Unwatch, Watch
from jobs_flow_django.live.sessions import Guard, get_supervisor

#: Name in the scope of a function to send by that nothing is wrapped around.
DIRECT_SEND = "jobs_flow.send"
#: Close codes of our own, by code of the error: the browser has to sign in first; it has too much open already.
CLOSE_CODES = {"NOT_AUTHENTICATED": 4401, "TOO_MANY_SOCKETS": 4429, "TOO_MANY_REQUESTS": 4429}
#: Seconds that a client which does not read is given for reading why it is turned away.
FAREWELL = 5.0


class LiveConsumer(AsyncWebsocketConsumer):
    """One socket.

    Requests are answered one after the other, in order. What watched instances do is sent by its outlet, as
    fast as the client reads.
    """

    #: None is configured under this name: events come from the storage, and a layer could only fail.
    channel_layer_alias = "jobs_flow without channel layer"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._outlet = Outlet(self._send_text, lambda: self.close(1011))
        self._allowance = Allowance()
        self._guard: Guard | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application of one connection."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._guard is not None:
                await self._guard.aclose()
            await self._outlet.aclose()

    # -- the connection ----------------------------------------------------------------------

    async def connect(self) -> None:
        """Greet those who are signed in, and those who may have a ticket to show."""
        await self.accept()
        # Of this connection: live.access fills it, live.sessions sees to what it ends.
        cast("dict[str, Any]", self.scope)["tickets"] = {}
        try:
            if not access.is_anonymous(self.scope):
                await access.identify(self.scope)
            guard = get_supervisor().admit(self.scope, self._outlet, self._turn_away)
        except (NotAuthenticated, TooManyRequests, TooManySockets) as error:
            await self._turn_away(error)
            return
        self._guard = guard
        await self._send(protocol.hello(time.time_ns() // 1_000_000))
        self._outlet.open()

    async def _turn_away(self, error: JobsFlowError, ref: Ref = None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._send(protocol.app_error(error, ref=ref))
        await self.close(CLOSE_CODES.get(error.code, 1011))

    async def _send_text(self, text: str) -> None:
        # Not through the methods of Channels, nor middleware: with many watchers this is most of what a change costs.
        send: Any = self.scope.get(DIRECT_SEND, self.base_send)
        try:
            await send({"type": "websocket.send", "text": text})
        except RuntimeError:
            # So uvicorn says that it has closed the connection, of a client that broke the rules of WebSockets.
            raise StopConsumer from None

    async def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close, if that has not happened already."""
        with contextlib.suppress(OSError, RuntimeError):
            await super().close(code, reason)

    async def _send(self, message: Message) -> None:
        await self._outlet.send(message)

    # -- requests ----------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a request; whatever it is, the socket stays open, unless its user is no longer signed in."""
        if self._guard is None or self._guard.is_over:
            return  # it is being turned away
        request: Request | None = None
        ref: Ref = None
        await self._allowance.pace()
        try:
            request = protocol.parse(text_data, get_settings().SOCKET_MESSAGE_BYTES)
            ref = request.ref
            self._allowance.take_start(request)
            await self._handle(request)
        except ProtocolError as error:
            await self._send(protocol.app_error(error, ref=error.ref))
        except NotAuthenticated as error:
            await self._guard.turn_away(error, ref)
        except JobsFlowError as error:
            instance_id = None if request is None else request.workflow_id
            await self._send(protocol.app_error(error, ref=ref, instance_id=instance_id))
        except StopConsumer:
            raise
        except Exception as error:
            log_unexpected("a request could not be answered", error)
            await self._send(protocol.app_error(InternalError(), ref=ref))

    async def _handle(self, request: Request) -> None:
        match request:
            case Watch():
                await self._watch(request)
            case Unwatch(instance_id, ref):
                await self._outlet.leave(instance_id)
                if ref is not None:
                    await self._send(protocol.ack(ref, id=instance_id))
            case SetWindow(instance_id, path, start, ref):
                await access.permit(self.scope, "view", instance_id)
                self._outlet.set_window(instance_id, path, start, ref)
            case SetVisibility(visible, ref):
                self._outlet.set_visible(visible)
                if ref is not None:
                    await self._send(protocol.ack(ref))
            case _:
                answer = await commands.perform(request, self.scope)
                if request.ref is not None or isinstance(request, GetTask | GetTaskLogs):
                    await self._send(answer)

    async def _watch(self, request: Watch) -> None:
        """The answer comes from the mailbox: everything as of now, then the ``ack``."""
        instance_id = request.workflow_id
        payload = await access.permit(self.scope, "view", instance_id, ticket=request.ticket)
        limit = get_settings().SOCKET_WATCHES
        if instance_id not in self._outlet and len(self._outlet) >= limit:
            raise TooManyWatches(limit=limit)
        await self._outlet.watch(
            instance_id, payload=payload, since=request.since, ref=request.ref, logs=request.logs, fold=request.fold
        )
        if self._guard is None or self._guard.is_over:
            # Turned away while that was asked, or while the watch before it was left.
            await self._outlet.leave(instance_id)
        else:
            self._guard.watched(instance_id)
