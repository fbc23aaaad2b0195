"""The page of one instance, whole and in parts, what can be fetched of it, and the commands that it offers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.admin import pictures
from jobs_flow_django.admin.base import InstanceAdmin
from jobs_flow_django.admin.commands import COMMANDS, Command
from jobs_flow_django.admin.confirm import ROWS, Confirmation
from jobs_flow_django.admin.formats import printable
from jobs_flow_django.admin.run_page import RunPage
from jobs_flow_django.admin.task_detail import value_text
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize

#: The parameter that asks for what a page that is open replaces, and its value.
PART_VAR = "part"
LIVE = "live"


class RunViews(InstanceAdmin):
    """See above."""

    run_template = "admin/jobs_flow_django/workflowinstance/run.html"
    run_parts_template = "admin/jobs_flow_django/workflowinstance/run_parts.html"
    confirm_template = "admin/jobs_flow_django/workflowinstance/confirm.html"

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, that of the commands, and those of what can be fetched."""
        views = {"do": self.command_view, "value": self.value_view, "drawing": self.drawing_view}
        own = [
            path(
                f"<path:object_id>/{name}/<slug:name>/",
                self.admin_site.admin_view(view),
                name=f"jobs_flow_django_workflowinstance_{name}",
            )
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    # -- reading -----------------------------------------------------------------------------

    @method_decorator(require_safe)
    @method_decorator(never_cache)
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Everything that is recorded of one instance; with ``?part=live`` only what changes, for a page that is open.

        The part is rendered from the same as the page. For it there are plain answers: 404 for an instance that is
        gone, 403 for a reader who may see it no longer.
        """
        part = request.GET.get(PART_VAR) == LIVE
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return HttpResponse(status=404) if part else self._missing(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        base = self.address("change", row.pk)
        context = self.base_context(
            request,
            title=_("Workflow instance"),
            subtitle=str(row),
            original=row,
            page=RunPage.read(row, request.user, request.GET, base),
            do="admin:jobs_flow_django_workflowinstance_do",
            value_url="admin:jobs_flow_django_workflowinstance_value",
            drawing_url="admin:jobs_flow_django_workflowinstance_drawing",
            **(extra_context or {}),
        )
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.run_parts_template if part else self.run_template, context)

    @method_decorator(require_safe)
    def value_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """The whole of one value of the task that ``task`` names, as a JSON file."""
        row = self._visible(request, object_id)
        if row is None:
            return self._missing(request, object_id)
        if not authorize(request.user, "view_payload", row):
            raise PermissionDenied
        task = request.GET.get("task", "")
        try:
            text = value_text(row.pk, task, name)
        except JobsFlowError as error:
            messages.error(request, printable(error.message))
            return HttpResponseRedirect(self.page_of(row, task))
        disposition = f'attachment; filename="{name}.json"'
        return HttpResponse(text, content_type="application/json", headers={"Content-Disposition": disposition})

    @method_decorator(require_safe)
    def drawing_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """The tasks and their statuses as a file: an SVG, or text for Mermaid."""
        if name not in pictures.FILES:
            raise Http404(f"There is no drawing {name}.")
        row = self._visible(request, object_id)
        if row is None:
            return self._missing(request, object_id)
        try:
            text = pictures.file(jobs.snapshot(row.pk), name, printable(row))
        except JobsFlowError as error:
            messages.error(request, printable(error.message))
            return HttpResponseRedirect(self.page_of(row))
        kind, ending = pictures.FILES[name]
        disposition = f'attachment; filename="{row.pk}.{ending}"'
        return HttpResponse(text, content_type=kind, headers={"Content-Disposition": disposition})

    def _visible(self, request: HttpRequest, object_id: str) -> WorkflowInstance | None:
        """The row, if there is one; raises ``PermissionDenied`` for who may not see it."""
        row = self.get_object(request, unquote(object_id))
        if row is not None and not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def _missing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]

    # -- deleting, as Django's own pages and actions do it -------------------------------------

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks as every other command does."""
        return HttpResponseRedirect(self.address("do", unquote(object_id), "destroy"))

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
            return self._missing(request, object_id)
        query = request.POST if request.method == "POST" else request.GET
        asked = Confirmation.of(command, [row], request.user, query)
        if asked.refused:
            raise PermissionDenied
        if command.of_task and not asked.options.path:
            raise Http404(f"The command {name} is for a task.")
        back = self.page_of(row, asked.options.path)
        if not self._is_confirmed(request, asked):
            return self._ask(request, asked, back=back)
        if not self._carry_out(request, asked) and "updaters" in command.takes:
            # What was typed is not to be typed again.
            return self._ask(request, asked, back=back)
        if command.name == "destroy" and not WorkflowInstance.objects.filter(pk=row.pk).exists():
            back = self.address("changelist")
        return HttpResponseRedirect(back)

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
        if request.method != "POST" or request.POST.get("confirm") != "yes" or asked.mistake:
            return False
        if request.POST.get("seen") != asked.seen:
            messages.warning(request, _("Something has changed meanwhile. Please look again."))
            return False
        return True

    def _ask(self, request: HttpRequest, asked: Confirmation, *, back: str, selected: bool = False) -> TemplateResponse:
        context = self.base_context(
            request,
            title=asked.title,
            asked=asked,
            back=back,
            checkbox=ACTION_CHECKBOX_NAME if selected else "",
            selected_action=request.POST.get("action", ""),
        )
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.confirm_template, context)

    def _carry_out(self, request: HttpRequest, asked: Confirmation) -> bool:
        """Do it, and say what became of it; whether all went well."""
        all_well = True
        for row, text, well in asked.perform():
            all_well = all_well and well
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
        return all_well
