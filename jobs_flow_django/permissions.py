"""Who may do what with an instance; the answer is no unless something says yes.

``authorize`` is asked by everything that shows, starts or stops an instance: the admin, the sockets, the
project's own views. ``JOBS_FLOW["AUTHORIZE"]`` replaces the rule with the project's own function,
which may call ``default_authorize`` for what it does not decide itself.
"""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from jobs_flow_django.conf import get_settings
from jobs_flow_django.models import WorkflowInstance

#: Action -> the Django permission that allows it for every instance.
PERMISSIONS = {
    "view": "jobs_flow_django.view_workflowinstance",
    "view_payload": "jobs_flow_django.view_payload_workflowinstance",
    "execute": "jobs_flow_django.execute_workflowinstance",
    "create": "jobs_flow_django.add_workflowinstance",
    "cancel": "jobs_flow_django.execute_workflowinstance",
    "resume": "jobs_flow_django.execute_workflowinstance",
    "update": "jobs_flow_django.change_workflowinstance",
    "destroy": "jobs_flow_django.delete_workflowinstance",
}

#: Actions that the owner of an instance may do with it.
OWNER_ACTIONS = frozenset({"view", "view_payload", "execute", "cancel", "resume"})


def authorize(user: Any, action: str, instance: WorkflowInstance | None = None) -> bool:
    """Whether ``user`` may do ``action``.

    One of: "view"; "view_payload" (data, results, logs); "create"; "execute" (run, run a task, reset); "resume" (also
    unpause); "cancel" (also pause); "update" (definition, context updaters); "destroy".
    Without an instance the question is about instances in general: may the user see the list, create one.
    """
    if action not in PERMISSIONS:
        raise ValueError(f"there is no action {action!r}; the actions are {', '.join(PERMISSIONS)}")
    hook = get_settings().AUTHORIZE
    if hook is None:
        return default_authorize(user, action, instance)
    # Only True is a yes: a hook that is a coroutine function, or forgets to return, gives a no.
    return import_string(hook)(user, action, instance) is True


def default_authorize(user: Any, action: str, instance: WorkflowInstance | None = None) -> bool:
    """The rule without a hook: active users with the permission, and the instance's owner."""
    if user is None or not user.is_authenticated or not user.is_active:
        return False
    # The owner first: permissions are read from the database.
    if (
        action in OWNER_ACTIONS
        and instance is not None
        and instance.owner_id is not None
        and instance.owner_id == user.pk
    ):
        return True
    permitted: bool = user.has_perm(PERMISSIONS[action])
    return permitted
