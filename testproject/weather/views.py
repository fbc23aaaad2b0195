"""The pages of the weather reports: ask for one, watch it being made, read it, without a reload."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs_flow_django.models import WorkflowInstance
from testproject import instances
from testproject.weather import report
from testproject.weather.forms import ReportForm
from testproject.weather.workflows import NAME

CONTENT_TYPES = {".png": "image/png", ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The form, and the user's latest reports."""
    return _page(request, {"form": ReportForm(label_suffix="")})


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Begin a report."""
    form = ReportForm(request.POST, request.FILES, label_suffix="")
    if not form.is_valid():
        if instances.is_fragment(request):
            return render(request, "weather/_form.html", {"form": form}, status=422)
        return _page(request, {"form": form}, status=422)
    data = form.data_of_instance()
    return instances.answer_start(
        request,
        lambda: instances.start(request, NAME, data, name=f"Weather: {data['label']}"),
        address=lambda instance_id: reverse("weather:report", args=[instance_id]),
        area=lambda instance_id: area(request, instance_id),
    )


@require_safe
def show(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The page of one report, finished or not."""
    return _page(request, _shown(request, instance_id))


@require_safe
def show_area(request: HttpRequest, instance_id: str) -> HttpResponse:
    """What the area of the page shows of a report: its progress, itself, or why there is none."""
    return area(request, instance_id)


def area(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The area for an instance."""
    return render(request, "weather/_area.html", _shown(request, instance_id))


@require_safe
def latest(request: HttpRequest) -> HttpResponse:
    """The list of the user's latest reports, alone."""
    return render(request, "weather/_latest.html", {"latest": instances.latest(request.user, NAME)})


@require_safe
def file(request: HttpRequest, instance_id: str, name: str) -> HttpResponse:
    """A file of a report, for those who may see the report."""
    instance: WorkflowInstance = instances.find(request, instance_id, NAME)
    path = report.directory(instance.id) / name
    content_type = CONTENT_TYPES.get(path.suffix)
    # The pattern of the address has no slash in it; this holds even if somebody changes that.
    if path.name != name or content_type is None or not path.is_file():
        raise Http404("There is no such file.")
    return HttpResponse(path.read_bytes(), content_type=content_type, headers={"Cache-Control": "private, no-cache"})


def _shown(request: HttpRequest, instance_id: str) -> dict[str, object]:
    """What the templates need to show an instance; ``files`` is where the addresses of its files begin."""
    run = instances.load(instances.find(request, instance_id, NAME))
    return {"run": run, "files": reverse("weather:file", args=[instance_id, "-"]).removesuffix("-")}


def _page(request: HttpRequest, context: dict[str, object], status: int = 200) -> HttpResponse:
    context |= {"latest": instances.latest(request.user, NAME), "upload_limit": settings.WEATHER_UPLOAD_LIMIT}
    return render(request, "weather/home.html", context, status=status)
