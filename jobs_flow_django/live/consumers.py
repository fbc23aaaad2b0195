"""The socket: requests in, answers and what watched instances do out."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from jobs_flow.errors import InstanceNotFound, JobsFlowError
from jobs_flow_django.live import access, commands, protocol
from jobs_flow_django.live.errors import InternalError, NotAuthenticated, ProtocolError, TooManyWatches
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.live.protocol import Message, Ref
from jobs_flow_django.live.requests import Request, Unwatch, Watch

#: Instances that one socket may watch.
WATCH_LIMIT = 200
#: Seconds between checks that the user of a silent socket may still be told.
RECHECK_INTERVAL = 60.0
#: Close codes of our own: the browser has to sign in first.
NOT_AUTHENTICATED = 4401


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
        self._rechecking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application of one connection."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._rechecking is not None:
                self._rechecking.cancel()
                await asyncio.gather(self._rechecking, return_exceptions=True)
            await self._outlet.aclose()

    # -- the connection ----------------------------------------------------------------------

    async def connect(self) -> None:
        """Greet those who are signed in."""
        await self.accept()
        try:
            await access.identify(self.scope)
        except NotAuthenticated as error:
            await self._turn_away(error)
            return
        await self._send(protocol.hello(time.time_ns() // 1_000_000))
        self._outlet.open()
        self._rechecking = asyncio.create_task(self._recheck(), name="jobs-flow-recheck")

    async def _turn_away(self, error: NotAuthenticated, ref: Ref = None) -> None:
        await self._send(protocol.app_error(error, ref=ref))
        await self.close(NOT_AUTHENTICATED)

    async def _send_text(self, text: str) -> None:
        await self.send(text_data=text)

    async def _send(self, message: Message) -> None:
        await self._outlet.send(message)

    # -- requests ----------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a request; whatever it is, the socket stays open, unless its user is no longer signed in."""
        ref: Ref = None
        try:
            request = protocol.parse(text_data)
            ref = request.ref
            await self._handle(request)
        except ProtocolError as error:
            await self._send(protocol.app_error(error, ref=error.ref))
        except NotAuthenticated as error:
            await self._turn_away(error, ref)
        except JobsFlowError as error:
            await self._send(protocol.app_error(error, ref=ref, instance_id=request.workflow_id))
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
            case _:
                answer = await commands.perform(request, self.scope)
                if request.ref is not None:
                    await self._send(answer)

    async def _watch(self, request: Watch) -> None:
        """The answer comes from the mailbox: everything as of now, then the ``ack``."""
        instance_id = request.workflow_id
        payload = await access.permit(self.scope, "view", instance_id)
        if instance_id not in self._outlet and len(self._outlet) >= WATCH_LIMIT:
            raise TooManyWatches(limit=WATCH_LIMIT)
        await self._outlet.watch(instance_id, payload=payload, since=request.since, ref=request.ref)

    # -- what runs beside --------------------------------------------------------------------

    async def _recheck(self) -> None:
        """End what the user may no longer see."""
        while True:
            await asyncio.sleep(RECHECK_INTERVAL)
            # Asked about these; what is watched from now on was permitted just then.
            watched = self._outlet.mailboxes
            try:
                allowed = await access.visible(self.scope, [mailbox.instance_id for mailbox in watched])
            except NotAuthenticated as error:
                await self._turn_away(error)
                return
            except Exception as error:
                log_unexpected("permissions could not be checked again", error)
                continue
            for mailbox in watched:
                if not self._outlet.is_watched(mailbox):
                    continue  # left meanwhile
                if mailbox.instance_id not in allowed:
                    mailbox.end(InstanceNotFound(instance_id=mailbox.instance_id))
                else:
                    mailbox.payload = allowed[mailbox.instance_id]
