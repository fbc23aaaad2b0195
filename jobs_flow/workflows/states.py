"""The statuses of tasks and instances, and which may follow which.

Names are those of the wire (features S35, S36): strings, so that a record reads the same in Redis,
in JavaScript and here.
"""

from __future__ import annotations

from enum import StrEnum


class TaskStatus(StrEnum):
    """What a task's record says of it."""

    INACTIVE = "inactive"
    QUEUED = "queued"
    RUNNING = "running"
    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class InstanceStatus(StrEnum):
    """What an instance's record says of it."""

    INACTIVE = "inactive"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Statuses in which a task has an outcome: it counted down its block and will not change in this run.
ENDED = frozenset({TaskStatus.OK, TaskStatus.SKIPPED, TaskStatus.FAILED, TaskStatus.CANCELLED})

#: Outcomes that let the tasks after it start.
PASSED = frozenset({TaskStatus.OK, TaskStatus.SKIPPED})

#: Statuses of an instance whose run is over.
FINISHED = frozenset({InstanceStatus.DONE, InstanceStatus.FAILED, InstanceStatus.CANCELLED})

#: The legal transitions inside one run. A new run puts its selected tasks back to ``inactive``.
TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.INACTIVE: frozenset({TaskStatus.QUEUED, TaskStatus.SKIPPED, TaskStatus.CANCELLED}),
    TaskStatus.QUEUED: frozenset({TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.INACTIVE}),
    TaskStatus.RUNNING: frozenset(
        {TaskStatus.OK, TaskStatus.SKIPPED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.QUEUED}
    ),
    # Undone on request.
    TaskStatus.OK: frozenset({TaskStatus.CANCELLED}),
    TaskStatus.SKIPPED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
}


def may_follow(current: TaskStatus, following: TaskStatus) -> bool:
    """Whether a task may go from ``current`` to ``following`` within one run."""
    return following in TRANSITIONS[current]
