"""The test page: instances of every kind, made, run, looked for and removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from jobs_flow.errors import InstanceNotFound, JobsFlowError, StorageUnavailable
from jobs_flow.starting import MODES
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.models.instance import key_digest
from testproject.instances import is_fragment
from testproject.playground import sync
from testproject.playground.access import find, freshened, may, may_destroy_realm, own, realm_name, realm_of
from testproject.playground.forms import CreateForm, ExistsForm, RealmForm, SyncForm, TaskForm, data_of

#: Instances listed on the page, and named before a realm is deleted.
LISTED, NAMED = 12, 20
_STATUS_OF = {InstanceNotFound.code: 404, StorageUnavailable.code: 503}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """All of it."""
    return _page(request)


@require_safe
def show_instances(request: HttpRequest) -> HttpResponse:
    """The list of the user's instances, alone."""
    return render(request, "playground/_instances.html", {"instances": _listed(request)})


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Make an instance, and start it if that is asked for."""
    form = _form(CreateForm, "create", request.POST)
    if not form.is_valid():
        return _wrong(request, "create", form)
    wanted = form.cleaned_data

    def make() -> str:
        key = wanted["key"] or None
        before = _with_key(request, wanted) if key else None
        instance_id = jobs.create_workflow_instance(
            wanted["workflow"],
            data_of(wanted["workflow"]),
            realm=realm_of(request.user, wanted["realm"]),
            key=key,
            ephemeral=wanted["ephemeral"],
            execute=wanted["execute"],
            owner=request.user,
        )
        if before is not None and before.pk == instance_id:
            return f"There was one with this key already: {instance_id}"
        return f"Created{' and started' if wanted['execute'] else ''}: {instance_id}"

    return _change(request, "create", make, {"create_form": form})


@require_POST
def run_all(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Run every task."""
    instance = find(request, instance_id, "execute")
    return _change(
        request, "said", lambda: f"Run {jobs.execute_all_tasks(instance.id).run} of {instance.short_id} has started."
    )


