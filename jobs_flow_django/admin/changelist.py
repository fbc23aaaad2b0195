"""The list's own page: bounded counting, and live states of the instances at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.index import mirrored
from jobs_flow_django.models import Status, WorkflowInstance, WorkflowInstanceQuerySet
from jobs_flow_django.permissions import authorize

if TYPE_CHECKING:
    _Paginator = Paginator[WorkflowInstance]
else:
    _Paginator = Paginator


class BoundedPaginator(_Paginator):
    """Counts no further than ``LIMIT`` rows: counting millions takes seconds, and nobody pages through them."""

    LIMIT = 10_000

    @cached_property
    def count(self) -> int:
        """Number of rows, at most ``LIMIT``."""
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by()[: self.LIMIT].count()


class LiveChangeList(ChangeList):
    """Rows that the user may see, with the storage's word on those that may be at work.

    One batch read for the whole page. Without it, when the storage is away, the rows show their
    last mirrored state, and ``live_problem`` says why.
    """

    live_problem: JobsFlowError | None = None
    capped: bool = False

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[WorkflowInstance]:
        """Rows without what may be large."""
        rows = super().get_queryset(request, *args, **kwargs)
        assert isinstance(rows, WorkflowInstanceQuerySet)
        return rows.without_payload()

    def get_results(self, request: HttpRequest) -> None:
        """Fill ``result_list``."""
        super().get_results(request)
        self.capped = self.result_count >= BoundedPaginator.LIMIT
        # A project's own rule may see to single instances; the list must not show what the page denies.
        rows = [row for row in self.result_list if authorize(request.user, "view", row)]
        self.result_list = rows
        self._read_live([row for row in rows if row.status in (Status.WORKING, Status.INACTIVE)])

    def _read_live(self, rows: list[WorkflowInstance]) -> None:
        if not rows:
            return
        try:
            headers = jobs.storage.get_instances([row.pk for row in rows])
        except JobsFlowError as problem:
            self.live_problem = problem
            return
        for row, header in zip(rows, headers, strict=True):
            if header is not None:
                for field, value in mirrored(header).items():
                    setattr(row, field, value)
                row.is_paused = header.paused
