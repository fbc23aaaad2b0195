"""What one socket has yet to be told of one instance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs_flow.errors import InstanceNotFound, JobsFlowError
from jobs_flow_django.live import protocol
from jobs_flow_django.live.changes import Change
from jobs_flow_django.live.errors import TooManyWindows
from jobs_flow_django.live.folding import Fold, Outline
from jobs_flow_django.live.journal import Journal, Reader
from jobs_flow_django.live.protocol import Ref
from jobs_flow_django.live.state import Shot, State
from jobs_flow_django.live.telling import Audience, Frame, shot_frames, window_frames

#: Tasks of an instance whose snapshot is encoded in a thread.
LARGE = 300
#: Moves of windows that wait for their answer.
MOVES = 50


class Mailbox(Reader):
    """Filled by the relay, emptied by the socket that owns it, whenever that can take more.

    It holds a snapshot at most, one merged change after it, and one error, and has its place in the journal of its
    instance: however slow the socket, that does not grow beyond the size of the instance, and what it is given is
    always the latest state. ``wake`` is called when there is something to take.
    """

    def __init__(
        self,
        instance_id: str,
        wake: Callable[[Mailbox], None],
        *,
        payload: bool = True,
        since: int | None = None,
        ref: Ref = None,
        logs: bool | frozenset[str] = True,
        fold: int | None = None,
    ) -> None:
        self.instance_id = instance_id
        #: What the client says it knows already.
        self.since = since
        #: It was told that the instance cannot be read for now.
        self.troubled = False
        #: The watch is over: the relay sends no more.
        self.ended = False
        #: Number of the last event that the owner was told of.
        self._told = 0
        #: It is over because the instance was deleted.
        self._deleted = False
        self._wake = wake
        self._ref = ref
        #: Who the owner gets the same frames as.
        self.audience = Audience(payload, logs, None if fold is None else Fold(fold))
        self._moves: deque[tuple[str, int, Ref]] = deque()
        self._journal: Journal | None = None
        self._shot: Shot | None = None
        self._error: JobsFlowError | None = None
        self._answered = False

    # -- the relay's side --------------------------------------------------------------------

    def since_in(self, outline: Outline) -> int | None:
        """``since``; None where a block is folded: nobody knows where the windows were, so all has to be told."""
        fold = self.audience.fold
        return None if fold is not None and outline.in_view(fold).blocks else self.since

    def start(self, journal: Journal) -> None:
        """Begin again from a snapshot; what waited here is older, and forgotten, but for errors."""
        if self.ended:
            return  # perhaps because the owner may not see it any more; it has not read so yet
        self._begin_anew(journal)
        self._well()

    def resume(self, journal: Journal, missed: Change) -> None:
        """Begin where the client left off: ``missed``, which others may have too, is what it has not seen."""
        if self.ended:
            return
        self._join(journal)
        self.backlog = missed
        self._well()

    def leave(self) -> None:
        """Nothing comes here any more."""
        if self._journal is not None:
            self._journal.leave(self)

    def notice(self) -> None:
        """Something happened."""
        self._wake(self)

    def _begin_anew(self, journal: Journal) -> None:
        errors = self._waiting_errors()
        self._join(journal)
        self._shot = journal.state.shot()
        if errors:
            self.backlog = Change(self.read, errors=errors)

    def _join(self, journal: Journal) -> None:
        self.leave()
        self._journal = journal
        journal.join(self)

    def _waiting_errors(self) -> deque[Mapping[str, Any]]:
        if self._journal is None:
            return deque()
        return self._journal.waiting(self).errors

    def trouble(self, error: JobsFlowError) -> None:
        """Nothing can be said of the instance for now. Told once, until it is over."""
        if not self.troubled and not self.ended:
            self.troubled = True
            self._error = error
            self._wake(self)

    def recover(self, header: Mapping[str, Any]) -> None:
        """The trouble is over; what was missed has been fed."""
        if self.troubled and not self.ended and self._journal is not None:
            change = self._journal.waiting(self)
            change.instance = header
            self.read, self.backlog = self._journal.seq, change
            self._well()

    def end(self, error: JobsFlowError, *, deleted: bool = False) -> None:
        """There is no such instance, not for the owner, or (``deleted``) no longer: the last word."""
        if self.ended:
            return
        self.ended, self._deleted = True, deleted
        self._error = error
        self._shot, self.backlog = None, None
        self.leave()
        self._wake(self)

    def _well(self) -> None:
        self.troubled, self._error = False, None
        self._wake(self)

    # -- the socket's side -------------------------------------------------------------------

    @property
    def payload(self) -> bool:
        """Whether the owner may see results and logs; may change while it watches.

        From false to true, all that there is is told again: what the owner knows lacks what it may see now.
        """
        return self.audience.payload

    @payload.setter
    def payload(self, allowed: bool) -> None:
        if allowed != self.payload:
            self.audience = replace(self.audience, payload=allowed)
            if allowed and self._journal is not None and not self.ended:
                self._begin_anew(self._journal)
                self._wake(self)

    @property
    def folds(self) -> bool:
        """Whether wide blocks are folded."""
        return self.audience.fold is not None

    @property
    def owes(self) -> bool:
        """Whether the owner waits for an answer."""
        return not self._answered or bool(self._moves)

    @property
    def answered(self) -> bool:
        """Whether the owner was told how the watch began."""
        return self._answered

    def move(self, path: str, start: int, ref: Ref) -> None:
        """Move the window of a block; the answer is among what is taken next.

        :raises TooManyWindows: when too many moves wait for their answer.
        """
        if len(self._moves) >= MOVES:
            raise TooManyWindows(limit=MOVES)
        self._moves.append((path, start, ref))
        self._wake(self)

    def catch_up(self) -> None:
        """Have a snapshot waiting in place of what it was away from for too long; before ``large`` and ``take``."""
        if self._journal is not None and self._journal.has_lost(self):
            self._begin_anew(self._journal)

    @property
    def large(self) -> Shot | None:
        """A snapshot that waits and takes long to encode."""
        shot = self._shot
        return shot if shot is not None and len(shot.snapshot.tasks) > LARGE else None

    def take(self) -> list[Frame]:
        """All that waits, as messages; the mailbox is empty afterwards."""
        self.catch_up()
        shot, error, journal = self._shot, self._error, self._journal
        self._shot, self._error = None, None
        frames: list[Frame] = []
        if shot is not None:
            frames += shot_frames(self.instance_id, shot, self.audience)
        if journal is not None and not self.ended:
            frames += journal.take(self)
        self._told = self.read
        if not self._answered or error is not None:
            frames += map(Frame.of, self._ending(error))
        if self._moves:
            frames += self.take_answers()
        return frames

    def take_answers(self) -> list[Frame]:
        """The answers alone: of moves of windows. What else waits is older than they are, and does no harm later."""
        frames: list[Frame] = []
        while self._moves and (self._journal is not None or self.ended):
            path, start, ref = self._moves.popleft()
            if self._journal is not None and not self.ended:
                frames += self._moved(path, start, ref, self._journal.state)
            else:
                gone = InstanceNotFound(instance_id=self.instance_id)
                frames.append(Frame.of(protocol.app_error(gone, ref=ref, instance_id=self.instance_id)))
        return frames

    def _moved(self, path: str, start: int, ref: Ref, state: State) -> Sequence[Frame]:
        assert self.audience.fold is not None
        fold = self.audience.fold.moved(path, start)
        window = state.outline.window(path, fold)
        if window is not None:
            self.audience = replace(self.audience, fold=fold.moved(path, window.start))
        try:
            return window_frames(self.instance_id, path, self.audience, state, ref, self._told)
        except JobsFlowError as error:
            return [Frame.of(protocol.app_error(error, ref=ref, instance_id=self.instance_id))]

    def _ending(self, error: JobsFlowError | None) -> Iterator[protocol.Message]:
        if self.ended and self._answered and self._deleted:
            yield from protocol.deleted_messages(self.instance_id, self.read)
        elif self.ended and self._answered and error is not None:
            # It existed when the watch began: this happened to the instance, not to the request.
            yield protocol.execution_error(self.instance_id, error.to_wire())
        elif error is not None:
            yield protocol.app_error(error, ref=self._ref if self.ended else None, instance_id=self.instance_id)
        elif self.read and not self._answered:
            self._answered = True
            if self._ref is not None:
                yield protocol.ack(self._ref, id=self.instance_id, seq=self.read)