@require_POST
def run_task(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Run one task, with an argument if one is given."""
    instance = find(request, instance_id, "execute")
    form = TaskForm(request.POST)
    if not form.is_valid():
        return _wrong(request, "said", form)
    path, argument = form.cleaned_data["path"], form.cleaned_data["argument"]

    def start() -> str:
        handle = jobs.execute_one_task(instance.id, path, **argument)
        return f"Run {handle.run} of {instance.short_id} has started, with {path} alone."

    return _change(request, "said", start)


@require_POST
def resume(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Run again what has not passed."""
    instance = find(request, instance_id, "resume")
    mode = request.POST.get("mode", MODES[0])

    def start() -> str:
        expected = jobs.preview(instance.id, mode)
        handle = jobs.resume(instance.id, mode)
        return f"Run {handle.run} of {instance.short_id} has started, with {', '.join(expected)}."

    return _change(request, "said", start)


@require_POST
def cancel(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Stop the run."""
    instance = find(request, instance_id, "cancel")
    return _change(
        request,
        "said",
        lambda: (
            f"{instance.short_id} is asked to stop."
            if jobs.cancel(instance.id)
            else f"Nothing of {instance.short_id} is at work."
        ),
    )


@require_POST
def destroy(request: HttpRequest, instance_id: str) -> HttpResponse:
    """Remove one instance."""
    instance = find(request, instance_id, "destroy")

    def remove() -> str:
        jobs.destroy_workflow(instance.id)
        return f"{instance.short_id} was removed."

    return _change(request, "said", remove)


@require_POST
def exists(request: HttpRequest) -> HttpResponse:
    """Whether there is an instance of an id or key; of others' instances there is nothing to be known."""
    form = _form(ExistsForm, "exists", request.POST)
    if not form.is_valid():
        return _wrong(request, "exists", form)
    wanted = form.cleaned_data
    row = WorkflowInstance.objects.filter(pk=wanted["id"]).first() if wanted["id"] else _with_key(request, wanted)
    found = None
    if row is not None and may(request.user, "view", row):
        try:
            found = jobs.get_workflow(row.pk)
        except InstanceNotFound:
            found = None
        except JobsFlowError as error:
            return _refused(request, "exists", error, {"exists_form": form})
    return _show(request, "exists", {"exists_form": form, "asked": True, "found": found})


@require_POST
def preview_realm(request: HttpRequest) -> HttpResponse:
    """What deleting a realm would delete."""
    form = _form(RealmForm, "realm", request.POST)
    if not form.is_valid():
        return _wrong(request, "realm", form)
    rows = WorkflowInstance.objects.in_realm(realm_of(request.user, form.cleaned_data["realm"]))
    found = {"count": rows.count(), "named": list(rows.without_payload()[:NAMED]), "realm": form.cleaned_data["realm"]}
    return _show(request, "realm", {"realm_form": form, "realm_found": found})


@require_POST
def destroy_realm(request: HttpRequest) -> HttpResponse:
    """Delete every instance of one of the user's realms."""
    form = _form(RealmForm, "realm", request.POST)
    if not form.is_valid():
        return _wrong(request, "realm", form)
    name = form.cleaned_data["realm"]
    realm = realm_of(request.user, name)

    if not may_destroy_realm(request.user, realm):
        raise PermissionDenied

    def remove() -> str:
        return f"{jobs.destroy_workflows_by_realm(realm)} removed from the realm {name}."

    return _change(request, "realm", remove, {"realm_form": form})


@require_POST
def run_sync(request: HttpRequest) -> HttpResponse:
    """Run a workflow here and now."""
    form = _form(SyncForm, "sync", request.POST)
    if not form.is_valid():
        return _wrong(request, "sync", form)
    try:
        outcome = sync.run(form.cleaned_data["workflow"])
    except JobsFlowError as error:
        return _refused(request, "sync", error, {"sync_form": form})
    return _show(request, "sync", {"sync_form": form, "outcome": outcome})


def _with_key(request: HttpRequest, wanted: dict[str, Any]) -> WorkflowInstance | None:
    realm = realm_of(request.user, wanted["realm"])
    digest = key_digest(wanted["workflow"], realm, wanted["key"])
    return WorkflowInstance.objects.filter(key_digest=digest).first()


def _change(
    request: HttpRequest, part: str, change: Callable[[], str], context: dict[str, Any] | None = None
) -> HttpResponse:
    """Do something, and say in a part of the page what came of it."""
    try:
        text = change()
    except JobsFlowError as error:
        return _refused(request, part, error, context)
    if is_fragment(request):
        return _show(request, part, {**(context or {}), "said": {"part": part, "text": text}})
    messages.success(request, text)
    return redirect("playground:home")


def _refused(
    request: HttpRequest, part: str, error: JobsFlowError, context: dict[str, Any] | None = None
) -> HttpResponse:
    """Why something was not done."""
    said = {"part": part, "text": error.message, "code": error.code}
    return _show(request, part, {**(context or {}), "said": said}, _STATUS_OF.get(error.code, 409))


def _wrong(request: HttpRequest, part: str, form: Form) -> HttpResponse:
    """A form that has to be filled in otherwise."""
    context: dict[str, Any] = {f"{part}_form": form}
    if part == "said":
        text = " ".join(error for errors in form.errors.values() for error in errors)
        context = {"said": {"part": part, "text": text, "code": "INVALID_FORM"}}
    return _show(request, part, context, 422)


def _show(request: HttpRequest, part: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """One part of the page, alone or in its place."""
    if is_fragment(request):
        return render(request, f"playground/_{part}.html", context, status=status)
    return _page(request, context, status=status)


def _page(request: HttpRequest, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    parts = {"create": CreateForm, "exists": ExistsForm, "realm": RealmForm, "sync": SyncForm}
    forms = {f"{part}_form": _form(form, part) for part, form in parts.items()}
    shown = {**forms, "instances": _listed(request), **(context or {})}
    return render(request, "playground/home.html", shown, status=status)


def _form(form: type[Form], part: str, data: Any = None) -> Any:
    """A form whose fields have ids of their own on a page of several."""
    return form(data, label_suffix="", auto_id=f"{part}_%s")


def _listed(request: HttpRequest) -> list[dict[str, Any]]:
    """The user's latest instances, with the paths of their tasks."""
    listed = []
    for instance in freshened(list(own(request.user)[:LISTED])):
        try:
            paths = jobs.get_all_paths(instance.workflow, instance.data)
        except JobsFlowError:
            # Its workflow is no longer there; it can be deleted all the same.
            paths = []
        listed.append({"instance": instance, "realm": realm_name(instance), "paths": paths, "modes": MODES})
    return listed
