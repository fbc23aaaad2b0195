"""The socket: requests in, answers and what watched instances do out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from jobs_flow.errors import InstanceNotFound, JobsFlowError, StorageUnavailable
from jobs_flow_django import jobs
from jobs_flow_django.live import access, protocol
from jobs_flow_django.live.errors import InternalError, NotAuthenticated, ProtocolError, TooManyWatches
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.protocol import Message, Ref
from jobs_flow_django.live.relay import Relay, get_relay
from jobs_flow_django.live.requests import (
    Cancel,
    Create,
    Destroy,
    ExecuteAll,
    ExecuteTask,
    Pause,
    Request,
    Reset,
    Resume,
    SetUpdaters,
    Unpause,
    Unwatch,
    Watch,
)

#: Instances that one socket may watch.
WATCH_LIMIT = 200
#: Seconds between two helpings of what watched instances do; what happens meanwhile is merged.
PACE = 0.025
#: Seconds between checks that the user of a silent socket may still be told.
RECHECK_INTERVAL = 60.0
#: Close codes of our own: the browser has to sign in first.
NOT_AUTHENTICATED = 4401


class LiveConsumer(AsyncWebsocketConsumer):
    """One socket.

    Requests are answered one after the other, in order. What watched instances do is sent by a task of
    its own from their mailboxes, as fast as the client reads.
    """

    #: None is configured under this name: events come from the storage, and a layer could only fail.
    channel_layer_alias = "jobs_flow without channel layer"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watches: dict[str, tuple[Relay, Mailbox]] = {}
        # Mailboxes with something in them, in the order in which they got it.
        self._filled: dict[Mailbox, None] = {}
        self._filling = asyncio.Event()
        self._sending = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application of one connection."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._let_go()

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
        self._tasks = [asyncio.create_task(self._deliver()), asyncio.create_task(self._recheck())]

    async def _turn_away(self, error: NotAuthenticated, ref: Ref = None) -> None:
        await self._send(protocol.app_error(error, ref=ref))
        await self.close(NOT_AUTHENTICATED)

    async def _let_go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for instance_id in list(self._watches):
            await self._leave(instance_id)

    async def _send(self, message: Message) -> None:
        """Send, and wait while the client does not read."""
        # ASCII, so that half a surrogate pair in somebody's result cannot make a frame that is no text.
        text = json.dumps(message, separators=(",", ":"))
        try:
            async with self._sending:
                await self.send(text_data=text)
        except OSError:
            raise StopConsumer from None  # the client is gone

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
                await self._leave(instance_id)
                await self._acknowledge(ref, id=instance_id)
            case ExecuteTask(_, path, argument):
                await self._start("execute", request, jobs.execute_one_task, path, *argument)
            case ExecuteAll(_, argument):
                await self._start("execute", request, jobs.execute_all_tasks, *argument)
            case Create():
                await self._create(request)
            case Resume(instance_id, mode, path, preview=True):
                await access.permit(self.scope, "resume", instance_id)
                found = await self._in_thread(jobs.preview, instance_id, mode, path=path)
                await self._acknowledge(request.ref, id=instance_id, paths=found)
            case Resume(_, mode, path):
                await self._start("resume", request, jobs.resume, mode, path=path)
            case Cancel(_, path, undo):
                await self._command("cancel", request, jobs.cancel, path, undo=undo)
            case Pause():
                await self._command("cancel", request, jobs.pause)
            case Unpause():
                await self._command("resume", request, jobs.unpause)
            case Reset(_, path):
                await self._command("execute", request, jobs.reset, path)
            case Destroy():
                await self._command("destroy", request, jobs.destroy_workflow)
            case SetUpdaters(_, path, updaters):
                await self._command("update", request, jobs.set_context_updaters, path, updaters)

    async def _watch(self, request: Watch) -> None:
        """The answer comes from the mailbox: everything as of now, then the ``ack``."""
        instance_id = request.workflow_id
        payload = await access.permit(self.scope, "view", instance_id)
        if instance_id not in self._watches and len(self._watches) >= WATCH_LIMIT:
            raise TooManyWatches(limit=WATCH_LIMIT)
        await self._leave(instance_id)
        relay = get_relay(jobs.storage)
        mailbox = Mailbox(instance_id, self._fill, payload=payload, since=request.since, ref=request.ref)
        self._watches[instance_id] = relay, mailbox
        relay.join(mailbox)

    async def _leave(self, instance_id: str) -> None:
        relay, mailbox = self._watches.pop(instance_id, (None, None))
        if relay is not None and mailbox is not None:
            await relay.leave(mailbox)

    async def _create(self, request: Create) -> None:
        user = await access.permit_new(self.scope)
        instance_id = await self._in_thread(
            jobs.create_workflow_instance,
            request.workflow,
            request.data,
            realm=request.realm,
            name=request.name,
            key=request.key,
            execute=request.execute,
            owner=user,
        )
        if request.key is not None:
            await access.permit_key(self.scope, instance_id)
        await self._acknowledge(request.ref, id=instance_id)

    async def _start(
        self,
        action: str,
        request: ExecuteTask | ExecuteAll | Resume,
        start: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        instance_id = request.workflow_id
        await access.permit(self.scope, action, instance_id)
        try:
            handle = await self._in_thread(start, instance_id, *args, **kwargs)
        except (InstanceNotFound, StorageUnavailable):
            raise
        except JobsFlowError as error:
            # Whoever watches the instance is told that it was asked for something it could not do.
            await self._tell_watchers(instance_id, error)
            raise
        await self._acknowledge(request.ref, id=instance_id, run=handle.run)

    async def _command(
        self,
        action: str,
        request: Cancel | Pause | Unpause | Reset | Destroy | SetUpdaters,
        command: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Do it; ``changed: false`` in the answer says that there was nothing to do."""
        await access.permit(self.scope, action, request.workflow_id)
        changed = await self._in_thread(command, request.workflow_id, *args, **kwargs)
        await self._acknowledge(request.ref, id=request.workflow_id, changed=changed is not False)

    @staticmethod
    async def _in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # In a thread of its own: a broker that is away would hold up everything that shares one.
        return await database_sync_to_async(function, thread_sensitive=False)(*args, **kwargs)

    async def _tell_watchers(self, instance_id: str, error: JobsFlowError) -> None:
        with contextlib.suppress(StorageUnavailable):
            await self._in_thread(jobs.storage.add_event, instance_id, {"error": error.to_wire()})

    async def _acknowledge(self, ref: Ref, **fields: Any) -> None:
        if ref is not None:
            await self._send(protocol.ack(ref, **fields))

    # -- what runs beside --------------------------------------------------------------------

    def _fill(self, mailbox: Mailbox) -> None:
        self._filled[mailbox] = None
        self._filling.set()

    async def _deliver(self) -> None:
        """Empty the mailboxes into the socket, one after the other."""
        try:
            while True:
                await self._filling.wait()
                self._filling.clear()
                filled, self._filled = self._filled, {}
                for mailbox in filled:
                    await self._empty(mailbox)
                await asyncio.sleep(PACE)
        except StopConsumer:
            return
        except Exception as error:
            # The client reconnects and starts from a snapshot; silence would leave it with an old state.
            log_unexpected("a socket could not be written to", error)
            with contextlib.suppress(Exception):
                await self.close(1011)

    async def _empty(self, mailbox: Mailbox) -> None:
        for message in mailbox.take():
            if not self._is_watched(mailbox):
                return  # while an earlier message was on its way
            await self._send(message)
        if mailbox.ended and self._is_watched(mailbox):
            await self._leave(mailbox.instance_id)

    def _is_watched(self, mailbox: Mailbox) -> bool:
        return self._watches.get(mailbox.instance_id, (None, None))[1] is mailbox

    async def _recheck(self) -> None:
        """End what the user may no longer see."""
        while True:
            await asyncio.sleep(RECHECK_INTERVAL)
            # Asked about these; what is watched from now on was permitted just then.
            watched = [mailbox for _, mailbox in self._watches.values()]
            try:
                allowed = await access.visible(self.scope, [mailbox.instance_id for mailbox in watched])
            except NotAuthenticated as error:
                await self._turn_away(error)
                return
            except Exception as error:
                log_unexpected("permissions could not be checked again", error)
                continue
            for mailbox in watched:
                if self._watches.get(mailbox.instance_id, (None, None))[1] is not mailbox:
                    continue  # left meanwhile
                if mailbox.instance_id not in allowed:
                    mailbox.end(InstanceNotFound(instance_id=mailbox.instance_id))
                else:
                    mailbox.payload = allowed[mailbox.instance_id]
