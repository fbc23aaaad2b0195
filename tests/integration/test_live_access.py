"""Who may watch what, for how long, and how much of it: tickets, limits, origins, what is masked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.test import Client

from jobs_flow import Task, workflow
from jobs_flow.errors import InvalidArgument
from jobs_flow_django import jobs, tickets
from jobs_flow_django.live import sessions
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.models import WorkflowInstance
from jobs_flow_django.tickets import InvalidTicket, TicketExpired, make_ticket, read_ticket
from tests.support.eventually import aeventually
from tests.support.live import DrivenInstance, Watcher
from tests.support.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)

User = Any
SNAPSHOT = ("workflowDescription", "setWorkflowStatus", "setTasksStatuses")
BASE = {"STORAGE": "memory://", "BACKEND": "sync"}
#: What the task below was called with.
called_with: list[Any] = []


@workflow("access_one_task")
def one_task(data: Any) -> list[Task]:
    def only(res: Any) -> None:
        called_with.append(res)

    return [Task("only", only)]


@pytest.fixture(autouse=True)
def _sync_jobs(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.JOBS_FLOW = BASE
    # No test waits for whole seconds, nor for a check that happens to come; those of times set the times.
    monkeypatch.setattr(sessions, "TICK", 0.01)
    monkeypatch.setattr(sessions, "INTERVAL", 1e6)
    called_with.clear()


@pytest.fixture
def make_user() -> Callable[..., User]:
    def make(name: str, *codenames: str, **fields: Any) -> User:
        user = get_user_model().objects.create_user(name, password="p", **fields)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return make


@pytest.fixture
def owner(make_user: Callable[..., User]) -> User:
    return make_user("owner")


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


@pytest.fixture
async def enter() -> AsyncIterator[Callable[..., Awaitable[Socket]]]:
    """Open a socket: of a user in a session of their own, of a session, or of nobody."""
    sockets: list[Socket] = []

    async def open_socket(who: User | str | None = None) -> Socket:
        session = who if who is None or isinstance(who, str) else key_of(await sync_to_async(log_in)(who))
        socket = Socket(session)
        sockets.append(socket)
        return await socket.open()

    yield open_socket
    for socket in sockets:
        await socket.disconnect()


Enter = Callable[..., Awaitable[Socket]]


@pytest.fixture
def driven(owner: User) -> DrivenInstance:
    instance = DrivenInstance(jobs.storage).create()
    WorkflowInstance.objects.create(id=instance.id, workflow="driven", fingerprint="f", owner=owner)
    return instance


@pytest.fixture
def one(owner: User) -> str:
    return jobs.create_workflow_instance("access_one_task", owner=owner)


def ask(kind: str, instance_id: str | None = None, **fields: Any) -> dict[str, Any]:
    message = {"type": kind, **fields}
    return message if instance_id is None else {**message, "workflowId": instance_id}


def watch(instance_id: str, **fields: Any) -> dict[str, Any]:
    return ask("watchWorkflowInstance", instance_id, **fields)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that lets so many seconds pass, for tickets."""
    passed = 0.0
    now = tickets._now

    def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(tickets, "_now", lambda: now() + passed)
    return let_pass


