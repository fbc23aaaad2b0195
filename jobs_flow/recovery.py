"""Puts right what nobody else can: what the dead have left, what was lost on the way, what has waited too long.

The storage says what is due (``Storage.due``) and what seems lost (``Storage.overdue``); what to do about it is
decided here, by the same plan and the same transitions that a step uses. Everything here may be done twice
or by two processes at once: the storage refuses what does not apply any more.

In each worker a bootstep calls ``sweep``, in one of them at a time (``Storage.elect``).
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from jobs_flow.backends.base import Backend, Dispatch
from jobs_flow.backends.perform import cancelled, delay_before
from jobs_flow.backends.runtime import Runtime
from jobs_flow.backends.values import complete
from jobs_flow.errors import (
    BrokerUnavailable,
    ConfigurationError,
    InstanceNotFound,
    JobsFlowError,
    StorageUnavailable,
    UnknownWorkflow,
    kind_of,
)
from jobs_flow.storages.records import Due, Instance, Lane, Loss, Outcome
from jobs_flow.syncpoints import reach
from jobs_flow.workflows import context, json
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.states import FINISHED, TaskStatus

logger = logging.getLogger("jobs_flow.recovery")

#: Timers handled in one sweep, so that one sweep is soon over.
TIMERS_A_SWEEP = 1_000
#: Queued tasks published again at a time.
BATCH = 200
#: Seconds between two sweeps while nothing is due: a new timer may come due sooner than any that is known.
LONGEST_PAUSE = 1.0
SHORTEST_PAUSE = 0.05
#: Instances deleted in one sweep because they were kept for long enough, and seconds that it may take: however many
#: there are, and whatever hooks do about each, leases do not wait for them.
EXPIRED_A_SWEEP = 100
EXPIRED_PATIENCE = 1.0
#: Milliseconds for which a timer that could not be seen to is put off.
SETBACK = 5_000
#: Seconds for which nothing is published once the broker was found to be away: each try takes some, and what else is
#: due (leases, time-outs, hooks) must not wait for all of them.
BROKER_PAUSE = 5.0
#: Seconds for which no instance is deleted once the store of large values has refused: each try may take long.
BODIES_PAUSE = 30.0
#: Milliseconds after which one task of a lane, the oldest, is published again although nothing says that its message
#: is lost: others may keep its queue from ever being empty, and nobody may claim from the lane.
PROBE_AFTER = 600_000

WORKER_LOST = {
    "code": "WORKER_LOST",
    "type": "WorkerLost",
    "message": "its worker was killed, or stopped renewing its lease",
}


class Recovery:
    """See above. Not for several threads at once."""

    def __init__(self, runtime: Runtime, backend: Backend) -> None:
        self._runtime = runtime
        self._backend = backend
        self._lanes_at = 0.0
        self._broker_at = 0.0
        self._bodies_at = 0.0
        #: When a task of a lane may be published again without a sign that its message is lost.
        self._probe_at: dict[str, float] = {}
        self._handlers: dict[str, Callable[[Due], None]] = {
            "lease": self._lease,
            "timeout": self._timeout,
            "waiting": self._waiting,
            "retry": self._retry,
            "failed": self._failed,
            "ended": self._ended,
            "ephemeral": self._ephemeral,
            "expired": self._expired,
            "undo": self._undo,
        }

    def sweep(self, *, everything: bool = False) -> int:
        """See to all that is due; how many things there were.

        Lanes and the index are looked at each few seconds only, or when ``everything`` is asked for. Raises
        ``StorageUnavailable``; whatever else goes wrong with one thing is logged, and tried again later.
        """
        reach("recovery.sweep")
        done = self._timers()
        if everything or time.monotonic() >= self._lanes_at:
            # Often enough that a look that comes too early costs little beside the grace itself.
            self._lanes_at = time.monotonic() + self._runtime.policy.grace_ms / 3000
            done += self._lanes()
            done += self._runtime.listener.catch_up()
        return done

    def pause(self) -> float:
        """Seconds until the next sweep is worth while."""
        due = self._runtime.storage.next_due()
        return LONGEST_PAUSE if due is None else min(max(due / 1000, SHORTEST_PAUSE), LONGEST_PAUSE)

    # -- what a worker's main process reports of its children ---------------------------------

    def worker_lost(self, instance_id: str, path: str, run: int, token: str) -> None:
        """The process that held the task under ``token`` (a pattern, usually) is gone."""
        storage, policy = self._runtime.storage, self._runtime.policy
        loss = storage.lose(instance_id, path, run, token=token, max_losses=policy.max_losses, error=WORKER_LOST)
        if loss is Loss.REFUSED:
            return
        logger.warning("%s %s run %s lost its worker: %s", instance_id, path, run, loss)
        reach("recovery.taken", instance_id, path)
        if loss is Loss.REQUEUED:
            self._publish(instance_id, run, [path])
        elif loss is Loss.CANCELLED:
            self.end(instance_id, path, run, token, cancelled())
        else:
            message = f"it lost its worker {policy.max_losses + 1} times, so it is not tried again"
            self.end(instance_id, path, run, token, _failure("POISONED", "Poisoned", message))

    def ended_by(self, instance_id: str, path: str, run: int, token: str, code: str, kind: str, message: str) -> None:
        """Something outside the task ended it: it is tried again if its ``retry`` says so, else it has failed."""
        runtime = self._runtime
        record = runtime.storage.get_task(instance_id, path)
        if record is None or record["status"] != TaskStatus.RUNNING or record["run"] != run:
            return
        outcome = _failure(code, kind, message)
        plan = runtime.any_plan(runtime.header(instance_id))
        retry = plan.nodes[path].task.retry
        if retry is not None and retry.applies_to(code, kind, record["retries"]):
            delay = delay_before(retry, record["retries"] + 1)
            tried = runtime.storage.retry(instance_id, path, run, token=token, outcome=outcome, delay=int(delay * 1000))
            if tried.recorded:
                logger.warning("%s %s run %s: %s; it is tried again in %.1f s", instance_id, path, run, code, delay)
                self._publish(instance_id, run, tried.queued)
                return
        self.end(instance_id, path, run, token, outcome)

    def give_up(self, instance_id: str, path: str, run: int, code: str, kind: str, message: str) -> None:
        """A queued task will never be executed: it has failed."""
        self.end(instance_id, path, run, None, _failure(code, kind, message))

    # -- timers ------------------------------------------------------------------------------

    def _timers(self) -> int:
        done = expired = 0
        until = math.inf
        while done < TIMERS_A_SWEEP:
            found = self._runtime.storage.due(BATCH)
            for due in found:
                if due.kind == "expired":
                    # They come after all others, which have been seen to then.
                    if expired >= EXPIRED_A_SWEEP or time.monotonic() >= until:
                        return done
                    if not expired:
                        until = time.monotonic() + EXPIRED_PATIENCE
                    expired += 1
                self._see_to(due)
                done += 1
            if len(found) < BATCH:
                break
        return done

    def _see_to(self, due: Due) -> None:
        try:
            self._handlers[due.kind](due)
        except InstanceNotFound:
            # Deleted meanwhile; its timers go with the next look at what is due.
            return
        except Exception as error:
            # A store of large values that is away is no reason not to see to the rest.
            if isinstance(error, StorageUnavailable) and not self._runtime.bodies.are_away(error):
                raise
            code = kind_of(error)
            logger.error("%s %s: its timer %s is put off: %s", due.instance_id, due.path, due.kind, code)
            logger.debug("the timer's error", exc_info=error)
            self._runtime.storage.postpone(due, SETBACK)

    def _lease(self, due: Due) -> None:
        if due.token is not None:
            self.worker_lost(due.instance_id, due.path, due.run, due.token)

    def _timeout(self, due: Due) -> None:
        if due.token is not None:
            limit = self._node_option(due, "timeout")
            message = f"it ran for longer than its timeout{_seconds(limit)}"
            self.ended_by(due.instance_id, due.path, due.run, due.token, "TIMEOUT", "TimeoutError", message)

    def _waiting(self, due: Due) -> None:
        limit = self._node_option(due, "queue_timeout")
        message = f"no worker took it within its queue timeout{_seconds(limit)}"
        self.give_up(due.instance_id, due.path, due.run, "QUEUE_TIMEOUT", "QueueTimeout", message)

    def _retry(self, due: Due) -> None:
        if self._runtime.storage.release(due.instance_id, due.path, due.run):
            self._publish(due.instance_id, due.run, [due.path])

    def _failed(self, due: Due) -> None:
        record = self._runtime.storage.get_task(due.instance_id, due.path) or {}
        self._runtime.listener.task_failed(due.instance_id, due.path, due.run, dict(record.get("error") or {}))

    def _ended(self, due: Due) -> None:
        run, _, status = due.detail.partition(" ")
        if not self._runtime.listener.run_finished(due.instance_id, int(run), status):
            self._runtime.storage.postpone(due, SETBACK)

    def _ephemeral(self, due: Due) -> None:
        header = self._runtime.header(due.instance_id)
        if header.run != due.run or header.status not in FINISHED:
            # Started again since the timer was read: the storage knows, and has removed it.
            return
        busy = header.undo in ("wanted", "running") or time.monotonic() < self._bodies_at
        try:
            if busy or not self._runtime.listener.outlived(due.instance_id, due.run):
                self._runtime.storage.postpone(due, SETBACK)
        except JobsFlowError as error:
            # Or it does not let us delete.
            if isinstance(error, ConfigurationError) or self._runtime.bodies.are_away(error):
                self._bodies_at = time.monotonic() + BODIES_PAUSE
            raise

    def _expired(self, due: Due) -> None:
        header, storage = self._runtime.header(due.instance_id), self._runtime.storage
        if header.run != due.run or header.status not in FINISHED:
            return
        try:
            keep = self._runtime.keep_of(header.workflow)
        except UnknownWorkflow:
            # Code that is gone cannot say anything else than it said when the run was started.
            keep = 0
        if keep is None:
            storage.settle(due)
            return
        # The code may have come to say that they are kept for longer.
        left = (header.finished_at or 0) + keep - storage.now()
        if left > 0:
            storage.postpone(due, left)
            return
        self._ephemeral(due)

    def _undo(self, due: Due) -> None:
        # First, so that a broker that is away does not have it published at each sweep.
        if time.monotonic() < self._broker_at:
            self._runtime.storage.postpone(due, SETBACK)
            return
        self._runtime.storage.postpone(due, self._runtime.policy.lease_ms)
        try:
            self._backend.dispatch_undo(due.instance_id, due.run)
        except BrokerUnavailable:
            self._broker_at = time.monotonic() + BROKER_PAUSE
            raise

    def _node_option(self, due: Due, name: str) -> float | None:
        plan = self._runtime.any_plan(self._runtime.header(due.instance_id))
        value: float | None = getattr(plan.nodes[due.path].task, name) if due.path in plan else None
        return value

    # -- lanes -------------------------------------------------------------------------------

    def _lanes(self) -> int:
        done = 0
        for lane in self._runtime.storage.lanes():
            if time.monotonic() < self._broker_at:
                break
            try:
                done += self._lane(lane)
            except BrokerUnavailable as error:
                logger.warning("the broker is away, so lost messages are not looked for: %s", kind_of(error))
                break
        return done

    def _lane(self, lane: Lane) -> int:
        storage, grace = self._runtime.storage, self._runtime.policy.grace_ms
        longest = self._runtime.policy.patience_ms
        passed = lane.oldest is not None and lane.oldest < lane.mark
        # The broker is asked only where the watermark says nothing.
        lost = storage.overdue(lane.name, grace=grace, drained=False, limit=BATCH, longest=longest) if passed else []
        if not lost and lane.length and self._backend.drained(lane.name):
            lost = storage.overdue(lane.name, grace=grace, drained=True, limit=BATCH, longest=longest)
        if not lost and lane.length and time.monotonic() >= self._probe_at.get(lane.name, 0.0):
            lost = storage.overdue(lane.name, grace=max(grace, PROBE_AFTER), drained=True, limit=1)
            if lost:
                self._probe_at[lane.name] = time.monotonic() + PROBE_AFTER / 1000
        runs: dict[tuple[str, int], list[str]] = defaultdict(list)
        for queued in lost:
            runs[queued.instance_id, queued.run].append(queued.path)
        for (instance_id, run), paths in runs.items():
            # Not more than a guess: a worker may have fetched them and be busy.
            logger.info("%s run %s: published again, no worker has taken them: %d", instance_id, run, len(paths))
            try:
                self._publish(instance_id, run, paths, lane.name)
            except InstanceNotFound:
                continue
        return len(lost)

    # -- doing it ----------------------------------------------------------------------------

    def _publish(self, instance_id: str, run: int, paths: Sequence[str], lane: str | None = None) -> None:
        """Publish queued tasks. What cannot be published now stands in its lane, and is found there again."""
        if not paths or time.monotonic() < self._broker_at:
            return
        reach("recovery.publish", instance_id, *paths)
        plan = self._runtime.any_plan(self._runtime.header(instance_id))
        try:
            heads = [path for path in paths if path in plan]
            self._backend.dispatch(Dispatch(instance_id, run, plan, heads, lane=lane))
        except BrokerUnavailable as error:
            self._broker_at = time.monotonic() + BROKER_PAUSE
            logger.warning("%s run %s: %d tasks stay queued: %s", instance_id, run, len(paths), kind_of(error))
        except JobsFlowError as error:
            # Trying again would not change it.
            for path in paths:
                self.give_up(instance_id, path, run, error.code, type(error).__name__, error.message)

    def end(self, instance_id: str, path: str, run: int, token: str | None, outcome: Outcome) -> None:
        """Record the outcome of a task held under ``token`` (None: it was queued), and publish what follows."""
        runtime = self._runtime
        header = runtime.header(instance_id)
        plan = runtime.any_plan(header)
        if path not in plan:
            return
        if outcome.status == TaskStatus.FAILED and plan.nodes[path].task.on_failure == "continue":
            outcome = self._tolerated(header, plan, path, outcome)
        flow = runtime.flow(plan, path, outcome.status)
        completed = complete(runtime, instance_id, path, run, token=token, outcome=outcome, flow=flow)
        if not completed.recorded:
            return
        logger.warning("%s %s run %s: %s", instance_id, path, run, (outcome.error or {}).get("code"))
        runtime.report(instance_id, path, run, outcome, completed)
        self._publish(instance_id, run, completed.queued)

    def _tolerated(self, header: Instance, plan: Plan, path: str, outcome: Outcome) -> Outcome:
        """The outcome as its step would have recorded it: it hands on what the task was given."""
        handed = self._runtime.storage.get_inputs(header.id, context.inputs(plan, path))
        try:
            handed = self._runtime.bodies.inputs(header.id, handed)
            given = context.build(plan, path, handed, base_context=header.base_context, explicit=None)
        except StorageUnavailable:
            raise
        except Exception:
            return Outcome(outcome.status, error=outcome.error, tolerated=True)
        return Outcome(
            outcome.status,
            body=json.encode((outcome.error or {}).get("message")),
            error=outcome.error,
            argument=given.argument_record,
            context=given.context_record,
            source=given.source if given.source is not None else path,
            tolerated=True,
        )


def _failure(code: str, kind: str, message: str) -> Outcome:
    error: dict[str, Any] = {"code": code, "type": kind, "message": message}
    return Outcome(TaskStatus.FAILED, body=json.encode(message), error=error)


def _seconds(limit: float | None) -> str:
    return "" if limit is None else f" of {limit:g} s"
