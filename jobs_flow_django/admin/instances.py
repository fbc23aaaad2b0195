"""The ``ModelAdmin`` of instances: a row is never edited, and closed to whom ``authorize`` does not let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.options import IS_POPUP_VAR, ShowFacets
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.admin.changelist import LiveChangeList
from jobs_flow_django.admin.commands import COMMANDS, Command
from jobs_flow_django.admin.confirm import ROWS, Confirmation
from jobs_flow_django.admin.filters import CreatedFilter, RealmFilter, WorkflowFilter
from jobs_flow_django.admin.formats import percent, printable, time_tag, timedelta_text
from jobs_flow_django.admin.run_page import RunPage
from jobs_flow_django.admin.task_detail import value_text
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
    run_template = "admin/jobs_flow_django/workflowinstance/run.html"
    confirm_template = "admin/jobs_flow_django/workflowinstance/confirm.html"

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
        """Whether ``obj``, or any, may be destroyed."""
        return authorize(request.user, "destroy", obj)

    # -- the list ----------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LiveChangeList]:
        """The class behind the list."""
        return LiveChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., Any], str, str] | None]:
        """The commands that the reader may give in general; owners of single instances find them on their pages."""
        if IS_POPUP_VAR in request.GET:
            return {}
        given = [command for command in COMMANDS.values() if authorize(request.user, command.action)]
        # Django's own action of this name would delete rows and leave their records behind.
        named = {"delete_selected" if command.name == "destroy" else command.name: command for command in given}
        return {name: (_action(command), name, str(command.label)) for name, command in named.items()}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list."""
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

    # -- the page of one instance ------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, the one that starts a run, and that of the commands."""
        run = path(
            "<path:object_id>/run/",
            self.admin_site.admin_view(self.run_view),
            name="jobs_flow_django_workflowinstance_run",
        )
        command = path(
            "<path:object_id>/do/<slug:name>/",
            self.admin_site.admin_view(self.command_view),
            name="jobs_flow_django_workflowinstance_do",
        )
        value = path(
            "<path:object_id>/value/<slug:name>/",
            self.admin_site.admin_view(self.value_view),
            name="jobs_flow_django_workflowinstance_value",
        )
        return [run, command, value, *super().get_urls()]

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
            "run_url": self._url("run", row.pk),
            "commands": "admin:jobs_flow_django_workflowinstance_do",
            "value_url": "admin:jobs_flow_django_workflowinstance_value",
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.run_template, context)

    def value_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """The whole of one value of the task that ``task`` names, as a JSON file."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        if not (self.has_view_permission(request, row) and authorize(request.user, "view_payload", row)):
            raise PermissionDenied
        task = request.GET.get("task", "")
        try:
            text = value_text(row.pk, task, name)
        except JobsFlowError as error:
            messages.error(request, printable(error.message))
            return HttpResponseRedirect(self._page_of(row, task))
        disposition = f'attachment; filename="{name}.json"'
        return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": disposition})

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
        return HttpResponseRedirect(self._page_of(row, task))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks as every other command does."""
        return HttpResponseRedirect(self._url("do", unquote(object_id), "destroy"))

    def delete_model(self, request: HttpRequest, obj: WorkflowInstance) -> None:
        """Remove the instance and its records."""
        jobs.destroy_workflow(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WorkflowInstance]) -> None:
        """Remove the instances and their records."""
        for instance_id in queryset.values_list("pk", flat=True):
            jobs.destroy_workflow(instance_id)

    # -- commands ----------------------------------------------------------------------------

    def command_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask for, and after a POST that confirms it perform, one command on one instance."""
        command = COMMANDS.get(name)
        if command is None:
            raise Http404(f"There is no command {name}.")
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        query = request.POST if request.method == "POST" else request.GET
        asked = Confirmation.of(command, [row], request.user, query)
        if asked.refused:
            raise PermissionDenied
        if self._is_confirmed(request, asked):
            self._carry_out(request, asked)
            if command.name == "destroy" and not WorkflowInstance.objects.filter(pk=row.pk).exists():
                return HttpResponseRedirect(self._url("changelist"))
            return HttpResponseRedirect(self._page_of(row, asked.options.path))
        return self._ask(request, asked, back=self._page_of(row, asked.options.path))

    def act(self, request: HttpRequest, command: Command, rows: QuerySet[WorkflowInstance]) -> HttpResponse | None:
        """The same for those that were selected in the list; None leads back to it."""
        chosen = list(rows[: ROWS + 1])
        if len(chosen) > ROWS:
            messages.error(request, _("Select at most %d instances at a time.") % ROWS)
            return None
        asked = Confirmation.of(command, chosen, request.user, request.POST)
        if not asked.rows:
            messages.error(request, _("You may not do that with what you selected."))
            return None
        if self._is_confirmed(request, asked):
            self._carry_out(request, asked)
            return None
        return self._ask(request, asked, back=request.get_full_path(), selected=True)

    def _is_confirmed(self, request: HttpRequest, asked: Confirmation) -> bool:
        if request.method != "POST" or request.POST.get("confirm") != "yes":
            return False
        if request.POST.get("seen") != asked.seen:
            messages.warning(request, _("Something has changed meanwhile. Please look again."))
            return False
        return True

    def _ask(self, request: HttpRequest, asked: Confirmation, *, back: str, selected: bool = False) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": asked.command.label,
            "opts": self.opts,
            "media": self.media,
            "asked": asked,
            "back": back,
            "checkbox": ACTION_CHECKBOX_NAME if selected else "",
            "selected_action": request.POST.get("action", ""),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.confirm_template, context)

    def _carry_out(self, request: HttpRequest, asked: Confirmation) -> None:
        for row, text, well in asked.perform():
            said = f"{asked.note}: {text}"
            if well and asked.command.name == "destroy":
                # Of what is there no longer no link can be shown.
                LogEntry.objects.log_actions(str(request.user.pk), [row], DELETION, change_message=said)
            elif well:
                self.log_change(request, row, said)
            shown = f"{printable(row)}: {text}" if len(asked.rows) > 1 else text
            messages.add_message(request, messages.SUCCESS if well else messages.ERROR, shown)
        if asked.refused:
            messages.warning(request, _("%d were left out: you may not do that with them.") % asked.refused)

    def _url(self, name: str, *args: str) -> str:
        arguments = [quote(argument) for argument in args]
        return reverse(
            f"admin:jobs_flow_django_workflowinstance_{name}", args=arguments, current_app=self.admin_site.name
        )

    def _page_of(self, row: WorkflowInstance, task: str = "") -> str:
        page = self._url("change", row.pk)
        return f"{page}?{urlencode({'task': task})}" if task else page


def _action(command: Command) -> Callable[..., Any]:
    def act(admin: WorkflowInstanceAdmin, request: HttpRequest, rows: QuerySet[WorkflowInstance]) -> Any:
        return admin.act(request, command, rows)

    return act
