"""The part of the facade that removes old instances: those that were kept for as long as somebody said.

Recovery does it by itself where a workflow says ``keep`` (timer ``expired``); ``prune`` does it on request, also for
instances that were there before their workflow said so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from jobs_flow import aio
from jobs_flow.destroying import Destroying
from jobs_flow.errors import InvalidArgument, UnknownWorkflow
from jobs_flow.index import Rested
from jobs_flow.storages.records import Instance
from jobs_flow.workflows.retention import age_milliseconds
from jobs_flow.workflows.states import FINISHED

#: Instances looked at between two reads of the list.
PAGE = 500
#: Milliseconds for which a row without records is left to whoever is just making them.
ORPHAN_AGE = 3_600_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """What ``Jobs.prune`` removed, or with ``dry_run`` would remove."""

    #: Number of instances by workflow.
    by_workflow: Mapping[str, int] = field(default_factory=dict)
    #: Old instances that stayed: they were started again or are being undone, or a commit asks something of them.
    in_use: int = 0
    #: Rows of the index without records in the storage.
    orphans: int = 0
    dry_run: bool = False

    @property
    def destroyed(self) -> int:
        """Number of instances."""
        return sum(self.by_workflow.values())

    def lines(self) -> list[str]:
        """What the commands print."""
        would = "would be " if self.dry_run else ""
        lines = [f"{name}: {count}" for name, count in self.by_workflow.items()]
        lines.append(f"{self.destroyed} {would}removed")
        if self.in_use:
            lines.append(f"{self.in_use} stay: they are in use again, or being undone")
        if self.orphans:
            lines.append(f"{self.orphans} rows without records {would}removed")
        return lines


class Pruning(Destroying):
    """See above. Mixed into ``Jobs``."""

    def prune(
        self,
        *,
        older_than: float | timedelta | str | None = None,
        workflow: str | None = None,
        status: str | Iterable[str] | None = None,
        limit: int | None = None,
        dry_run: bool = False,
        orphans: bool = False,
    ) -> Pruned:
        """Remove instances that finished long ago, with records, results, logs, events and rows.

        ``older_than``: finished so long ago (seconds, a ``timedelta``, or text such as ``30d``); without it, longer ago
        than the ``keep`` of their workflow in the present code: those of workflows that are kept for ever, or not known
        here, stay. ``status``: only those that ended so (``done``, ``failed``, ``cancelled``). ``limit``: so many at
        most. ``dry_run``: only count them. ``orphans``: also rows of an index whose records are gone, in any status.

        What is working, inactive or being undone is never touched, and neither is what is started meanwhile. Raises
        ``InvalidArgument``, ``UnknownWorkflow``, ``StorageUnavailable``; what was removed before stays removed.
        """
        before = self._limits(older_than, workflow)
        statuses = _statuses(status)
        most: Any = limit
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise InvalidArgument(argument="limit", reason=f"it is a number from 1, not {limit!r}")
        removed: Counter[str] = Counter()
        in_use = without_records = 0
        # A page may be read again, when others have removed the place at which the list was to go on.
        met: set[str] = set()
        pages = self._rows if self.index.lists else self._records
        for page in pages(before, workflow, statuses, one_pass=older_than is not None):
            for found in page:
                if removed.total() == limit:
                    break
                if found.id in met:
                    continue
                done = self._would_go(found) if dry_run else self.destroy_rested(found.id, found.run)
                if dry_run or not done:
                    met.add(found.id)
                if done:
                    removed[found.workflow] += 1
                elif self.index.is_asked_for(found.id) or self.storage.get_instance(found.id) is not None:
                    in_use += 1
                else:
                    without_records += self.index.lists
            if removed.total() == limit:
                break
        if orphans:
            without_records = self._prune_orphans(dry_run) + (0 if dry_run else without_records)
        return Pruned(dict(sorted(removed.items())), in_use, without_records, dry_run)

    def _limits(self, older_than: float | timedelta | str | None, workflow: str | None) -> Callable[[str], int | None]:
        """The latest end, in the storage's time, of an instance of a workflow that is removed; None: none is."""
        now = self.storage.now()
        if older_than is not None:
            try:
                latest = now - age_milliseconds(older_than)
            except ValueError as error:
                raise InvalidArgument(argument="older_than", reason=str(error)) from None
            return lambda name: latest
        if workflow is not None:
            self.runtime.keep_of(workflow)

        @cache
        def by_workflow(name: str) -> int | None:
            try:
                keep = self.runtime.keep_of(name)
            except UnknownWorkflow:
                return None
            return None if keep is None else now - keep

        return by_workflow

    # -- which they are ----------------------------------------------------------------------

    def _rows(
        self, before: Callable[[str], int | None], workflow: str | None, statuses: Sequence[str], *, one_pass: bool
    ) -> Iterator[Sequence[Rested]]:
        """By the rows of the index, which has what is needed side by side."""
        names: Iterable[str | None] = [workflow]
        if workflow is None and not one_pass:
            names = self.runtime.registry.names()
        for name in names:
            latest = before(name or "")
            after: Rested | None = None
            while latest is not None:
                page = self.index.finished(workflow=name, statuses=statuses, until=latest, after=after, limit=PAGE)
                if not page:
                    break
                yield page
                after = page[-1]

    def _records(
        self, before: Callable[[str], int | None], workflow: str | None, statuses: Sequence[str], *, one_pass: bool
    ) -> Iterator[Sequence[Rested]]:
        """By the headers in the storage, newest first."""

        def is_old(header: Instance | None) -> bool:
            if header is None or workflow not in (None, header.workflow) or header.status not in statuses:
                return False
            latest = before(header.workflow)
            return header.finished_at is not None and latest is not None and header.finished_at <= latest

        # The last of each page: a list goes on after one that is there, and they are removed meanwhile.
        places: list[str] = []
        while True:
            ids = self.storage.list_ids(after=places[-1] if places else None, limit=PAGE)
            if not ids:
                if not places or self.storage.get_instance(places[-1]) is not None:
                    return
                places.pop()
                continue
            old = [header for header in self.storage.get_instances(ids) if header is not None and is_old(header)]
            yield [Rested(header.id, header.workflow, header.run) for header in old]
            gone = {header.id for header in old}
            places.append(next((each for each in reversed(ids) if each not in gone), ids[-1]))

    def _would_go(self, found: Rested) -> bool:
        """Whether ``destroy_rested`` would remove it."""
        header = self.storage.get_instance(found.id)
        if header is None or header.run != found.run or header.status not in FINISHED:
            return False
        return header.undo not in ("wanted", "running") and not self.index.is_asked_for(found.id)

    def _prune_orphans(self, dry_run: bool) -> int:
        """Remove the rows whose records are gone; how many there were."""
        count, after, until = 0, None, self.storage.now() - ORPHAN_AGE
        while ids := self.index.ids(until=until, after=after, limit=PAGE):
            for instance_id, header in zip(ids, self.storage.get_instances(ids), strict=True):
                if header is None and not self.index.is_asked_for(instance_id):
                    count += 1
                    if not dry_run:
                        self.index.deleted(instance_id)
            after = ids[-1]
        return count

    def destroy_rested(self, instance_id: str, run: int) -> bool:
        """As ``destroy_workflow``, if the instance still rests after its run ``run`` and no commit asks anything of it.

        False when it does not, or is not there. Never takes an instance that somebody has started again meanwhile.
        """
        if self.index.is_asked_for(instance_id):
            return False
        token = self.index.requested(instance_id, "destroy", {"rested": run})
        if self.index.in_transaction():
            self.index.on_commit(lambda: self._destroy_after_commit(instance_id, token, rested=run))
            return True
        gone = self.destroy_now(instance_id, rested=run)
        if not gone:
            self.index.done(token)
        return gone

    aprune = aio.twin(prune)


def _statuses(status: str | Iterable[str] | None) -> list[str]:
    final = sorted(str(each) for each in FINISHED)
    if status is None:
        return final
    given = [status] if isinstance(status, str) else list(status)
    wrong = [each for each in given if each not in final]
    if wrong or not given:
        said = f"not {wrong[0]!r}" if wrong else "and none was given"
        raise InvalidArgument(argument="status", reason=f"only what is {', '.join(final)} is removed, {said}")
    return list(dict.fromkeys(given))
