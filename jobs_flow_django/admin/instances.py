"""The ``ModelAdmin`` of instances: the list, its columns, filters and actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR, ShowFacets
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs_flow_django.admin.changelist import LiveChangeList
from jobs_flow_django.admin.commands import COMMANDS, Command
from jobs_flow_django.admin.dashboard_view import DashboardView
from jobs_flow_django.admin.filters import CreatedFilter, RealmFilter, WorkflowFilter
from jobs_flow_django.admin.formats import percent, printable, time_tag, timedelta_text
from jobs_flow_django.admin.run_views import RunViews
from jobs_flow_django.models import WorkflowInstance, WorkflowInstanceQuerySet
from jobs_flow_django.permissions import authorize

#: Lookups that a URL of the list may hold. Django lets in every field of the model, and a filter on
#: ``data__…`` would answer questions about what the reader may not see.
_LOOKUPS = frozenset({"status__exact", "workflow", "realm", "created_at__gte", "created_at__lt"})


@admin.register(WorkflowInstance)
class WorkflowInstanceAdmin(DashboardView, RunViews):
    """Finds instances, shows the run of one, starts and stops them."""

    list_display = ("label", "state", "share", "workflow_name", "realm_name", "created", "started", "took")
    list_display_links = ("label",)
    list_filter = ("status", WorkflowFilter, RealmFilter, ("created_at", CreatedFilter))
    list_per_page = 50
    list_select_related = ("owner",)
    sortable_by = ("created",)
    search_fields = ("id", "name")
    search_help_text = gettext_lazy("The beginning of an id or of a name")
    show_full_result_count = False
    show_facets = ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """The class behind the list."""
        return LiveChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., Any], str, str] | None]:
        """The commands that the reader may give in general; owners of single instances find them on their pages."""
        if IS_POPUP_VAR in request.GET:
            return {}
        given = [each for each in COMMANDS.values() if not each.of_task and authorize(request.user, each.action)]
        # Django's own action of this name would delete rows and leave their records behind.
        named = {"delete_selected" if command.name == "destroy" else command.name: command for command in given}
        return {name: (_action(command), name, str(command.label)) for name, command in named.items()}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(
            request, {"title": title, "dashboard": self.address("dashboard"), **(extra_context or {})}
        )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the filters that are shown."""
        return lookup in _LOOKUPS

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WorkflowInstance], search_term: str
    ) -> tuple[QuerySet[WorkflowInstance], bool]:
        """Rows whose id or name begins with the term."""
        assert isinstance(queryset, WorkflowInstanceQuerySet)
        return queryset.matching(search_term), False

    @admin.display(description=gettext_lazy("instance"))
    def label(self, row: WorkflowInstance) -> SafeString:
        """The name and the id, which the search finds."""
        name = row.name or row.workflow
        return format_html('<bdi>{}</bdi> <span class="jf-id">{}</span>', printable(name), row.id)

    @admin.display(description=gettext_lazy("workflow"))
    def workflow_name(self, row: WorkflowInstance) -> SafeString:
        """The workflow's name."""
        return format_html("<bdi>{}</bdi>", row.workflow)

    @admin.display(description=gettext_lazy("status"))
    def state(self, row: WorkflowInstance) -> SafeString:
        """The status as a badge."""
        badge = format_html('<span class="jf-badge jf-{}">{}</span>', row.status, row.get_status_display())
        return (
            format_html('{} <span class="jf-badge jf-queued">{}</span>', badge, _("paused")) if row.is_paused else badge
        )

    @admin.display(description=gettext_lazy("progress"))
    def share(self, row: WorkflowInstance) -> SafeString:
        """The share of ended tasks as a bar."""
        value = percent(row.progress)
        return format_html(
            '<span class="jf-share"><progress class="jf-progress jf-{}" max="100" value="{}"></progress> {} %</span>',
            row.status,
            value,
            value,
        )

    @admin.display(description=gettext_lazy("realm"), empty_value="")
    def realm_name(self, row: WorkflowInstance) -> SafeString:
        """The realm."""
        return format_html("<bdi>{}</bdi>", row.realm)

    @admin.display(description=gettext_lazy("created"), ordering="id")
    def created(self, row: WorkflowInstance) -> str:
        """When it was created."""
        return time_tag(row.created_at, brief=True)

    @admin.display(description=gettext_lazy("started"), empty_value="–")
    def started(self, row: WorkflowInstance) -> str | None:
        """When its latest run started."""
        return time_tag(row.started_at, brief=True) or None

    @admin.display(description=gettext_lazy("took"), empty_value="–")
    def took(self, row: WorkflowInstance) -> str | None:
        """How long its latest run took, or has taken."""
        return timedelta_text(row.duration) or None


def _action(command: Command) -> Callable[..., Any]:
    def act(admin: WorkflowInstanceAdmin, request: HttpRequest, rows: QuerySet[WorkflowInstance]) -> Any:
        return admin.act(request, command, rows)

    return act
