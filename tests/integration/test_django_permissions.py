"""Who may do what: no, unless something says yes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.template import RequestContext, Template
from django.test import Client, RequestFactory
from django.urls import reverse

from jobs_flow import Job, Task, workflow
from jobs_flow_django import jobs
from jobs_flow_django.live.limits import forget_callers
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.permissions import PERMISSIONS, authorize, default_authorize
from jobs_flow_django.tickets import make_ticket
from tests.support.sockets import Socket

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


@workflow("doors_two_tasks")
def two_tasks(data: Any) -> list[Task]:
    """Secrets in all that tasks can say: a result, a log, a progress text, the message of an error."""

    def only(res: Any, job: Job) -> str:
        job.log("a secret line")
        job.progress(0.5, "a secret step")
        return "a secret result"

    def failing(res: Any) -> None:
        raise ValueError("a secret problem")

    return [Task("only", only), Task("failing", failing)]


ADMIN = "admin:jobs_flow_django_workflowinstance"
ALL = frozenset(PERMISSIONS)
#: What the owner may.
OWN = frozenset({"view", "view_payload", "execute", "cancel", "resume"})
#: Who may do what with the owner's instance, and whether they may create some; through every door.
TABLE: dict[str, frozenset[str]] = {
    "anonymous": frozenset(),
    "ticket": frozenset({"view"}),
    "payload ticket": frozenset({"view", "view_payload"}),
    "stranger": frozenset(),
    "staff": frozenset(),
    "viewer": frozenset({"view"}),
    "executor": frozenset({"view", "execute", "cancel", "resume"}),
    "owner": OWN,
    "permitted": ALL,
    "superuser": ALL,
    "inactive": frozenset(),
}
#: By action: a request that needs it, and succeeds, or fails later than at the door. Destroying comes last.
REQUESTS: dict[str, dict[str, Any]] = {
    "view": {"type": "getTask", "taskPath": "#.only"},
    "view_payload": {"type": "getTaskLogs", "taskPath": "#.only"},
    "create": {"type": "createWorkflowInstance", "workflow": "doors_two_tasks"},
    "execute": {"type": "executeAllTasks"},
    "resume": {"type": "resumeWorkflow", "preview": True},
    "cancel": {"type": "pauseWorkflow"},
    "update": {"type": "setContextUpdaters", "taskPath": "#.only", "updaters": []},
    "destroy": {"type": "destroyWorkflow"},
}
REFUSALS = {"NOT_AUTHENTICATED", "INSTANCE_NOT_FOUND", "FORBIDDEN"}
#: Roles without a user, which have no session either.
NOBODIES = ("anonymous", "ticket", "payload ticket")


def ticket_of(role: str, instance_id: str) -> str | None:
    return make_ticket(instance_id, payload=role == "payload ticket") if "ticket" in role else None


def answer_is_right(role: str, action: str, answer: dict[str, Any]) -> bool:
    """Whether an answer over a socket or HTTP is what the table says, and a refusal the right one."""
    code = answer["error"]["code"] if answer["type"] == "appError" else None
    if action in TABLE[role]:
        return code not in REFUSALS
    if role in ("anonymous", "inactive") or (role in NOBODIES and action not in ("view", "view_payload")):
        return code == "NOT_AUTHENTICATED"
    if action == "create" or "view" in TABLE[role]:
        return code == "FORBIDDEN"
    # Who may not see it is not told that there is one.
    return code == "INSTANCE_NOT_FOUND"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", TABLE)
class TestDoors:
    @pytest.fixture(autouse=True)
    def _sync_jobs(self, settings: Any) -> None:
        settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
        forget_callers()

    @pytest.fixture
    def actor(self, role: str, django_user_model: Any) -> Any:
        fields: dict[str, Any] = {
            "staff": {"is_staff": True},
            "superuser": {"is_superuser": True},
            # Signed in before it happens.
            "inactive": {"is_superuser": True},
        }
        codenames: dict[str, tuple[str, ...]] = {
            "viewer": ("view_workflowinstance",),
            "executor": ("view_workflowinstance", "execute_workflowinstance"),
            "permitted": tuple(permission.partition(".")[2] for permission in PERMISSIONS.values()),
        }
        if role in NOBODIES:
            return None
        return user_with(django_user_model, *codenames.get(role, ()), **fields.get(role, {}))

    @pytest.fixture
    def instance(self, role: str, actor: Any) -> str:
        owner = actor if role in ("owner", "inactive") else None
        made = jobs.create_workflow_instance("doors_two_tasks", owner=owner)
        jobs.execute_all_tasks(made)
        return made

    @pytest.fixture
    def client(self, role: str, actor: Any, instance: str) -> Client:
        client = Client()
        if actor is not None:
            client.force_login(actor)
        if role == "inactive":
            actor.is_active = False
            actor.save()
        return client

    def test_the_function(self, role: str, actor: Any, instance: str, client: Client) -> None:
        row = WorkflowInstance.objects.get(pk=instance)
        user = AnonymousUser() if actor is None else type(actor).objects.get(pk=actor.pk)
        expected = set() if role in NOBODIES else set(TABLE[role])
        # A ticket is no user: the function is not asked about it.
        assert {action for action in PERMISSIONS if authorize(user, action, row)} == expected

    async def test_the_socket(self, role: str, instance: str, client: Client) -> None:
        for action, request in REQUESTS.items():
            socket = await Socket(_session_of(client)).open()
            if ticket := ticket_of(role, instance):
                await socket.answer_to({"type": "watchWorkflowInstance", "workflowId": instance, "ticket": ticket})
            named = request if action == "create" else {**request, "workflowId": instance}
            answer = await socket.answer_to(named)
            await socket.disconnect()
            assert answer_is_right(role, action, answer), (action, answer)
            assert "view_payload" in TABLE[role] or "secret" not in json.dumps(answer)

    async def test_watching(self, role: str, instance: str, client: Client) -> None:
        socket = await Socket(_session_of(client)).open()
        message = {"type": "watchWorkflowInstance", "workflowId": instance, "ticket": ticket_of(role, instance)}
        await socket.ask({**message, "ref": 1})
        told = [await socket.answer()]
        while told[-1].get("ref") != 1:
            told.append(await socket.answer())
        await socket.disconnect()
        assert answer_is_right(role, "view", told[-1])
        secrets = [each for each in ("result", "line", "step", "problem") if f"a secret {each}" in json.dumps(told)]
        assert len(secrets) == (4 if "view_payload" in TABLE[role] else 0), secrets

    def test_http(self, role: str, instance: str, client: Client) -> None:
        ticket = ticket_of(role, instance)
        address = reverse("jobs_flow:instance", args=[instance])
        snapshot = client.get(address, {"ticket": ticket} if ticket else {})
        assert (snapshot.status_code == 200) is ("view" in TABLE[role])
        assert ("secret" in snapshot.content.decode()) is ("view_payload" in TABLE[role])
        for action, request in REQUESTS.items():
            named = request if action == "create" else {**request, "workflowId": instance}
            if action in ("view", "view_payload") and "ticket" in role:
                named = {**named, "ticket": ticket_of(role, instance)}
            response = client.post(reverse("jobs_flow:requests"), named, content_type="application/json")
            answer = response.json()
            assert answer_is_right(role, action, answer), (action, answer)
            assert "view_payload" in TABLE[role] or "secret" not in json.dumps(answer)

    def test_the_admin(self, role: str, actor: Any, instance: str, client: Client) -> None:
        """Which is for staff only, and then for those whom the table lets in; tickets are no users."""
        for staff in (False, True):
            if actor is not None:
                type(actor).objects.filter(pk=actor.pk).update(is_staff=staff)
            self.try_the_admin(instance, client, TABLE[role] if staff and role not in NOBODIES else frozenset())
        # The list is for those who may see instances in general; owners find theirs on the project's own pages.
        response = client.get(reverse(f"{ADMIN}_changelist"))
        general = "view" in TABLE[role] and role not in (*NOBODIES, "owner")
        assert (response.status_code == 200) is general
        assert (instance in response.content.decode()) is general

    def try_the_admin(self, instance: str, client: Client, granted: frozenset[str]) -> None:
        for task in ("#.only", "#.failing"):
            page = client.get(reverse(f"{ADMIN}_change", args=[instance]), {"task": task})
            assert (page.status_code == 200) is ("view" in granted)
            assert ("secret" in page.content.decode()) is ("view_payload" in granted)
        value = client.get(reverse(f"{ADMIN}_value", args=[instance, "body"]), {"task": "#.only"})
        assert ("secret" in value.content.decode()) is ("view_payload" in granted)
        commands = {"run": "execute", "resume": "resume", "cancel": "cancel", "destroy": "destroy"}
        for command, action in commands.items():
            address = reverse(f"{ADMIN}_do", args=[instance, command])
            assert (client.get(address).status_code == 200) is (action in granted), command
            if action not in granted:
                assert client.post(address, {"confirm": "yes"}).status_code in (302, 403)
        assert jobs.get_workflow(instance)["run"] == 1
        assert WorkflowInstance.objects.filter(pk=instance).exists()

    def test_the_template(self, role: str, actor: Any, instance: str, client: Client) -> None:
        """What it puts into the page for readers without its script, and which commands it offers."""
        request = RequestFactory().get("/")
        request.user = AnonymousUser() if actor is None else type(actor).objects.get(pk=actor.pk)
        template = Template("{% load jobs_flow %}{% jobs_flow_run instance fallback=True %}")
        text = template.render(RequestContext(request, {"instance": instance}))
        granted = TABLE[role] if role not in NOBODIES else frozenset()
        assert ("only" in text) is ("view" in granted)
        assert ("secret" in text) is ("view_payload" in granted)
        found = re.search(r'commands="([^"]*)"', text)
        assert found is not None
        offered = {"run": "execute", "resume": "resume", "cancel": "cancel", "update": "update", "destroy": "destroy"}
        assert {action for name, action in offered.items() if name in found[1].split()} == granted & {*offered.values()}


def _session_of(client: Client) -> str | None:
    return client.cookies["sessionid"].value if "sessionid" in client.cookies else None