class TestTickets:
    @pytest.mark.parametrize("payload", [False, True])
    def test_say_what_they_were_made_with(self, payload: bool) -> None:
        instance = WorkflowInstance(id="some-instance")
        before = tickets._now()
        text = make_ticket(instance, max_age=60, payload=payload)
        after = tickets._now()
        ticket = read_ticket(text, "some-instance")

        assert (ticket.instance_id, ticket.payload, ticket.is_expired) == ("some-instance", payload, False)
        assert before + 59.9 < ticket.expires_at < after + 60.1

    def test_fit_into_an_address(self) -> None:
        text = make_ticket("x" * 36, payload=True)
        assert len(text) < 200
        assert text.replace("-", "").replace("_", "").replace(":", "").isalnum()

    @pytest.mark.parametrize(
        "text",
        ["", "x", ":", "a:b:c", "." + "x" * 100, "x" * 2_000, "\ud800", "\0"],
        ids=["empty", "letter", "colon", "parts", "compressed", "long", "surrogate", "null"],
    )
    def test_other_texts_are_none(self, text: str) -> None:
        with pytest.raises(InvalidTicket, match="'x'"):
            read_ticket(text, "x")

    def test_of_another_instance_are_refused(self) -> None:
        with pytest.raises(InvalidTicket):
            read_ticket(make_ticket("x"), "y")

    def test_that_were_changed_are_refused(self) -> None:
        text = make_ticket("x")
        for position in range(len(text)):
            changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
            with pytest.raises(InvalidTicket):
                read_ticket(changed, "x")

    def test_signed_for_something_else_are_refused(self) -> None:
        from django.core import signing

        with pytest.raises(InvalidTicket):
            read_ticket(signing.Signer(salt="other").sign_object(["x", 2**40, 1]), "x")

    def test_end(self, clock: Callable[[float], None]) -> None:
        text = make_ticket("x", max_age=timedelta(minutes=10))
        clock(540)
        ticket = read_ticket(text, "x")
        clock(120)
        assert ticket.is_expired
        with pytest.raises(TicketExpired):
            read_ticket(text, "x")

    def test_outlive_a_change_of_the_key_that_is_announced(self, settings: Any) -> None:
        text = make_ticket("x")
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]
        assert read_ticket(text, "x").instance_id == "x"
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(InvalidTicket):
            read_ticket(text, "x")

    @pytest.mark.parametrize("age", [0, -1, float("nan"), float("inf"), True, "60", None])
    def test_need_a_time_to_come(self, age: Any) -> None:
        with pytest.raises(InvalidArgument, match="max_age"):
            make_ticket("x", max_age=age)


