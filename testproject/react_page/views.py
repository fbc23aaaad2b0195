"""The page of the React components: the template gives them a place and what they begin with; they do the rest."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs_flow.errors import JobsFlowError
from testproject import instances
from testproject.weather.forms import ReportForm
from testproject.weather.workflows import NAME


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The page; with ``?instance=…`` it shows that one, which the socket gives only to those who may see it."""
    latest = [instance.id for instance in instances.latest(request.user, NAME, limit=6)]
    context = {
        "instance": request.GET.get("instance", "")[:64],
        "latest": " ".join(latest),
        "files": reverse("weather:file", args=["INSTANCE", "-"]).removesuffix("-"),
    }
    return render(request, "react_page/home.html", context)


@require_POST
def start(request: HttpRequest) -> JsonResponse:
    """Begin a report of the user's own; answers ``{"id"}``, all that a page has to know, or ``{"message"}``."""
    form = ReportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages = [message for errors in form.errors.values() for message in errors]
        return JsonResponse({"message": " ".join(messages)}, status=422)
    data = form.data_of_instance()
    try:
        instance_id = instances.start(request, NAME, data, name=f"Weather: {data['label']}")
    except JobsFlowError as error:
        return JsonResponse({"message": error.message}, status=503)
    return JsonResponse({"id": instance_id}, status=201)
