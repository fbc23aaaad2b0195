"""Filters of the list. None of them reads the table to find out what there is to choose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance, WorkflowInstanceQuerySet


class WorkflowFilter(admin.SimpleListFilter):
    """One workflow of those that are registered."""

    title = _("workflow")
    parameter_name = "workflow"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The registered names, and the chosen one when it is registered no more."""
        try:
            names = jobs.registry.names()
        except JobsFlowError:
            names = []
        if (chosen := self.value()) and chosen not in names:
            names.append(chosen)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WorkflowInstance]) -> QuerySet[WorkflowInstance]:
        """Instances of the chosen workflow."""
        assert isinstance(queryset, WorkflowInstanceQuerySet)
        return queryset.of_workflow(name) if (name := self.value()) else queryset


class RealmFilter(admin.SimpleListFilter):
    """One realm, typed in: there may be as many as a project has customers."""

    title = _("realm")
    parameter_name = "realm"
    template = "admin/jobs_flow_django/workflowinstance/realm_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """None; the reader types it."""
        return []

    def has_output(self) -> bool:
        """Always, though there are no choices."""
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[WorkflowInstance]) -> QuerySet[WorkflowInstance]:
        """Instances of exactly the realm that was typed in."""
        assert isinstance(queryset, WorkflowInstanceQuerySet)
        return queryset.in_realm(realm) if (realm := self.value()) else queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """What the form of the template needs: the value, and the list's other parameters to keep."""
        others = {k: v for k, v in changelist.filter_params.items() if k not in (self.parameter_name, PAGE_VAR)}
        yield {
            "value": self.value() or "",
            "others": [(key, value) for key, values in others.items() for value in values],
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
        }


class CreatedFilter(admin.DateFieldListFilter):
    """When it was created, asked of the ids: they begin with the time, and the list is in their order."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[WorkflowInstance]) -> QuerySet[WorkflowInstance]:
        """Instances created within the bounds."""
        assert isinstance(queryset, WorkflowInstanceQuerySet)
        since, until = (self._moment(name) for name in (self.lookup_kwarg_since, self.lookup_kwarg_until))
        return queryset.created_between(since, until)

    def _moment(self, name: str) -> datetime | None:
        values: Any = self.used_parameters.get(name)
        if not values:
            return None
        try:
            moment = self.field.to_python(values[-1])
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error
        return moment if isinstance(moment, datetime) else None
