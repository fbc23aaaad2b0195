"""What one socket has yet to be told of one instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs_flow.errors import JobsFlowError
from jobs_flow.storages.records import Event, Snapshot
from jobs_flow_django.live import protocol
from jobs_flow_django.live.changes import Change, Lines
from jobs_flow_django.live.protocol import Message, Ref


@dataclass(frozen=True, slots=True)
class Shot:
    """A snapshot with the ends of its logs; shared by all mailboxes that start from it."""

    snapshot: Snapshot
    logs: Mapping[str, Lines]

    @property
    def seq(self) -> int:
        """Number of the last event in it."""
        return self.snapshot.seq


class Mailbox:
    """Filled by the relay, emptied by the socket that owns it, whenever that can take more.

    It holds a snapshot at most, one merged change after it, and one error: however slow the socket, it
    does not grow beyond the size of its instance, and what it holds is always the latest state.
    ``wake`` is called when there is something to take.
    """

    def __init__(
        self,
        instance_id: str,
        wake: Callable[[Mailbox], None],
        *,
        payload: bool = True,
        since: int | None = None,
        ref: Ref = None,
    ) -> None:
        self.instance_id = instance_id
        #: Whether the owner may see results and logs; may change while it watches.
        self.payload = payload
        #: What the client says it knows already.
        self.since = since
        #: It was told that the instance cannot be read for now.
        self.troubled = False
        #: The watch is over: the relay sends no more.
        self.ended = False
        #: It is over because the instance was deleted.
        self._deleted = False
        self._wake = wake
        self._ref = ref
        self._shot: Shot | None = None
        self._change = Change(0)
        self._error: JobsFlowError | None = None
        self._answered = False

    # -- the relay's side --------------------------------------------------------------------

    def start(self, shot: Shot) -> None:
        """Begin again from a snapshot; what waited here is older, and forgotten."""
        errors = self._change.errors
        self._shot, self._change = shot, Change(shot.seq, errors=errors)
        self._well()

    def resume(self, shot: Shot, missed: Sequence[Event]) -> None:
        """Begin where the client left off: ``missed`` are the events up to the snapshot that it has not seen."""
        change = Change(shot.seq)
        for event in missed:
            change.add(event)
        change.seq, change.instance = shot.seq, protocol.instance_view(shot.snapshot.instance)
        self._change = change
        self._well()

    def feed(self, event: Event, header: Mapping[str, Any]) -> None:
        """The next event; those that are known already are left out."""
        if event.seq > self._change.seq:
            self._change.add(event, header)
            self._wake(self)

    def trouble(self, error: JobsFlowError) -> None:
        """Nothing can be said of the instance for now. Told once, until it is over."""
        if not self.troubled:
            self.troubled = True
            self._error = error
            self._wake(self)

    def recover(self, header: Mapping[str, Any]) -> None:
        """The trouble is over; what was missed has been fed."""
        if self.troubled:
            self._change.instance = header
            self._well()

    def end(self, error: JobsFlowError, *, deleted: bool = False) -> None:
        """There is no such instance, not for the owner, or (``deleted``) no longer: the last word."""
        self.ended, self._deleted = True, deleted
        self._error = error
        self._shot, self._change = None, Change(self._change.seq)
        self._wake(self)

    def _well(self) -> None:
        self.troubled, self._error = False, None
        self._wake(self)

    # -- the socket's side -------------------------------------------------------------------

    def take(self) -> Iterator[Message]:
        """All that waits, as messages; the mailbox is empty afterwards."""
        shot, change, error = self._shot, self._change, self._error
        self._shot, self._change, self._error = None, Change(change.seq), None
        return self._messages(shot, change, error)

    def _messages(self, shot: Shot | None, change: Change, error: JobsFlowError | None) -> Iterator[Message]:
        if not self.payload:
            change.logs.clear()
        if shot is not None:
            logs = shot.logs if self.payload else {}
            yield from protocol.snapshot_messages(self.instance_id, shot.snapshot, logs, payload=self.payload)
        yield from protocol.change_messages(self.instance_id, change, payload=self.payload)
        if self.ended and self._answered and self._deleted:
            yield from protocol.deleted_messages(self.instance_id, change.seq)
        elif self.ended and self._answered and error is not None:
            # It existed when the watch began: this happened to the instance, not to the request.
            yield protocol.execution_error(self.instance_id, error.to_wire())
        elif error is not None:
            yield protocol.app_error(error, ref=self._ref if self.ended else None, instance_id=self.instance_id)
        elif change.seq and not self._answered:
            self._answered = True
            if self._ref is not None:
                yield protocol.ack(self._ref, id=self.instance_id, seq=change.seq)
