"""The page of the last 24 hours, at ``<list>/dashboard/``: no ``urls.py`` knows of it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs_flow_django.admin.base import InstanceAdmin
from jobs_flow_django.admin.dashboard_page import DashboardPage


class DashboardView(InstanceAdmin):
    """See above."""

    dashboard_template = "admin/jobs_flow_django/workflowinstance/dashboard.html"
    dashboard_parts_template = "admin/jobs_flow_django/workflowinstance/dashboard_parts.html"

    def get_urls(self) -> list[URLPattern]:
        """The admin's own and this one, which stands before those that take whatever there is for an id."""
        view = self.admin_site.admin_view(self.dashboard_view)
        return [path("dashboard/", view, name="jobs_flow_django_workflowinstance_dashboard"), *super().get_urls()]

    @method_decorator(require_safe)
    @method_decorator(never_cache)
    def dashboard_view(self, request: HttpRequest) -> HttpResponse:
        """What happened in the last 24 hours and what goes on; ``?realm=``: in one realm. For who may see the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = DashboardPage.read(request.user, request.GET.get("realm", "").strip(), self)
        context = self.base_context(request, title=_("Last 24 hours"), page=page)
        request.current_app = self.admin_site.name
        part = request.GET.get("part") == "live"
        return TemplateResponse(request, self.dashboard_parts_template if part else self.dashboard_template, context)
