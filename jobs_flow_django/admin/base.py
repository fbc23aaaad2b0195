"""What all pages of instances in the admin have in common: who may see what, and their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse

from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import authorize

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[WorkflowInstance]
else:
    _ModelAdmin = admin.ModelAdmin


class InstanceAdmin(_ModelAdmin):
    """Instances are never edited here, and closed to whom ``authorize`` does not let in."""

    class Media:
        css = {"all": ["jobs_flow_django/admin.css"]}  # noqa: RUF012 - Django's way to declare it

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

    def address(self, name: str, *args: str) -> str:
        """The URL of one of the pages."""
        arguments = [quote(argument) for argument in args]
        return reverse(
            f"admin:jobs_flow_django_workflowinstance_{name}", args=arguments, current_app=self.admin_site.name
        )

    def page_of(self, row: WorkflowInstance, task: str = "") -> str:
        """The URL of an instance's page, with a task chosen."""
        page = self.address("change", row.pk)
        return f"{page}?{urlencode({'task': task})}" if task else page

    def base_context(self, request: HttpRequest, **context: Any) -> dict[str, Any]:
        """What every template of the admin needs, and ``context``."""
        shared = {"opts": self.opts, "media": self.media}
        return {**self.admin_site.each_context(request), **shared, **context}