class TestWithATicket:
    async def test_an_instance_is_watched_without_login(self, enter: Enter, driven: DrivenInstance) -> None:
        driven.start().claim("#.a").log("#.a", "secret").end("#.a", "secret")
        socket = await enter()
        await socket.ask(watch(driven.id, ref=1, ticket=make_ticket(driven.id)))
        answers = await socket.answers(*SNAPSHOT, "ack")
        assert answers[2]["statuses"]["#.a"]["status"] == "ok"

        error = {"code": "EXECUTION_FAILED", "type": "ValueError", "path": "#.b", "message": "secret"}
        driven.claim("#.b").progress("#.b", 0.5, "secret").end("#.b", status="failed", error=error)
        watcher = Watcher()
        while watcher.status_of("#.b") != "failed":
            answers.append(await socket.answer())
            watcher.receive(answers[-1])
        assert "secret" not in json.dumps(answers)

    async def test_results_are_seen_where_it_says_so(self, enter: Enter, driven: DrivenInstance) -> None:
        driven.start().claim("#.a").log("#.a", "a line").end("#.a", {"x": 1})
        socket = await enter()
        await socket.ask(watch(driven.id, ref=1, ticket=make_ticket(driven.id, payload=True)))
        _, _, statuses, log, _ = await socket.answers(*SNAPSHOT, "taskLog", "ack")

        assert statuses["statuses"]["#.a"]["body"] == {"x": 1}
        assert log["lines"] == ["a line"]

    async def test_it_is_remembered_for_the_requests_after(self, enter: Enter, driven: DrivenInstance) -> None:
        socket = await enter()
        await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id)))

        task = await socket.answer_to(ask("getTask", driven.id, taskPath="#.a"))
        logs = await socket.answer_to(ask("getTaskLogs", driven.id, taskPath="#.a"))
        again = await socket.answer_to(watch(driven.id))
        assert (task["type"], logs["error"]["code"], again["type"]) == ("taskDetails", "FORBIDDEN", "ack")

    @pytest.mark.parametrize(
        "message",
        [
            ask("executeAllTasks"),
            ask("executeTask", taskPath="#.only"),
            ask("resumeWorkflow"),
            ask("resumeWorkflow", preview=True),
            ask("cancelWorkflow"),
            ask("pauseWorkflow"),
            ask("unpauseWorkflow"),
            ask("resetWorkflow"),
            ask("destroyWorkflow"),
            ask("setContextUpdaters", taskPath="#.only", updaters=[]),
            ask("createWorkflowInstance", workflow="access_one_task"),
        ],
        ids=lambda message: str(message["type"]),
    )
    async def test_nothing_is_commanded(self, enter: Enter, one: str, message: dict[str, Any]) -> None:
        socket = await enter()
        await socket.answer_to(watch(one, ticket=make_ticket(one, payload=True)))
        of_it = message if message["type"] == "createWorkflowInstance" else {**message, "workflowId": one}

        assert (await socket.answer_to(of_it))["error"]["code"] == "NOT_AUTHENTICATED"
        assert await socket.is_closed(4401)
        assert called_with == []
        assert await WorkflowInstance.objects.acount() == 1

    async def test_other_instances_stay_closed(self, enter: Enter, driven: DrivenInstance, one: str) -> None:
        socket = await enter()
        await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id)))
        borrowed = await socket.answer_to(watch(one, ticket=make_ticket(driven.id)))
        assert borrowed["error"]["code"] == "INVALID_TICKET"
        assert (await socket.answer_to(watch(one)))["error"]["code"] == "NOT_AUTHENTICATED"
        assert await socket.is_closed(4401)

    async def test_an_instance_that_is_gone_is_gone(self, enter: Enter, one: str) -> None:
        ticket = make_ticket(one)
        socket = await enter()
        await socket.answer_to(watch(one, ticket=ticket))
        await sync_to_async(jobs.destroy_workflow)(one)
        last = await socket.answers("setWorkflowStatus", "workflowDeleted")

        assert last[1]["id"] == one
        assert (await socket.answer_to(watch(one, ticket=ticket)))["error"]["code"] == "INSTANCE_NOT_FOUND"

    async def test_its_end_ends_the_watch(
        self, enter: Enter, driven: DrivenInstance, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.05)
        socket = await enter()
        await socket.ask(watch(driven.id, ticket=make_ticket(driven.id, max_age=60)))
        await socket.answers(*SNAPSHOT)
        clock(62)
        [ended] = await socket.answers("appError")
        assert (ended["id"], ended["error"]["code"]) == (driven.id, "TICKET_EXPIRED")
        driven.start()
        for request in (watch(driven.id), ask("getTask", driven.id, taskPath="#.a")):
            assert (await socket.answer_to(request))["error"]["code"] == "TICKET_EXPIRED"

        fresh = await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id)))
        assert fresh["type"] == "ack"

    async def test_its_end_is_noticed_when_it_comes(self, enter: Enter, driven: DrivenInstance) -> None:
        """Not at the next check."""
        socket = await enter()
        for age in (0.3, 1, 3, 10):
            began = await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id, max_age=age)))
            if began["type"] == "ack":  # a slow machine needs longer
                break
        assert (await socket.answers("appError"))[0]["error"]["code"] == "TICKET_EXPIRED"

    async def test_its_end_is_noticed_though_it_comes_while_the_watch_begins(
        self, enter: Enter, driven: DrivenInstance, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begin = Outlet.watch

        async def begin_for_long(outlet: Outlet, instance_id: str, **options: Any) -> None:
            await begin(outlet, instance_id, **options)
            clock(62)

        monkeypatch.setattr(Outlet, "watch", begin_for_long)
        socket = await enter()
        await socket.ask(watch(driven.id, ticket=make_ticket(driven.id, max_age=60)))
        while (answer := await socket.answer())["type"] != "appError":
            pass
        assert (answer["id"], answer["error"]["code"]) == (driven.id, "TICKET_EXPIRED")

    async def test_its_end_is_noticed_though_it_comes_while_permissions_are_checked(
        self, enter: Enter, driven: DrivenInstance, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        review = sessions.review

        async def review_for_long(questions: Any) -> Any:
            answers = await review(questions)
            clock(62)
            return answers

        socket = await enter()
        began = await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id, max_age=60)))
        assert began["type"] == "ack"
        monkeypatch.setattr(sessions, "review", review_for_long)
        for guard in sessions.get_supervisor()._guards:
            sessions.get_supervisor()._schedule.put(guard, 0)
        assert (await socket.answers("appError"))[0]["error"]["code"] == "TICKET_EXPIRED"

    async def test_its_end_is_noticed_while_the_database_is_away(
        self, enter: Enter, driven: DrivenInstance, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.05)
        socket = await enter()
        await socket.ask(watch(driven.id, ticket=make_ticket(driven.id, max_age=60)))
        await socket.answers(*SNAPSHOT)

        async def away(questions: Any) -> Any:
            raise OperationalError("gone")

        monkeypatch.setattr(sessions, "review", away)
        clock(62)
        [error] = await socket.answers("appError")
        assert error["error"]["code"] == "TICKET_EXPIRED"

    async def test_who_does_not_show_one_in_time_is_turned_away(
        self, enter: Enter, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.05)
        holder = await enter()
        await holder.answer_to(watch(driven.id, ticket=make_ticket(driven.id)))
        monkeypatch.setattr(sessions, "TICKET_DEADLINE", 0.05)
        other = await enter()
        assert (await other.answers("appError"))[0]["error"]["code"] == "NOT_AUTHENTICATED"
        assert await other.is_closed(4401)
        assert (await holder.answer_to(watch(driven.id)))["type"] == "ack"

    async def test_who_has_shown_one_that_ended_is_given_time_for_another(
        self, enter: Enter, driven: DrivenInstance, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.02)
        socket = await enter()
        await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id, max_age=60)))
        [guard] = sessions.get_supervisor()._guards
        await aeventually(lambda: guard.deadline is None)
        monkeypatch.setattr(sessions, "TICKET_DEADLINE", 0.1)
        clock(62)
        first, second = await socket.answers("appError", "appError")
        assert [each["error"]["code"] for each in (first, second)] == ["TICKET_EXPIRED", "NOT_AUTHENTICATED"]
        assert await socket.is_closed(4401)

    async def test_a_rush_without_tickets_is_turned_away_at_once(
        self, enter: Enter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "WAITING_LIMIT", 1)
        await enter()
        second = Socket()
        await second.connect()
        error = (await second.answer())["error"]
        assert (error["code"], error["retryAfter"]) == ("TOO_MANY_REQUESTS", 10)
        assert await second.is_closed(4429)
        await second.disconnect()

    async def test_those_with_tickets_are_no_rush(
        self, enter: Enter, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "WAITING_LIMIT", 1)
        for _ in range(3):
            socket = await enter()
            assert (await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id))))["type"] == "ack"

    async def test_a_stranger_who_is_signed_in_watches_and_commands_nothing(
        self, enter: Enter, make_user: Callable[..., User], one: str
    ) -> None:
        socket = await enter(await sync_to_async(make_user)("stranger"))
        assert (await socket.answer_to(watch(one)))["error"]["code"] == "INSTANCE_NOT_FOUND"
        assert (await socket.answer_to(watch(one, ticket=make_ticket(one))))["type"] == "ack"
        assert (await socket.answer_to(ask("executeAllTasks", one)))["error"]["code"] == "FORBIDDEN"
        assert called_with == []

    async def test_a_bad_one_takes_nothing_from_who_may_anyway(self, enter: Enter, owner: User, one: str) -> None:
        socket = await enter(owner)
        assert (await socket.answer_to(watch(one, ticket="x")))["type"] == "ack"

    async def test_the_hook_is_not_asked(self, enter: Enter, driven: DrivenInstance, settings: Any) -> None:
        settings.JOBS_FLOW = {**BASE, "AUTHORIZE": "tests.integration.test_live_access.never"}
        socket = await enter()
        driven = await sync_to_async(DrivenInstance(jobs.storage, id=driven.id).create)()
        assert (await socket.answer_to(watch(driven.id, ticket=make_ticket(driven.id))))["type"] == "ack"


