"""The list's own page: nothing is counted, pages follow each other by their ids, instances at work are shown live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.index import mirrored
from jobs_flow_django.models import Status, WorkflowInstance, WorkflowInstanceQuerySet
from jobs_flow_django.paging import page
from jobs_flow_django.permissions import authorize

#: Parameters of the list: the id that the page begins after, and the one that it ends before, in its order.
AFTER_VAR = "after"
BEFORE_VAR = "before"


class LiveChangeList(ChangeList):
    """Rows that the user may see, with the storage's word on those that may be at work.

    One batch read for the whole page. Without it, when the storage is away, the rows show their
    last mirrored state, and ``live_problem`` says why.

    A page is the rows after an id, read from an index: as fast at the millionth row as at the first. Nobody is told
    how many there are, because counting millions takes seconds.
    """

    live_problem: JobsFlowError | None = None
    #: Query strings of the pages beside this one; "" where there is none.
    previous_page: str = ""
    next_page: str = ""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[WorkflowInstance]:
        """Rows without what may be large, of all pages."""
        # Here, because the filters, which come next, take every parameter for a field.
        self._after, self._before = (self._taken(name) for name in (AFTER_VAR, BEFORE_VAR))
        text, self.query = self.query, ""
        rows = super().get_queryset(request, *args, **kwargs)
        assert isinstance(rows, WorkflowInstanceQuerySet)
        # Without the search: a page of what it finds is asked for in another way.
        self._unsearched, self.query = rows, text
        found, _ = self.model_admin.get_search_results(request, rows, text)
        assert isinstance(found, WorkflowInstanceQuerySet)
        return _lean(found)

    def _taken(self, name: str) -> str:
        self.params.pop(name, None)
        values: Sequence[Any] = self.filter_params.pop(name, [""])
        return str(values[-1])

    def get_results(self, request: HttpRequest) -> None:
        """Fill ``result_list`` with one page."""
        rows = self._page()
        # A project's own rule may see to single instances; the list must not show what the page denies.
        shown = [row for row in rows if authorize(request.user, "view", row)]
        self._read_live([row for row in shown if row.status in (Status.WORKING, Status.INACTIVE)])
        self.result_list = shown
        # What Django's templates ask for: this page is all that is known.
        self.result_count = self.full_result_count = len(shown)
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(shown, self.list_per_page)

    def _page(self) -> list[WorkflowInstance]:
        """The rows of the page, in their order, and the links to those beside it."""
        backwards = bool(self._before)
        # The only column that the list can be sorted by is that of the ids.
        descending = tuple(self.queryset.query.order_by)[:1] != ("id",)
        ids = page(
            self._unsearched,
            limit=self.list_per_page + 1,
            mark=self._before or self._after,
            newest_first=descending != backwards,
            name=self.query,
        )
        more, ids = len(ids) > self.list_per_page, ids[: self.list_per_page]
        if backwards:
            ids.reverse()
        if ids:
            if more or backwards:
                self.next_page = self.get_query_string({AFTER_VAR: ids[-1]})
            if (more and backwards) or self._after:
                self.previous_page = self.get_query_string({BEFORE_VAR: ids[0]})
        elif self._before or self._after:
            # The rows that were there are gone, or the link is not one of ours.
            self.previous_page = self.get_query_string()
        rows = self.apply_select_related(self.root_queryset.filter(pk__in=ids))
        found = {row.pk: row for row in _lean(rows)}
        return [found[each] for each in ids if each in found]

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


def _lean(rows: QuerySet[WorkflowInstance]) -> QuerySet[WorkflowInstance]:
    assert isinstance(rows, WorkflowInstanceQuerySet)
    return rows.without_payload().defer("error")
