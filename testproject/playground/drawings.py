"""The run of an instance as a picture: in the page, as a file, as text for Mermaid."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from jobs_flow.errors import InstanceNotFound, JobsFlowError
from jobs_flow.workflows import drawing
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from testproject.playground.access import find

#: Ending of the address -> format, and what the browser is told.
FILES = {"svg": ("svg", "image/svg+xml"), "mmd": ("mermaid", "text/plain; charset=utf-8")}


@require_safe
def show(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The picture under the page's own style, and its Mermaid text."""
    instance = find(request, instance_id, "view")
    try:
        snapshot = jobs.snapshot(instance.id)
        text = jobs.draw_run(instance.id)
    except JobsFlowError as error:
        return _refused(request, instance, error)
    # Names and descriptions are escaped in it.
    picture = mark_safe(drawing.svg(snapshot.tree, snapshot.tasks, title=str(instance), standalone=False))
    return render(request, "playground/drawing.html", {"instance": instance, "picture": picture, "text": text})


@require_safe
def download(request: HttpRequest, instance_id: str, ending: str) -> HttpResponse:
    """The picture as a file that stands by itself."""
    instance = find(request, instance_id, "view")
    if ending not in FILES:
        raise Http404("There is no such format.")
    format_, content_type = FILES[ending]
    try:
        text = jobs.draw_run(instance.id, format=format_)
    except JobsFlowError as error:
        return _refused(request, instance, error)
    disposition = f'attachment; filename="{instance.workflow}-{instance.short_id}.{ending}"'
    return HttpResponse(text, content_type=content_type, headers={"Content-Disposition": disposition})


def _refused(request: HttpRequest, instance: WorkflowInstance, error: JobsFlowError) -> HttpResponse:
    status = 404 if isinstance(error, InstanceNotFound) else 503
    return render(request, "playground/drawing.html", {"instance": instance, "error": error}, status=status)