def never(user: User, action: str, instance: WorkflowInstance | None) -> bool:
    raise AssertionError("was asked")


class TestLimits:
    async def test_starts(self, enter: Enter, owner: User, one: str, settings: Any) -> None:
        settings.JOBS_FLOW = {**BASE, "SOCKET_STARTS_PER_MINUTE": 2}
        one = await sync_to_async(jobs.create_workflow_instance)("access_one_task", owner=owner)
        socket = await enter(owner)
        answers = [await socket.answer_to(ask("executeAllTasks", one)) for _ in range(3)]

        assert [answer["type"] for answer in answers] == ["ack", "ack", "appError"]
        assert answers[2]["error"]["code"] == "TOO_MANY_REQUESTS"
        assert 0 < answers[2]["error"]["retryAfter"] <= 30
        assert len(called_with) == 2
        # What starts nothing is not refused, and another socket has its own.
        assert (await socket.answer_to(ask("resetWorkflow", one)))["type"] == "ack"
        assert (await (await enter(owner)).answer_to(ask("executeAllTasks", one)))["type"] == "ack"

    async def test_a_flood_is_slowed_and_nothing_of_it_is_lost(
        self, enter: Enter, owner: User, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.JOBS_FLOW = {**BASE, "SOCKET_WATCHES": 1, "SOCKET_REQUESTS_PER_SECOND": 10}
        socket = await enter(owner)
        started = asyncio.get_running_loop().time()
        for number in range(31):
            await socket.ask(ask("unwatchWorkflowInstance", "x", ref=number))
        answers = [await socket.answer() for _ in range(31)]
        assert [answer["ref"] for answer in answers] == list(range(31))
        # 21 at once; ten more at ten a second.
        assert asyncio.get_running_loop().time() - started > 0.9

    async def test_sockets_of_one_user(self, enter: Enter, owner: User, settings: Any) -> None:
        settings.JOBS_FLOW = {**BASE, "SOCKETS_PER_USER": 2}
        sockets = [await enter(owner) for _ in range(2)]
        third = Socket(key_of(await sync_to_async(log_in)(owner)))
        await third.connect()
        assert (await third.answer())["error"]["code"] == "TOO_MANY_SOCKETS"
        assert await third.is_closed(4429)
        await third.disconnect()
        await sockets[0].disconnect()
        await enter(owner)

    async def test_bytes(self, enter: Enter, owner: User, settings: Any) -> None:
        settings.JOBS_FLOW = {**BASE, "SOCKET_MESSAGE_BYTES": 100}
        socket = await enter(owner)
        await socket.send_text(json.dumps(watch("x" * 200)))
        answer = await socket.answer()
        assert answer["error"] == {"code": "MESSAGE_TOO_LARGE", "message": "The message has more than 100 bytes."}


class TestOrigins:
    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "https://localhost.evil.example", "null", None],
        ids=["other", "prefix", "null", "none"],
    )
    async def test_of_other_sites_and_none_are_refused(self, owner: User, origin: str | None) -> None:
        """Programs that are no browsers have to say one too; they can."""
        client = await sync_to_async(log_in)(owner)
        assert await Socket(key_of(client), origin=origin).connect() == (False, 1000)

    @pytest.mark.parametrize("origin", ["http://localhost", "https://127.0.0.1:8443", "http://[::1]:8000"])
    async def test_of_this_site_are_let_in(self, owner: User, origin: str) -> None:
        client = await sync_to_async(log_in)(owner)
        socket = Socket(key_of(client), origin=origin)
        assert await socket.connect() == (True, None)
        await socket.disconnect()


class TestWithoutPayload:
    async def test_what_others_typed_is_not_told(
        self, enter: Enter, make_user: Callable[..., User], owner: User, one: str
    ) -> None:
        viewer = await enter(await sync_to_async(make_user)("viewer", "view_workflowinstance"))
        seer = await enter(owner)
        for socket in (viewer, seer):
            await socket.ask(watch(one))
            await socket.answers(*SNAPSHOT)
        await seer.ask(ask("executeTask", one, taskPath="#.a-secret", arg={"also": "secret"}))
        [masked] = await viewer.answers("executionError")
        while (told := await seer.answer())["type"] != "executionError":
            pass

        assert "a-secret" in json.dumps(told)
        assert "secret" not in json.dumps(masked)
        assert masked["error"]["type"] == "CANNOT_FIND_TASK"
        assert masked["error"]["payload"]["message"]
