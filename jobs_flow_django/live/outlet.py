"""What goes out of one connection: answers at once, and what watched instances do, from their mailboxes.

A WebSocket has one, and a stream of server-sent events.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from channels.exceptions import StopConsumer

from jobs_flow_django import jobs
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.protocol import Message, Ref
from jobs_flow_django.live.relay import Relay, get_relay

#: Seconds between two helpings of what watched instances do; what happens meanwhile is merged.
PACE = 0.025


class Outlet:
    """See above. Not thread safe: belongs to its event loop.

    ``send_text`` writes one frame and waits while the client does not read; ``on_broken`` is called when what
    instances do cannot be sent any more, so that the connection is closed and the client starts anew.
    """

    def __init__(self, send_text: Callable[[str], Awaitable[None]], on_broken: Callable[[], Awaitable[None]]) -> None:
        self._send_text = send_text
        self._on_broken = on_broken
        self._watches: dict[str, tuple[Relay, Mailbox]] = {}
        # Mailboxes with something in them, in the order in which they got it.
        self._filled: dict[Mailbox, None] = {}
        self._filling = asyncio.Event()
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to send what watched instances do."""
        self._task = asyncio.create_task(self._deliver(), name="jobs-flow-outlet")

    async def aclose(self) -> None:
        """Send nothing more, and watch nothing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for instance_id in list(self._watches):
            await self.leave(instance_id)

    # -- watches -----------------------------------------------------------------------------

    @property
    def mailboxes(self) -> list[Mailbox]:
        """Those of the instances that are watched now."""
        return [mailbox for _, mailbox in self._watches.values()]

    def __contains__(self, instance_id: object) -> bool:
        return instance_id in self._watches

    def __len__(self) -> int:
        return len(self._watches)

    async def watch(self, instance_id: str, *, payload: bool, since: int | None = None, ref: Ref = None) -> None:
        """Send what becomes of an instance: everything as of now, then the ``ack``, then what follows."""
        await self.leave(instance_id)
        relay = get_relay(jobs.storage)
        mailbox = Mailbox(instance_id, self._fill, payload=payload, since=since, ref=ref)
        self._watches[instance_id] = relay, mailbox
        relay.join(mailbox)

    async def leave(self, instance_id: str) -> None:
        """No longer; nothing happens where it is not watched."""
        relay, mailbox = self._watches.pop(instance_id, (None, None))
        if relay is not None and mailbox is not None:
            await relay.leave(mailbox)

    def is_watched(self, mailbox: Mailbox) -> bool:
        """Whether the mailbox is still that of a watch."""
        return self._watches.get(mailbox.instance_id, (None, None))[1] is mailbox

    # -- sending -----------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send, and wait while the client does not read."""
        # ASCII, so that half a surrogate pair in somebody's result cannot make a frame that is no text.
        text = json.dumps(message, separators=(",", ":"))
        try:
            async with self._sending:
                await self._send_text(text)
        except OSError:
            raise StopConsumer from None  # the client is gone

    def _fill(self, mailbox: Mailbox) -> None:
        self._filled[mailbox] = None
        self._filling.set()

    async def _deliver(self) -> None:
        """Empty the mailboxes into the connection, one after the other."""
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
            log_unexpected("a connection could not be written to", error)
            with contextlib.suppress(Exception):
                await self._on_broken()

    async def _empty(self, mailbox: Mailbox) -> None:
        for message in mailbox.take():
            if not self.is_watched(mailbox):
                return  # while an earlier message was on its way
            await self.send(message)
        if mailbox.ended and self.is_watched(mailbox):
            await self.leave(mailbox.instance_id)
