"""The part of the facade that says how long a run will take, from how long the latest ones took."""

from __future__ import annotations

import time

from jobs_flow import aio
from jobs_flow.errors import JobsFlowError
from jobs_flow.queries import Queries
from jobs_flow.storages.records import Snapshot
from jobs_flow.workflows.estimates import Estimates, Remaining, gather, remaining
from jobs_flow.workflows.states import InstanceStatus

#: Runs that an estimate is made from, the latest.
RUNS = 10
#: Instances with more tasks are not read for it.
WIDEST = 500
#: Instances looked at for RUNS of one workflow where no index of them is kept.
LOOKED_AT = 200
#: Seconds for which estimates are kept, and of how many workflows.
KEPT = 60.0
WORKFLOWS_KEPT = 500


class Estimating(Queries):
    """What may be asked about how long things take."""

    def get_estimates(self, workflow: str) -> Estimates:
        """How long the tasks of a workflow took in its latest runs that ended well, at most RUNS of them.

        Kept for a minute in each process. Instances of more than WIDEST tasks are left out. Without any such run
        ``runs`` is 0. Raises ``StorageUnavailable``.
        """
        # Without a lock, which a forked child might inherit held: reading twice is no harm.
        known: dict[str, tuple[float, Estimates]] = self.__dict__.setdefault("_estimates", {})
        if (kept := known.get(workflow)) and time.monotonic() - kept[0] < KEPT:
            return kept[1]
        found = self._gather(workflow)
        if len(known) >= WORKFLOWS_KEPT:
            known.clear()
        known[workflow] = time.monotonic(), found
        return found

    def get_remaining(self, instance_id: str) -> Remaining | None:
        """How long the present run of an instance will go on; None when it is not known, or nothing goes on.

        Raises ``InstanceNotFound``, ``StorageUnavailable``.
        """
        return self.remaining_of(self.snapshot(instance_id))

    def remaining_of(self, snapshot: Snapshot, now: int | None = None) -> Remaining | None:
        """The same for a snapshot that was read already, at ``now`` (epoch milliseconds of the storage's clock).

        A run that is paused, asked to stop or being undone has no estimate. Raises ``StorageUnavailable``.
        """
        header = snapshot.instance
        if header.status != InstanceStatus.WORKING or header.paused or header.cancelled or header.undo == "running":
            return None
        usual = self.get_estimates(header.workflow)
        if not usual.runs:
            return None
        try:
            nodes = self.runtime.any_plan(header).nodes
            tolerant = frozenset(path for path, node in nodes.items() if node.task.on_failure == "continue")
        except JobsFlowError:
            # Code that is not here, as in a web process without the workflows.
            tolerant = frozenset()
        present = self.storage.now() if now is None else now
        return remaining(snapshot.tree, snapshot.tasks, usual.tasks, run=header.run, now=present, tolerant=tolerant)

    def _gather(self, workflow: str) -> Estimates:
        ids = self.index.page(realm=None, status=InstanceStatus.DONE, workflow=workflow, after=None, limit=RUNS)
        if ids is None:
            ids = self.storage.list_ids(limit=LOOKED_AT)
        headers = self.storage.get_instances(ids)
        fit = [
            header
            for header in headers
            if header is not None
            and header.workflow == workflow
            and header.status == InstanceStatus.DONE
            and header.total <= WIDEST
        ][:RUNS]
        snapshots = [snapshot for header in fit if (snapshot := self.storage.snapshot(header.id)) is not None]
        ends = [(each.instance.started_at, each.instance.finished_at) for each in snapshots]
        durations = [end - start for start, end in ends if start is not None and end is not None]
        return gather([snapshot.tasks for snapshot in snapshots], durations)

    aget_estimates = aio.twin(get_estimates)
    aget_remaining = aio.twin(get_remaining)
