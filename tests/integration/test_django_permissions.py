"""Who may do what: no, unless something says yes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission

from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import PERMISSIONS, authorize, default_authorize

pytestmark = pytest.mark.django_db

ACTIONS = ("view", "view_payload", "execute", "create")


def user_with(django_user_model: Any, *codenames: str, **fields: Any) -> Any:
    user = django_user_model.objects.create_user("somebody", **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def instance_of(owner: Any = None) -> WorkflowInstance:
    return WorkflowInstance(id="i", workflow="w", owner=owner)


def allowed(user: Any, instance: WorkflowInstance | None) -> set[str]:
    return {action for action in ACTIONS if authorize(user, action, instance)}


class TestDefault:
    def test_nobody_may_anything(self, django_user_model: Any) -> None:
        for user in (None, AnonymousUser(), user_with(django_user_model), user_with_staff(django_user_model)):
            assert allowed(user, None) == allowed(user, instance_of()) == set()

    @pytest.mark.parametrize("action", ACTIONS)
    def test_a_permission_allows_its_action_and_no_other(self, django_user_model: Any, action: str) -> None:
        user = user_with(django_user_model, PERMISSIONS[action].partition(".")[2])
        assert allowed(user, None) == allowed(user, instance_of()) == {action}

    def test_superusers_may_everything(self, django_user_model: Any) -> None:
        assert allowed(user_with(django_user_model, is_superuser=True), instance_of()) == set(ACTIONS)

    def test_the_owner_sees_and_runs_what_is_theirs(self, django_user_model: Any) -> None:
        owner = user_with(django_user_model)
        assert allowed(owner, instance_of(owner)) == {"view", "view_payload", "execute"}
        assert allowed(owner, instance_of()) == allowed(owner, None) == set()

    @pytest.mark.parametrize("superuser", [False, True])
    def test_inactive_users_may_nothing(self, django_user_model: Any, superuser: bool) -> None:
        user = user_with(django_user_model, "view_workflowinstance", is_active=False, is_superuser=superuser)
        assert allowed(user, instance_of(user)) == set()

    def test_an_unknown_action_is_an_error(self, django_user_model: Any) -> None:
        with pytest.raises(ValueError, match="there is no action 'veiw'; the actions are view,"):
            authorize(user_with(django_user_model, is_superuser=True), "veiw")


def user_with_staff(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("staff", is_staff=True)


def by_realm(user: Any, action: str, instance: WorkflowInstance | None) -> bool:
    """A project's rule: everybody may view what is public; for the rest, as usual."""
    if action == "view" and instance is not None and instance.realm == "public":
        return True
    return default_authorize(user, action, instance)


async def coroutine(user: Any, action: str, instance: WorkflowInstance | None) -> bool:
    return True


def forgetful(user: Any, action: str, instance: WorkflowInstance | None) -> None:
    return None


def truthy(user: Any, action: str, instance: WorkflowInstance | None) -> Any:
    return "no"


def broken(user: Any, action: str, instance: WorkflowInstance | None) -> bool:
    raise RuntimeError("of the hook")


class TestHook:
    def use(self, settings: Any, hook: Any) -> None:
        settings.JOBS_FLOW = {
            "STORAGE": "memory://",
            "BACKEND": "sync",
            "AUTHORIZE": f"tests.integration.test_django_permissions.{hook.__name__}",
        }

    def test_decides_instead(self, settings: Any, django_user_model: Any) -> None:
        self.use(settings, by_realm)
        public = WorkflowInstance(id="i", workflow="w", realm="public")
        assert allowed(AnonymousUser(), public) == {"view"}
        assert allowed(AnonymousUser(), instance_of()) == set()
        assert allowed(user_with(django_user_model, "execute_workflowinstance"), public) == {"view", "execute"}

    @pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
    @pytest.mark.parametrize("hook", [coroutine, forgetful, truthy])
    def test_only_true_is_a_yes(self, settings: Any, django_user_model: Any, hook: Any) -> None:
        self.use(settings, hook)
        assert allowed(user_with(django_user_model, is_superuser=True), instance_of()) == set()

    def test_an_error_in_it_is_no_yes(self, settings: Any, django_user_model: Any) -> None:
        self.use(settings, broken)
        with pytest.raises(RuntimeError, match="of the hook"):
            authorize(user_with(django_user_model, is_superuser=True), "view")
