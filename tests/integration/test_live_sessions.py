"""When somebody may no longer: ends of sessions, here and in other processes, and the checks of silent sockets."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import InMemoryChannelLayer
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from jobs_flow_django.live import announcing, logouts, sessions
from jobs_flow_django.live.errors import NotAuthenticated
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.live.reviewing import Question, review_now
from jobs_flow_django.live.session_channel import SessionChannel
from jobs_flow_django.models import WorkflowInstance
from tests.integration.test_live_access import (
    BASE,
    SNAPSHOT,
    Enter,
    User,
    _sync_jobs,
    ask,
    driven,
    enter,
    key_of,
    log_in,
    make_user,
    one,
    owner,
    watch,
)
from tests.support.eventually import aeventually
from tests.support.live import PATIENCE, DrivenInstance, Watcher
from tests.support.processes import WebServer

__all__ = ["_sync_jobs", "driven", "enter", "make_user", "one", "owner"]

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "tests.support.live_site:application"


async def log_out(client: Client) -> None:
    """As a view does, in a thread."""
    await sync_to_async(client.logout)()


class TestTheEndOfASession:
    async def test_closes_its_sockets_and_no_others(self, enter: Enter, owner: User, one: str) -> None:
        here, there = [await sync_to_async(log_in)(owner) for _ in range(2)]
        mine = [await enter(key_of(here)) for _ in range(2)]
        other = await enter(key_of(there))
        await mine[0].ask(watch(one))
        await mine[0].answers(*SNAPSHOT)
        await log_out(here)
        for socket in mine:
            assert (await socket.answers("appError"))[0]["error"]["code"] == "NOT_AUTHENTICATED"
            assert await socket.is_closed(4401)
        assert (await other.answer_to(watch(one)))["type"] == "ack"

    async def test_is_looked_at_again_for_who_came_just_then(
        self, enter: Enter, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page that reconnects before the logout has deleted the session."""
        monkeypatch.setattr(sessions, "SECOND_LOOK", 0.05)
        deleted, review = asyncio.Event(), sessions.review

        async def review_then(questions: Any) -> Any:
            await deleted.wait()
            return await review(questions)

        monkeypatch.setattr(sessions, "review", review_then)
        client = await sync_to_async(log_in)(owner)
        first = await enter(key_of(client))
        logouts.end_session(key_of(client))
        await first.answers("appError")
        second = await enter(key_of(client))
        await sync_to_async(client.session.delete)()
        deleted.set()
        await second.answers("appError")
        assert await second.is_closed(4401)

    async def test_a_client_that_does_not_read_is_closed_too(
        self, owner: User, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is on its way is not waited for."""
        closed = asyncio.Event()

        async def turn_away(error: Any, ref: Any) -> None:
            closed.set()

        async def blocked(text: str) -> None:
            await asyncio.Event().wait()

        outlet = Outlet(blocked, lambda: asyncio.sleep(0))
        client = await sync_to_async(log_in)(owner)
        scope = {"user": owner, "session": await sync_to_async(_loaded)(client), "tickets": {}}
        guard = sessions.get_supervisor().admit(scope, outlet, turn_away)
        outlet.open()
        await outlet.watch(driven.id, payload=True)
        await log_out(client)
        await asyncio.wait_for(closed.wait(), PATIENCE)
        assert len(outlet) == 0
        await outlet.aclose()
        await guard.aclose()

    @pytest.mark.parametrize("request_", [None, RequestFactory().get("/")], ids=["no request", "no session"])
    def test_of_which_little_is_known_breaks_no_logout(self, request_: Any, owner: User) -> None:
        user_logged_out.send(sender=type(owner), request=request_, user=owner)

    async def test_with_a_layer_that_fails_breaks_no_logout_and_is_logged_once(
        self, enter: Enter, owner: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(announcing, "RETRY_DELAY", 0.01)
        monkeypatch.setattr(announcing, "find_layer", lambda: _BrokenLayer())
        monkeypatch.setattr(logouts, "find_layer", lambda: _BrokenLayer())
        monkeypatch.setattr("jobs_flow_django.live.session_channel.RETRY_DELAYS", (0.01, 0.01))
        monkeypatch.setattr(logouts, "_sender", None)
        with caplog.at_level(logging.WARNING, "jobs_flow.live"):
            for _ in range(3):
                client = await sync_to_async(log_in)(owner)
                socket = await enter(key_of(client))
                await log_out(client)
                await socket.answers("appError")
                assert await socket.is_closed(4401)
            await aeventually(lambda: "cannot be told" in caplog.text and "cannot be heard" in caplog.text)
            assert await Session.objects.acount() == 0
        sender = logouts._sender
        assert sender is not None
        await asyncio.to_thread(sender.end)
        assert caplog.text.count("cannot be told") == 1
        assert "hunter2" not in caplog.text

    def test_goes_nowhere_where_there_is_no_layer_for_it(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logouts, "_announce", lambda digest: pytest.fail("announced"))
        for layers in ({}, {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, {"default": {}}):
            settings.CHANNEL_LAYERS = layers
            assert logouts.shared_layer() is None
            logouts.end_session("a key")

    def test_travels_as_a_hash(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str] = []
        monkeypatch.setattr(logouts, "_announce", told.append)
        monkeypatch.setattr(logouts, "shared_layer", lambda: object())
        logouts.end_session("a key")
        assert told == [logouts.session_digest("a key")]
        assert len(told[0]) == logouts.DIGEST_LENGTH
        assert "a key" not in told[0]

    async def test_is_heard_from_other_processes_through_one_subscription(
        self, enter: Enter, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layer = _Countable()
        monkeypatch.setattr("jobs_flow_django.live.session_channel.shared_layer", lambda: layer)
        client = await sync_to_async(log_in)(owner)
        sockets = [await enter(key_of(client)) for _ in range(3)]
        await aeventually(lambda: layer.joined)
        strange: list[Any] = [{"session": 7}, {"session": "x"}, {}, {"type": "other", "session": "y"}]
        for message in strange:
            await layer.group_send(logouts.GROUP, {"type": logouts.MESSAGE_TYPE, **message})
        digest = logouts.session_digest(key_of(client))
        await layer.group_send(logouts.GROUP, {"type": logouts.MESSAGE_TYPE, "session": digest})
        for socket in sockets:
            await socket.answers("appError")
            assert await socket.is_closed(4401)
            await socket.disconnect()
        assert layer.joined == 1
        await aeventually(lambda: not layer.groups.get(logouts.GROUP))

    async def test_a_layer_that_is_back_is_used_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        layer = _Countable(fails=3)
        heard: list[str] = []
        monkeypatch.setattr("jobs_flow_django.live.session_channel.shared_layer", lambda: layer)
        monkeypatch.setattr("jobs_flow_django.live.session_channel.RETRY_DELAYS", (0.01, 0.02))
        channel = SessionChannel(heard.append)
        channel.open()
        await aeventually(lambda: channel.is_ready)
        digest = logouts.session_digest("k")
        await layer.group_send(logouts.GROUP, {"type": logouts.MESSAGE_TYPE, "session": digest})
        await aeventually(lambda: heard == [digest])
        await channel.aclose()


def _loaded(client: Client) -> Any:
    session = client.session
    session.get("anything")
    return session


class _BrokenLayer:
    def __getattr__(self, name: str) -> Any:
        async def fail(*args: Any, **kwargs: Any) -> None:
            raise ConnectionError("redis://:hunter2@host")

        return fail


class _Countable(InMemoryChannelLayer):
    """A layer that counts who joins, after some who could not."""

    def __init__(self, fails: int = 0) -> None:
        super().__init__()
        self.joined = 0
        self._fails = fails

    async def group_add(self, group: str, channel: str) -> None:
        if self._fails > 0:
            self._fails -= 1
            raise ConnectionError
        self.joined += 1
        await super().group_add(group, channel)


class TestTwoProcesses:
    async def test_a_logout_in_one_closes_the_sockets_in_the_other(
        self, start_web: Callable[..., WebServer], storage_url: str, owner: User
    ) -> None:
        """Promptly: at the next check, a minute later, the test would have failed."""
        servers = [await asyncio.to_thread(start_web, SITE, name=f"web{number}") for number in range(2)]
        clients = [await sync_to_async(log_in)(owner) for _ in range(2)]
        leaving, staying = [{"Cookie": f"sessionid={key_of(client)}"} for client in clients]
        sockets = [
            await connect(
                f"{server.websocket_url}/ws/jobs-flow/", origin=server.url, additional_headers=cookie, open_timeout=30
            )
            for server in servers
            for cookie in (leaving, staying)
        ]
        for socket in sockets:
            assert json.loads(await asyncio.wait_for(socket.recv(), 30))["type"] == "hello"
        await asyncio.to_thread(_await_subscribers, storage_url, 2)

        await log_out(clients[0])
        for socket in sockets[::2]:
            assert json.loads(await asyncio.wait_for(socket.recv(), 10))["error"]["code"] == "NOT_AUTHENTICATED"
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401
        for socket in sockets[1::2]:
            await socket.send(json.dumps(ask("unwatchWorkflowInstance", "x", ref=1)))
            assert json.loads(await asyncio.wait_for(socket.recv(), 30))["type"] == "ack"
            await socket.close()


def _await_subscribers(url: str, count: int) -> None:
    import redis

    from tests.support.eventually import eventually

    with redis.Redis.from_url(url) as client:
        channel = f"asgi__group__{logouts.GROUP}"
        eventually(lambda: client.pubsub_numsub(channel)[0][1] == count, timeout=30)


class TestChecks:
    def make_many(self, count: int, *codenames: str) -> list[Question]:
        users = get_user_model().objects
        made = [users.create_user(f"user{number}") for number in range(count)]
        questions = []
        for user in made:
            user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
            row = WorkflowInstance.objects.create(id=user.username, workflow="w", fingerprint="f", owner=user)
            scope = {"user": user, "session": _loaded(log_in(user)), "tickets": {}}
            questions.append(Question(scope, [row.pk]))
        return questions

    def test_many_sockets_cost_few_queries(self) -> None:
        questions = self.make_many(20)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answers = review_now(questions)
        assert answers == [{question.instance_ids[0]: True} for question in questions]
        assert len(queries) == 3, [query["sql"][:100] for query in queries]

    def test_of_one_user_cost_no_more_queries_the_more_there_are(self, make_user: Callable[..., User]) -> None:
        viewer = make_user("viewer", "view_workflowinstance")
        rows = [WorkflowInstance.objects.create(id=str(n), workflow="w", fingerprint="f") for n in range(30)]
        questions = [
            Question({"user": viewer, "session": _loaded(log_in(viewer)), "tickets": {}}, [row.pk]) for row in rows
        ]
        with CaptureQueriesContext(connection) as queries:
            answers = review_now(questions)
        assert answers == [{row.pk: False} for row in rows]
        # Sessions, users, instances; the user's permissions and those of their groups.
        assert len(queries) == 5, [query["sql"][:100] for query in queries]

    def test_those_that_watch_nothing_and_nobody_cost_none(self) -> None:
        anonymous = {"user": AnonymousUser(), "session": None, "tickets": {}}
        with CaptureQueriesContext(connection) as queries:
            assert review_now([Question(anonymous, [])] * 3) == [{}] * 3
        assert len(queries) == 0

    @pytest.mark.parametrize("how", ["deactivated", "deleted", "logged out", "new password", "expired"])
    def test_find_who_is_no_longer_signed_in(self, how: str) -> None:
        questions = self.make_many(3)
        scope = questions[1].scope
        match how:
            case "deactivated":
                get_user_model().objects.filter(pk=scope["user"].pk).update(is_active=False)
            case "deleted":
                get_user_model().objects.get(pk=scope["user"].pk).delete()
            case "logged out":
                scope["session"].delete()
            case "new password":
                scope["user"].set_password("other")
                scope["user"].save()
            case "expired":
                scope["session"].set_expiry(-1)
                scope["session"].save()
        first, second, third = review_now(questions)
        assert first == {"user0": True}
        assert type(second).__name__ == "NotAuthenticated"
        assert third == {"user2": True}

    @pytest.mark.parametrize("engine", ["cached_db", "cache", "file", "signed_cookies"], ids=lambda engine: str(engine))
    def test_know_every_kind_of_session(self, settings: Any, engine: str, tmp_path: Any) -> None:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        settings.SESSION_FILE_PATH = str(tmp_path)
        questions = self.make_many(2)
        assert review_now(questions) == [{"user0": True}, {"user1": True}]
        if engine != "signed_cookies":  # nothing is kept of those on the server
            questions[0].scope["session"].delete()
            assert type(review_now(questions)[0]).__name__ == "NotAuthenticated"

    def test_a_hook_that_fails_for_one_harms_no_other(self, settings: Any) -> None:
        questions = self.make_many(3)
        settings.JOBS_FLOW = {**BASE, "AUTHORIZE": "tests.integration.test_live_sessions.fails_for_one"}
        first, second, third = review_now(questions)
        assert (first, third) == ({"user0": True}, {"user2": True})
        assert isinstance(second, RuntimeError)

    async def test_that_keep_failing_close_the_socket(
        self, enter: Enter, owner: User, one: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.02)
        monkeypatch.setattr(sessions, "FAILURES", 3)
        socket = await enter(owner)
        await socket.answer_to(watch(one))

        async def fail(questions: Any) -> Any:
            raise RuntimeError("the database is away")

        monkeypatch.setattr(sessions, "review", fail)
        assert (await socket.answers("appError"))[0]["error"]["code"] == "INTERNAL_ERROR"
        assert await socket.is_closed(1011)

    async def test_that_fail_now_and_then_close_nothing(
        self, enter: Enter, owner: User, one: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.01)
        monkeypatch.setattr(sessions, "FAILURES", 2)
        calls = 0

        async def fail_each_second_time(questions: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls % 2:
                raise RuntimeError("the database is away")
            return [dict.fromkeys(question.instance_ids, True) for question in questions]

        socket = await enter(owner)
        await socket.answer_to(watch(one))
        monkeypatch.setattr(sessions, "review", fail_each_second_time)
        await aeventually(lambda: calls >= 6)
        assert (await socket.answer_to(watch(one)))["type"] == "ack"

    async def test_are_spread(self, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thousand that come together are not checked together."""
        supervisor = sessions.Supervisor()
        outlet = Outlet(lambda text: asyncio.sleep(0), lambda: asyncio.sleep(0))

        async def turn_away(error: Any, ref: Any) -> None:
            pytest.fail("turned away")

        monkeypatch.setattr(sessions, "INTERVAL", 60.0)
        monkeypatch.setattr(sessions, "TICKET_DEADLINE", 1e6)
        guards = [supervisor.admit({"user": None, "tickets": {}}, outlet, turn_away) for _ in range(1_000)]
        start = asyncio.get_running_loop().time()
        counts = []
        for second in range(60):
            counts.append(len(supervisor._schedule.take(start + second + 1)))
        assert sum(counts) == 1_000
        assert max(counts) < 60
        assert len([task for task in asyncio.all_tasks() if "supervis" in task.get_name()]) == 1
        for guard in guards:
            await guard.aclose()

    async def test_results_that_may_be_seen_from_now_on_are_told(
        self, enter: Enter, make_user: Callable[..., User], driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.03)
        viewer = await sync_to_async(make_user)("viewer", "view_workflowinstance")
        driven.start().claim("#.a").log("#.a", "secret").end("#.a", "secret")
        socket = await enter(viewer)
        await socket.answer_to(watch(driven.id))
        permission = await Permission.objects.aget(codename="view_payload_workflowinstance")
        await sync_to_async(viewer.user_permissions.add)(permission)
        watcher = Watcher()
        while watcher.statuses.get("#.a", {}).get("body") != "secret" or not watcher.logs:
            watcher.receive(await socket.answer())

        assert watcher.logs == {"#.a": ["secret"]}
        assert watcher.types.count("workflowDescription") == 1

    async def test_withdrawn_results_are_no_longer_sent(
        self, enter: Enter, make_user: Callable[..., User], driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.03)
        codenames = ("view_workflowinstance", "view_payload_workflowinstance")
        viewer = await sync_to_async(make_user)("viewer", *codenames)
        socket = await enter(viewer)
        await socket.answer_to(watch(driven.id))
        await sync_to_async(viewer.user_permissions.remove)(await Permission.objects.aget(codename=codenames[1]))
        [guard] = sessions.get_supervisor()._guards
        await aeventually(lambda: not guard.outlet.mailboxes[0].payload)
        driven.start().claim("#.a").log("#.a", "secret").end("#.a", "secret")
        watcher = Watcher()
        while watcher.status_of("#.a") != "ok":
            watcher.receive(await socket.answer())
        assert "secret" not in json.dumps(watcher.messages)

    async def test_what_is_asked_for_at_the_end_is_not_watched(
        self, enter: Enter, owner: User, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        socket = await enter(owner)
        await socket.answer_to(watch(driven.id))
        [guard] = sessions.get_supervisor()._guards
        begin, begun = Outlet.watch, asyncio.Event()

        async def begin_late(outlet: Outlet, instance_id: str, **options: Any) -> None:
            await guard.turn_away(NotAuthenticated())
            await begin(outlet, instance_id, **options)
            begun.set()

        monkeypatch.setattr(Outlet, "watch", begin_late)
        await socket.ask(watch(driven.id))
        await begun.wait()
        assert guard.outlet.mailboxes == []
        assert (await socket.answer())["error"]["code"] == "NOT_AUTHENTICATED"

    async def test_of_a_watch_come_before_the_answer(self, driven: DrivenInstance) -> None:
        sent: list[str] = []
        reads = asyncio.Event()

        async def send(frame: str) -> None:
            sent.append(json.loads(frame)["type"])
            await reads.wait()

        async def never() -> None:
            raise AssertionError("is not broken")

        outlet = Outlet(send, never)
        outlet.open()
        first = asyncio.create_task(outlet.send({"type": "ack", "ref": 1}))
        await aeventually(lambda: sent)
        await outlet.watch(driven.id, payload=True)
        await aeventually(lambda: outlet._sending._waiters)  # type: ignore[attr-defined]
        await outlet.leave(driven.id)
        second = asyncio.create_task(outlet.send({"type": "ack", "ref": 2}))
        reads.set()
        await asyncio.gather(first, second)
        await outlet.aclose()
        assert sent == ["ack", "ack"]

    async def test_leave_nothing_behind(self, enter: Enter, owner: User) -> None:
        socket = await enter(owner)
        supervisor = sessions.get_supervisor()
        assert len(supervisor) == 1
        await socket.disconnect()
        assert (len(supervisor), len(supervisor._schedule), supervisor._watch) == (0, 0, None)
        assert not any((supervisor._by_session, supervisor._by_user, supervisor._waiting))


def fails_for_one(user: User, action: str, instance: WorkflowInstance | None) -> bool:
    if user.username == "user1":
        raise RuntimeError("of the hook")
    return True
