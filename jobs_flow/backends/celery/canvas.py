"""Plan and paths -> Celery canvases.

``segment`` compiles all that can run without waiting for a join: a chain of sequential root tasks,
ending in the group of the next parallel block where that is small. What does not fit is published
by the step that queues it. ``whole`` compiles an entire run as one canvas, with joins as the bodies
of chords, for users who compose it into theirs.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from celery import Celery, chain, chord, group
from celery.canvas import Signature

from jobs_flow.backends.base import Dispatch
from jobs_flow.backends.celery import messages
from jobs_flow.backends.runtime import is_shape
from jobs_flow.errors import CanvasTooLarge
from jobs_flow.workflows.plan import Plan

#: Bytes that a whole run may put on the broker as one canvas.
CANVAS_BYTES = 4 * 1024 * 1024


def heads(app: Celery, work: Dispatch) -> list[Signature]:
    """A canvas for each head: publish them all."""
    if work.lane is not None and is_shape(work.plan):
        return [_in_lane(app, work, head, work.lane) for head in work.heads]
    return [_segment(app, work, head, messages.SEGMENT_BYTES)[0] for head in work.heads]


def _in_lane(app: Celery, work: Dispatch, head: str, lane: str) -> Signature:
    """One step for the queue it was recorded to wait in: whoever consumes that has the code for it."""
    signature = messages.signature(app, messages.STEP, work.instance_id, head, work.run, work.plan)
    return signature.set(**messages.options_of(lane))


def _segment(app: Celery, work: Dispatch, head: str, budget: int) -> tuple[Signature, int]:
    """The canvas that starts at ``head``, and the estimated bytes of all it embeds."""
    plan, parts, path, used = work.plan, [], head, messages.size_of(app, work.plan, head)
    while True:
        parts.append(messages.signature(app, messages.STEP, work.instance_id, path, work.run, plan))
        node = plan.nodes[path]
        if node.children:
            block = _block(app, work, node.children, budget - used)
            if block is not None:
                parts.append(block[0])
                used += block[1]
            break
        following = node.following if node.parent is None else None
        if following is None or not _is_selected(work.selected, following) or len(parts) >= messages.SEGMENT_LENGTH:
            break
        size = messages.size_of(app, plan, following)
        if used + size > budget:
            break
        path, used = following, used + size
    return (parts[0] if len(parts) == 1 else chain(*parts, app=app)), used


def _block(app: Celery, work: Dispatch, children: Collection[str], budget: int) -> tuple[Signature, int] | None:
    """The group of a block's canvases, or None when it does not fit or only a part of it is selected."""
    if any(not _is_selected(work.selected, child) for child in children):
        return None
    if sum(messages.size_of(app, work.plan, child) for child in children) > budget:
        return None
    members, used = [], 0
    for child in children:
        # What is below a child is only embedded when all its siblings fit as well.
        member, size = _segment(app, work, child, 0)
        members.append(member)
        used += size
    return (group(*members, app=app), used) if used <= budget else None


def _is_selected(selected: Collection[str] | None, path: str) -> bool:
    return selected is None or path in selected


def whole(app: Celery, instance_id: str, plan: Plan, run: int, *, limit: int = CANVAS_BYTES) -> Signature:
    """A whole run as one chain: begin, every root task, every block as a chord, end.

    The last signature gives the workflow's last result, and raises ``ExecutionFailed`` when it failed.
    Raises ``CanvasTooLarge`` over ``limit`` estimated bytes on the broker: each message of a canvas carries its rest.
    """
    # Sizes first, by arithmetic: building the canvas of a large plan would cost more than refusing it.
    _check_size(app, instance_id, plan, limit)

    def sig(name: str, path: str) -> Signature:
        return messages.signature(app, name, instance_id, path, run, plan)

    def parts(path: str) -> list[Signature]:
        step = [sig(messages.CANVAS_STEP, path)]
        children = plan.nodes[path].children
        if children:
            header = [_one(app, parts(child)) for child in children]
            step.append(chord(header, body=sig(messages.CANVAS_JOIN, path), app=app))
        return step

    sequence = [sig(messages.CANVAS_BEGIN, "#")]
    for root in plan.roots:
        sequence.extend(parts(root))
    return chain(*sequence, sig(messages.CANVAS_END, "#"), app=app)


def _one(app: Celery, parts: list[Signature]) -> Signature:
    return parts[0] if len(parts) == 1 else chain(*parts, app=app)


def _check_size(app: Celery, instance_id: str, plan: Plan, limit: int) -> None:
    """Sum, over all messages, what each carries: itself, its body in a chord, and the rest of its chain."""
    total = 0

    def subtree(path: str, rest: int) -> int:
        """Bytes embedded for the subtree of ``path``; adds its messages, each followed by ``rest``, to the total."""
        nonlocal total
        own, children = messages.size_of(app, plan, path), plan.nodes[path].children
        if not children:
            total += own + rest
            return own
        join = messages.size_of(app, plan, path)
        header = sum(subtree(child, join + rest) for child in children)
        total += own + header + join + rest
        return own + header + join

    after = len(json.dumps(instance_id)) + messages.SIGNATURE_BYTES
    for root in reversed(plan.roots):
        after += subtree(root, after)
        if total > limit:
            raise CanvasTooLarge(instance_id=instance_id, size=total, limit=limit)
