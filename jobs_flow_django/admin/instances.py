"""The ``ModelAdmin`` of instances: read-only, and closed to whom ``authorize`` does not let in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.admin.changelist import BoundedPaginator, LiveChangeList
from jobs_flow_django.admin.filters import RealmFilter, WorkflowFilter
from jobs_flow_django.admin.formats import percent, printable, time_tag, timedelta_text
from jobs_flow_django.admin.run_page import RunPage
from jobs_flow_django.models import WorkflowInstance, WorkflowInstanceQuerySet
from jobs_flow_django.permissions import authorize

#: Lookups that a URL of the list may hold. Django lets in every field of the model, and a filter on
#: ``data__…`` would answer questions about what the reader may not see.
_LOOKUPS = frozenset({"status__exact", "workflow", "realm", "created_at__gte", "created_at__lt"})


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[WorkflowInstance]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(WorkflowInstance)
class WorkflowInstanceAdmin(_ModelAdmin):
    """Finds instances, shows the run of one, starts it."""

    list_display = ("label", "state", "share", "workflow_name", "realm_name", "created", "started", "took")
    list_display_links = ("label",)
    list_filter = ("status", WorkflowFilter, RealmFilter, "created_at")
    list_per_page = 50
    list_max_show_all = 200
    list_select_related = ("owner",)
    sortable_by = ("created",)
    search_fields = ("id", "name")
    search_help_text = gettext_lazy("The beginning of an id or of a name")
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = None
    run_template = "admin/jobs_flow_django/workflowinstance/run.html"

    class Media:
        css = {"all": ["jobs_flow_django/admin.css"]}  # noqa: RUF012 - Django's way to declare it

    # -- permissions -------------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the list is linked from the index."""
        return authorize(request.user, "view")

    def has_view_permission(self, request: HttpRequest, obj: WorkflowInstance | None = None) -> bool:
        """Whether the list, or the page of ``obj``, may be read."""
        return authorize(request.user, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: instances are created by code."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: WorkflowInstance | None = None) -> bool:
        """Never: a row mirrors the storage."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: WorkflowInstance | None = None) -> bool:
        """Never: the records would stay behind."""
        return False

    # -- the list ----------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """The class behind the list."""
        return LiveChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list; nothing is to be selected in it."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

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
        return format_html('<span class="jf-badge jf-{}">{}</span>', row.status, row.get_status_display())

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

    # -- the page of one instance ------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, and the one that starts a run."""
        run = path(
            "<path:object_id>/run/",
            self.admin_site.admin_view(self.run_view),
            name="jobs_flow_django_workflowinstance_run",
        )
        return [run, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Everything that is recorded of one instance."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("Workflow instance"),
            "subtitle": str(row),
            "opts": self.opts,
            "original": row,
            "media": self.media,
            "page": RunPage.read(row, request.user, request.GET),
            "run_url": reverse(
                "admin:jobs_flow_django_workflowinstance_run", args=[quote(row.pk)], current_app=self.admin_site.name
            ),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.run_template, context)

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start the whole instance, or the one task that ``path`` names."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        if not (self.has_view_permission(request, row) and authorize(request.user, "execute", row)):
            raise PermissionDenied
        task = request.POST.get("path", "")
        try:
            handle = jobs.execute_one_task(row.pk, task) if task else jobs.execute_all_tasks(row.pk)
        except JobsFlowError as error:
            messages.error(request, printable(error.message))
        else:
            # No number yet: the project holds a transaction around each request.
            run = _("Run %d started") % handle.run if handle.run else _("A run starts")
            text = f"{run}: {_('task %s') % task if task else _('all tasks')}."
            self.log_change(request, row, text)
            messages.success(request, text)
        page = reverse(
            "admin:jobs_flow_django_workflowinstance_change", args=[quote(row.pk)], current_app=self.admin_site.name
        )
        return HttpResponseRedirect(f"{page}?{urlencode({'task': task})}" if task else page)
