"""The latest events of an instance, for all who watch it: a mailbox takes from here what it has not seen yet.

So an event costs nothing for those who have not yet taken the one before, and what several take together is encoded
once. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs_flow.storages.records import Event
from jobs_flow_django.live.changes import ERRORS, Change
from jobs_flow_django.live.protocol import instance_view
from jobs_flow_django.live.state import State
from jobs_flow_django.live.telling import AUDIENCES, Audience, Frame, Post, change_frames

#: Events that are kept as they came for those who are slow; when there are twice as many, the older half is merged
#: into one change for each of them.
KEPT = 64
#: Events after which nothing is merged any more for a reader who is away: it begins anew when it comes back. What is
#: merged is of each reader who went away at another moment, a snapshot is of all who come back.
FAR = 300


class Reader:
    """Who takes from a journal; see ``Mailbox``."""

    #: What the frames are like that it takes.
    audience: Audience
    #: Number of the last event that it has taken, or that is in its ``backlog``.
    read = 0
    #: Number of the last event when it took, or joined.
    taken = 0
    #: It wants nothing for now.
    away = False
    #: What it has not taken of the events that are no longer kept. Shared: to be replaced, not changed.
    backlog: Change | None = None

    def notice(self) -> None:
        """Something has happened; it is not said again before that is taken."""


class Journal:
    """What happened since a snapshot was taken, and where it led."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._posts: list[Post] = []
        # Those who have taken all, and those who have not.
        self._idle: set[Reader] = set()
        self._behind: set[Reader] = set()
        # Those who have been away for so long that nothing waits for them but errors.
        self._lost: set[Reader] = set()
        self._errors: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=ERRORS)
        # Frames of changes that waited for readers, up to the last event.
        self._shared: dict[tuple[int, Audience], tuple[Change, tuple[Frame, ...]]] = {}

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self.state.seq

    def join(self, reader: Reader) -> None:
        """Begin to read, after what the state tells now."""
        reader.read = reader.taken = self.seq
        reader.backlog = None
        self._behind.discard(reader)
        self._lost.discard(reader)
        self._idle.add(reader)

    def has_lost(self, reader: Reader) -> bool:
        """Whether the reader was away for too long: it joins again, from a snapshot, before it takes."""
        return reader in self._lost

    def leave(self, reader: Reader) -> None:
        """Read no more."""
        self._idle.discard(reader)
        self._behind.discard(reader)
        self._lost.discard(reader)
        self._forget()

    def add(self, event: Event) -> None:
        """The next event, which is no ``reset`` and not the last of all."""
        self.state.apply(event)
        self._shared.clear()
        if "error" in event.data:
            self._errors.append((event.seq, event.data["error"]))
        if self._posts:
            self._posts[-1].frames.clear()  # who takes next takes this one too
        self._posts.append(Post(event, instance_view(self.state.instance) if "instance" in event.data else {}))
        idle, self._idle = self._idle, set()
        self._behind |= idle
        if len(self._posts) >= 2 * KEPT:
            self._merge()
        for reader in idle:
            reader.notice()

    def take(self, reader: Reader) -> Sequence[Frame]:
        """What became of the instance since the reader has taken last; it knows all then."""
        posts, backlog = self._after(reader.read), reader.backlog
        reader.read = reader.taken = self.seq
        reader.backlog = None
        if reader in self._behind:
            self._behind.discard(reader)
            self._idle.add(reader)
            self._forget()
        audience, state = reader.audience, self.state
        if backlog is not None:
            return self._shared_frames(backlog, posts, audience)
        if not posts:
            return ()
        key = posts[0].event.seq, audience
        known = posts[-1].frames.get(key)
        if known is None:
            change = Change(self.seq).followed_by(posts)
            known = posts[-1].frames[key] = change_frames(state.instance.id, change, audience, state)
        return known

    def _shared_frames(self, backlog: Change, posts: Sequence[Post], audience: Audience) -> Sequence[Frame]:
        """Those of a change that several may have waiting, who then have taken the same before."""
        known = self._shared.get((id(backlog), audience))
        if known is None:
            frames = change_frames(self.state.instance.id, backlog.followed_by(posts), audience, self.state)
            if len(self._shared) >= AUDIENCES:
                self._shared.clear()
            # With the change, so that no other gets its id.
            known = self._shared[id(backlog), audience] = backlog, frames
        return known[1]

    def since(self, seq: int, events: Iterable[Event]) -> Change:
        """What a client that got as far as ``seq`` has missed, as ``events`` tell it, with the header as it is now."""
        change = Change(self.seq)
        for event in events:
            if seq < event.seq <= self.seq:
                change.add(event)
        change.seq, change.instance = self.seq, instance_view(self.state.instance)
        return change

    def waiting(self, reader: Reader) -> Change:
        """What the reader has not taken yet, as one change; of one that was lost, the errors."""
        if reader in self._lost:
            known = () if reader.backlog is None else reader.backlog.errors
            later = [error for seq, error in self._errors if seq > reader.read]
            return Change(self.seq, errors=deque([*known, *later], ERRORS))
        return (reader.backlog or Change(self.seq)).followed_by(self._after(reader.read))

    def _after(self, seq: int) -> list[Post]:
        missing = self.seq - seq
        return self._posts[len(self._posts) - missing :] if missing > 0 else []

    def _merge(self) -> None:
        """Keep the later half of the posts."""
        seq = self._posts[KEPT - 1].event.seq
        merged: dict[tuple[int, int, Audience], Change] = {}
        for reader in list(self._behind):
            if reader.read >= seq:
                continue
            # Logs that are not known yet would be missing from the snapshot.
            if reader.away and seq - reader.taken >= FAR and not self.state.partial:
                self._lose(reader)
                continue
            # Those who stopped reading at the same time share what waits for them.
            key = reader.read, id(reader.backlog), reader.audience
            change = merged.get(key)
            if change is None:
                posts = [post for post in self._posts[:KEPT] if post.event.seq > reader.read]
                change = merged[key] = self._merged(reader.backlog or Change(seq), posts, reader.audience)
            reader.read, reader.backlog = seq, change
        del self._posts[:KEPT]
        self._forget()

    def _lose(self, reader: Reader) -> None:
        """Let nothing wait for it but the errors, those to come too."""
        errors = reader.backlog.errors if reader.backlog is not None else None
        reader.backlog = Change(reader.read, errors=errors) if errors else None
        self._behind.discard(reader)
        self._lost.add(reader)

    def _forget(self) -> None:
        """Keep nothing that everybody has taken."""
        if not self._behind:
            self._posts.clear()

    def _merged(self, change: Change, posts: Sequence[Post], audience: Audience) -> Change:
        """One change, and nothing in it that would not be told."""
        change = change.followed_by(posts)
        view = None if audience.fold is None else self.state.outline.in_view(audience.fold)
        change.logs = audience.heard(change.logs, view)
        if view is not None:
            change.tasks = {path: each for path, each in change.tasks.items() if path in view.tasks}
        return change
