"""What becomes of an instance, as the frames that watchers are sent: encoded once for all who get the same.

Pure. ``protocol`` says what messages look like; here is who gets which of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobs_flow.errors import TaskNotFound
from jobs_flow.storages.records import Event, Snapshot
from jobs_flow.workflows.paths import ROOT
from jobs_flow_django.live import protocol
from jobs_flow_django.live.changes import Change, Lines
from jobs_flow_django.live.folding import Fold, InView, block_counts, chosen, count
from jobs_flow_django.live.protocol import Message, Ref
from jobs_flow_django.live.state import Shot, State

#: Audiences for which the frames of one snapshot are kept: what is asked for may be different every time.
AUDIENCES = 16

# ASCII, so that half a surrogate pair in somebody's result cannot make a frame that is no text.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Frame(str):
    """A message as text."""

    #: What a client that has got this far says in ``since`` when it comes back; None: it says what it would have said.
    seq: int | None

    __slots__ = ("seq",)

    @classmethod
    def of(cls, message: Message) -> Frame:
        """Encode a message."""
        frame = cls(_encode(message))
        frame.seq = None if message.get("more") else message.get("seq")
        return frame


@dataclass(frozen=True, slots=True)
class Audience:
    """What tells those who get the same frames from those who do not."""

    #: Whether they may see results and logs.
    payload: bool = True
    #: Whether they want log lines, or of which tasks.
    logs: bool | frozenset[str] = True
    fold: Fold | None = None

    def hears(self, path: str, view: InView | None) -> bool:
        """Whether lines of a task's log are for them. Where blocks are folded, those of tasks that are not in view
        are for who names them.
        """
        if not self.payload or isinstance(self.logs, bool):
            return self.payload and self.logs is True and (view is None or path in view.tasks)
        return path in self.logs

    def heard(self, logs: Mapping[str, Lines], view: InView | None) -> dict[str, Lines]:
        """The logs that are for them."""
        return {path: lines for path, lines in logs.items() if self.hears(path, view)}


@dataclass(slots=True, eq=False)
class Post:
    """An event on its way to all watchers of the instance."""

    event: Event
    #: The whole header after it, as watchers see it.
    header: Mapping[str, Any]
    #: Frames by the number of the first event that they tell of, up to this one, and audience.
    frames: dict[tuple[int, Audience], tuple[Frame, ...]] = field(default_factory=dict)


def shot_frames(instance_id: str, shot: Shot, audience: Audience) -> Sequence[Frame]:
    """All there is to know; kept with the shot, so that it is encoded once."""
    known = shot.frames.get(audience)
    if known is None:
        known = tuple(map(Frame.of, _shot_messages(instance_id, shot, audience)))
        if len(shot.frames) >= AUDIENCES:
            shot.frames.clear()
        shot.frames[audience] = known
    return known


def _shot_messages(instance_id: str, shot: Shot, audience: Audience) -> Iterable[Message]:
    fold, snapshot = audience.fold, shot.snapshot
    if fold is None:
        logs = audience.heard(shot.logs, None)
        return protocol.snapshot_messages(instance_id, snapshot, logs, payload=audience.payload)
    view = shot.outline.in_view(fold)
    part = Snapshot(snapshot.instance, shot.outline.describe(ROOT, fold), chosen(snapshot.tasks, view.tasks))
    logs = audience.heard(shot.logs, view)
    messages = list(protocol.snapshot_messages(instance_id, part, logs, payload=audience.payload))
    window = shot.outline.window(ROOT, fold)
    messages[0].update(window.fields if window else {})
    blocks = {path: block_counts(shot.outline, snapshot.tasks, path) for path in sorted(view.blocks)}
    counts = count(each["status"] for each in snapshot.tasks.values())
    return _counted(messages, counts, blocks)


def change_frames(instance_id: str, change: Change, audience: Audience, state: State) -> tuple[Frame, ...]:
    """What changed, up to where ``state`` is."""
    fold = audience.fold
    view = None if fold is None else state.outline.in_view(fold)
    part = replace(change, logs=audience.heard(change.logs, view))
    if view is None:
        messages = list(protocol.change_messages(instance_id, part, payload=audience.payload))
    else:
        part.tasks = {path: each for path, each in change.tasks.items() if path in view.tasks}
        messages = list(protocol.change_messages(instance_id, part, payload=audience.payload))
        messages = _folded(instance_id, change, messages, view, state)
    return tuple(map(Frame.of, messages))


def _folded(instance_id: str, change: Change, messages: list[Message], view: InView, state: State) -> list[Message]:
    for message in messages:
        if message["type"] == "setWorkflowStatus":
            message["progress"] = state.progress
    if not change.tasks and not change.blocks:
        return messages
    if not messages or messages[0]["type"] != "setTasksStatuses":
        empty: Message = {"type": "setTasksStatuses", "id": instance_id, "statuses": {}, "seq": change.seq}
        messages = [empty | {"more": True} if messages else empty, *messages]
    blocks = {path: state.block_counts(path) for path in sorted(change.blocks & view.blocks)}
    return _counted(messages, dict(state.counts), blocks)


def _counted(messages: list[Message], counts: dict[str, int], blocks: dict[str, dict[str, int]]) -> list[Message]:
    """With the counts in the last of the messages that have views."""
    last = [message for message in messages if message["type"] == "setTasksStatuses"][-1]
    last["counts"] = counts
    if blocks:
        last["blocks"] = blocks
    return messages


def window_frames(
    instance_id: str, path: str, audience: Audience, state: State, ref: Ref, seq: int
) -> tuple[Frame, ...]:
    """The window of a block, in answer to ``setWindow``: raises ``TaskNotFound`` where there is no such block.

    Views that would make it too large for one message, and what is counted below it, come in messages after it.
    """
    fold = audience.fold
    window = None if fold is None else state.outline.window(path, fold)
    if fold is None or window is None:
        raise TaskNotFound(instance_id=instance_id, workflow=state.instance.workflow, path=path)
    view = state.outline.in_view_below(path, fold)
    part = Change(seq, tasks=chosen(state.tasks, view.tasks))
    rest = list(protocol.change_messages(instance_id, part, payload=audience.payload))
    answer: Message = {
        "type": "workflowBlock",
        "id": instance_id,
        "taskPath": path,
        "from": window.start,
        "total": window.total,
        "tasks": state.outline.describe(path, fold),
        "statuses": rest.pop(0)["statuses"] if rest else {},
        "seq": seq,
    }
    if ref is not None:
        answer["ref"] = ref
    blocks = {block: state.block_counts(block) for block in sorted(view.blocks - {path})}
    if blocks:
        if not rest:
            rest.append({"type": "setTasksStatuses", "id": instance_id, "statuses": {}, "seq": seq})
        rest[-1]["blocks"] = blocks
    if rest:
        answer["more"] = True
    return tuple(map(Frame.of, (answer, *rest)))
