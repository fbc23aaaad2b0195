"""The page of the six behaviours: a button for each, and beside it what happens."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from testproject import instances
from testproject.behaviours.workflows import BEHAVIOURS, Behaviour
from testproject.instances import Run

_BY_WORKFLOW = {behaviour.workflow: behaviour for behaviour in BEHAVIOURS}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """All six; in the address ``?instance=…`` one of them is shown with its instance."""
    run = _run(request, instance_id) if (instance_id := request.GET.get("instance")) else None
    cards = [
        (behaviour, run if run and run.instance.workflow == behaviour.workflow else None) for behaviour in BEHAVIOURS
    ]
    return render(request, "behaviours/home.html", {"cards": cards})


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin one."""
    behaviour = _find(slug)
    return instances.answer_start(
        request,
        lambda: instances.start(request, behaviour.workflow, {}, name=f"Behaviour: {behaviour.title}"),
        address=lambda instance_id: reverse("behaviours:home") + f"?instance={instance_id}",
        area=lambda instance_id: show_area(request, instance_id),
    )


@require_safe
def show(request: HttpRequest, instance_id: str) -> HttpResponse:
    """What the card shows of an instance."""
    return show_area(request, instance_id)


def show_area(request: HttpRequest, instance_id: str) -> HttpResponse:
    """The area of the card."""
    run = _run(request, instance_id)
    return render(request, "behaviours/_area.html", {"run": run})


def _run(request: HttpRequest, instance_id: str) -> Run:
    return instances.load(instances.find(request, instance_id, *_BY_WORKFLOW))


def _find(slug: str) -> Behaviour:
    for behaviour in BEHAVIOURS:
        if behaviour.slug == slug:
            return behaviour
    raise Http404("There is no such behaviour.")
