"""What the template tags do, each beside its code; and a page that needs no login, only a ticket."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from jobs_flow_django.tickets import make_ticket, read_ticket
from testproject.playground.access import own, realm_of

#: What the tags are shown with, and the realm of its instances.
WORKFLOW, REALM = "behaviour_parallel", "tags"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The tags with the user's latest instance for them; with a button for a new one."""
    instance = own(request.user).in_realm(realm_of(request.user, REALM)).first()
    context = {"instance": instance, "ticket": make_ticket(instance) if instance else ""}
    return render(request, "playground/tags.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """An instance to show the tags with."""
    try:
        jobs.create_workflow_instance(
            WORKFLOW,
            {},
            name="Example of the tags",
            realm=realm_of(request.user, REALM),
            owner=request.user,
            execute=True,
        )
    except JobsFlowError as error:
        return render(request, "refused.html", {"error": {"code": error.code, "message": error.message}}, status=503)
    return redirect("playground:tags")


@login_not_required
@never_cache
@require_safe
def by_ticket(request: HttpRequest, instance_id: str, ticket: str) -> HttpResponse:
    """The progress of an instance for whoever has a ticket for it."""
    try:
        read_ticket(ticket, instance_id)
    except JobsFlowError as error:
        return render(request, "playground/ticket.html", {"error": error}, status=403)
    return render(request, "playground/ticket.html", {"instance_id": instance_id, "ticket": ticket})
