"""What goes out of one connection: answers at once, and what watched instances do, from their mailboxes.

A WebSocket has one, and a stream of server-sent events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from channels.exceptions import StopConsumer

from jobs_flow_django import jobs
from jobs_flow_django.live.errors import WatchRequired
from jobs_flow_django.live.logs import log_unexpected
from jobs_flow_django.live.mailbox import Mailbox
from jobs_flow_django.live.protocol import Message, Ref
from jobs_flow_django.live.relay import Relay, get_relay
from jobs_flow_django.live.rounds import Rounds, get_rounds
from jobs_flow_django.live.telling import Frame, shot_frames


class Outlet:
    """See above. Not thread safe: belongs to its event loop.

    ``send_text`` writes one frame, a ``telling.Frame``, and waits while the client does not read; ``on_broken`` is
    called when what instances do cannot be sent any more, so that the connection is closed and the client starts anew.
    """

    def __init__(self, send_text: Callable[[Frame], Awaitable[None]], on_broken: Callable[[], Awaitable[None]]) -> None:
        self._send_text = send_text
        self._on_broken = on_broken
        self._watches: dict[str, tuple[Relay, Mailbox]] = {}
        # Mailboxes with something in them, in the order in which they got it.
        self._filled: dict[Mailbox, None] = {}
        self._visible = True
        self._turn = asyncio.Event()
        self._sending = asyncio.Lock()
        self._rounds: Rounds | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to send what watched instances do."""
        self._rounds = get_rounds()
        self._task = asyncio.create_task(self._deliver(), name="jobs-flow-outlet")
        if self._filled:
            self._rounds.join(self._turn.set)

    async def aclose(self) -> None:
        """Send nothing more, and watch nothing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._rounds is not None:
            self._rounds.leave(self._turn.set)
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

    async def watch(
        self,
        instance_id: str,
        *,
        payload: bool,
        since: int | None = None,
        ref: Ref = None,
        logs: bool | frozenset[str] = True,
        fold: int | None = None,
    ) -> None:
        """Send what becomes of an instance: everything as of now, then the ``ack``, then what follows.

        ``logs``: whether log lines are wanted, or of which tasks. ``fold``: blocks of more children are folded;
        where one is, everything is told, whatever ``since`` says.
        """
        await self.leave(instance_id)
        relay = get_relay(jobs.storage)
        mailbox = Mailbox(instance_id, self._fill, payload=payload, since=since, ref=ref, logs=logs, fold=fold)
        mailbox.away = not self._visible
        self._watches[instance_id] = relay, mailbox
        relay.join(mailbox)

    async def leave(self, instance_id: str) -> None:
        """No longer; nothing happens where it is not watched."""
        relay, mailbox = self._watches.pop(instance_id, (None, None))
        if relay is not None and mailbox is not None:
            self._filled.pop(mailbox, None)
            await relay.leave(mailbox)

    def set_window(self, instance_id: str, path: str, start: int, ref: Ref = None) -> None:
        """Move the window of a folded block; the answer, ``workflowBlock`` or why not, comes in order with the events.

        :raises JobsFlowError: when the instance is not watched with ``fold``, or too many moves wait for their answer.
        """
        _, mailbox = self._watches.get(instance_id, (None, None))
        if mailbox is None or not mailbox.folds:
            raise WatchRequired(instance_id=instance_id)
        mailbox.move(path, start, ref)

    def set_visible(self, visible: bool) -> None:
        """False: send answers to requests and nothing else, until true: then what happened meanwhile, merged.

        Where much has happened, all that there is is told instead.
        """
        self._visible = visible
        for mailbox in self.mailboxes:
            mailbox.away = not visible
        if visible and self._filled:
            self._join_round()

    def is_watched(self, mailbox: Mailbox) -> bool:
        """Whether the mailbox is still that of a watch."""
        return self._watches.get(mailbox.instance_id, (None, None))[1] is mailbox

    # -- sending -----------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send, and wait while the client does not read."""
        await self._send(Frame.of(message))

    async def _send(self, frame: Frame, mailbox: Mailbox | None = None) -> None:
        try:
            async with self._sending:
                # It may have been left while this waited, and the client told so.
                if mailbox is None or self.is_watched(mailbox):
                    await self._send_text(frame)
        except OSError:
            raise StopConsumer from None  # the client is gone

    def _fill(self, mailbox: Mailbox) -> None:
        self._filled[mailbox] = None
        if self._visible or mailbox.owes:
            self._join_round()

    def _join_round(self) -> None:
        if self._rounds is not None and not self._turn.is_set():
            self._rounds.join(self._turn.set)

    async def _deliver(self) -> None:
        """Empty the mailboxes into the connection, one after the other."""
        try:
            while True:
                await self._turn.wait()
                self._turn.clear()
                for mailbox in list(self._filled):
                    if mailbox in self._filled and (self._visible or mailbox.owes):
                        await self._empty(mailbox)
        except StopConsumer:
            return
        except Exception as error:
            # The client reconnects and starts from a snapshot; silence would leave it with an old state.
            log_unexpected("a connection could not be written to", error)
            with contextlib.suppress(Exception):
                await self._on_broken()

    async def _empty(self, mailbox: Mailbox) -> None:
        if self._visible:
            mailbox.catch_up()
        if mailbox.large is not None:
            await self._prepare(mailbox)
            if not self.is_watched(mailbox):
                return
        if self._visible or not mailbox.answered:
            self._filled.pop(mailbox, None)
            frames = mailbox.take()
        else:
            frames = mailbox.take_answers()
        for frame in frames:
            if not self.is_watched(mailbox):
                return  # while an earlier message was on its way
            await self._send(frame, mailbox)
        if mailbox.ended and mailbox not in self._filled and self.is_watched(mailbox):
            # Begun, it is done, though the connection ends meanwhile: the last to leave closes the relay's own.
            await asyncio.shield(self.leave(mailbox.instance_id))

    async def _prepare(self, mailbox: Mailbox) -> None:
        """Have what takes long done in a thread, once for all who get the same."""
        relay, _ = self._watches.get(mailbox.instance_id, (None, None))
        shot, audience = mailbox.large, mailbox.audience
        if relay is None or shot is None or audience in shot.frames:
            return
        rendering = shot.rendering.get(audience)
        if rendering is None:
            call = relay.in_thread(shot_frames, mailbox.instance_id, shot, audience)
            rendering = shot.rendering[audience] = asyncio.ensure_future(call)
            # What went wrong there goes wrong once more for those who waited for it, who can say so.
            rendering.add_done_callback(lambda done: done.cancelled() or done.exception())
            rendering.add_done_callback(lambda done: shot.rendering.pop(audience, None))
        await asyncio.wait([rendering])
