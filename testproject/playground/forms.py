"""What the page asks for."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from jobs_flow.workflows import paths
from testproject.behaviours.workflows import BEHAVIOURS
from testproject.playground.access import REALM_LENGTH
from testproject.weather.workflows import NAME, report_data

WORKFLOWS = (
    *((behaviour.workflow, f"Behaviour: {behaviour.title}") for behaviour in BEHAVIOURS),
    (NAME, "Weather report"),
)
DEFAULT_REALM = "play"


def data_of(workflow: str) -> dict[str, Any]:
    """The data that the page makes an instance with."""
    return report_data() if workflow == NAME else {}


class RealmForm(forms.Form):
    """A realm of the user's."""

    realm = forms.CharField(label="Realm", max_length=REALM_LENGTH, initial=DEFAULT_REALM)


class CreateForm(RealmForm):
    """A new instance."""

    workflow = forms.ChoiceField(choices=WORKFLOWS, label="Workflow")
    key = forms.CharField(
        label="Key",
        max_length=100,
        required=False,
        help_text="Optional: at most one instance of the workflow and realm has it.",
    )
    ephemeral = forms.BooleanField(
        required=False, label="Ephemeral", help_text="Removed by itself, 20 seconds after its run."
    )
    execute = forms.BooleanField(required=False, initial=True, label="Execute at once")
    field_order = ("workflow", "realm", "key", "ephemeral", "execute")


class ExistsForm(forms.Form):
    """An instance by its id, or by its workflow, realm and key."""

    id = forms.CharField(label="Id", max_length=36, required=False)
    workflow = forms.ChoiceField(choices=WORKFLOWS, label="Workflow", required=False)
    realm = forms.CharField(label="Realm", max_length=REALM_LENGTH, initial=DEFAULT_REALM, required=False)
    key = forms.CharField(label="Key", max_length=100, required=False)

    def clean(self) -> dict[str, Any]:
        """One of the two."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if not found.get("id") and not (found.get("key") and found.get("workflow") and found.get("realm")):
            raise forms.ValidationError("Give an id, or a workflow, a realm and a key.")
        return found


class TaskForm(forms.Form):
    """One task, and what to call it with."""

    path = forms.CharField(max_length=paths.MAX_PATH)
    argument = forms.CharField(max_length=2000, required=False, strip=True)

    def clean_argument(self) -> dict[str, Any]:
        """``{"argument": …}`` for a JSON text, empty without one: the task then gets what ran before it."""
        text = self.cleaned_data["argument"]
        if not text:
            return {}
        try:
            return {"argument": json.loads(text)}
        except ValueError as error:
            raise forms.ValidationError(f'The argument is not JSON: {error}. Text stands in quotes: "Ada".') from None


class SyncForm(forms.Form):
    """A workflow that is run while the request waits."""

    workflow = forms.ChoiceField(choices=WORKFLOWS[:-1], label="Workflow")
