"""The socket, in this process: who may say what, and what is answered."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client

from jobs_flow import Task, workflow
from jobs_flow.errors import StorageUnavailable
from jobs_flow_django import jobs
from jobs_flow_django.conf import Settings
from jobs_flow_django.live import consumers, protocol, sessions
from jobs_flow_django.models import WorkflowInstance
from tests.support.eventually import aeventually
from tests.support.live import DrivenInstance, Watcher, WebSocketCommunicator
from tests.support.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)

#: What the two tasks below were called with.
called_with: list[Any] = []


@workflow("live_two_tasks")
def two_tasks(data: Any) -> list[Task]:
    def first(res: Any) -> str:
        called_with.append(res)
        return "first"

    def second(res: Any) -> str:
        called_with.append(res)
        return "second"

    return [Task("first", first), Task("second", second)]


@pytest.fixture(autouse=True)
def _sync_jobs(settings: Any) -> None:
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
    called_with.clear()


User = Any


@pytest.fixture
def make_user() -> Callable[..., User]:
    def make(name: str, **fields: Any) -> User:
        return get_user_model().objects.create_user(name, password="p", **fields)

    return make


@pytest.fixture
def owner(make_user: Callable[..., User]) -> User:
    return make_user("owner")


@pytest.fixture
async def sign_in() -> AsyncIterator[Callable[..., Awaitable[Socket]]]:
    sockets: list[Socket] = []

    async def open_socket(user: User) -> Socket:
        client = Client()
        await sync_to_async(client.force_login)(user)
        socket = Socket(client.cookies["sessionid"].value)
        sockets.append(socket)
        return await socket.open()

    yield open_socket
    for socket in sockets:
        await socket.disconnect()


@pytest.fixture
def driven(owner: User) -> DrivenInstance:
    """An instance of the owner's whose storage the test moves."""
    instance = DrivenInstance(jobs.storage).create()
    WorkflowInstance.objects.create(id=instance.id, workflow="driven", fingerprint="f", owner=owner)
    return instance


@pytest.fixture
def two(owner: User) -> str:
    """An instance of the owner's that can be executed."""
    return jobs.create_workflow_instance("live_two_tasks", owner=owner)


def watch(instance_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "watchWorkflowInstance", "workflowId": instance_id, **fields}


def run_all(instance_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "executeAllTasks", "workflowId": instance_id, **fields}


def run_one(instance_id: str, path: str, **fields: Any) -> dict[str, Any]:
    return {"type": "executeTask", "workflowId": instance_id, "taskPath": path, **fields}


SNAPSHOT = ("workflowDescription", "setWorkflowStatus", "setTasksStatuses")

SignIn = Callable[[User], Awaitable[Socket]]


class TestConnecting:
    async def test_is_greeted(self, owner: User, sign_in: SignIn) -> None:
        client = Client()
        await sync_to_async(client.force_login)(owner)
        socket = Socket(client.cookies["sessionid"].value)
        await socket.connect()
        hello = await socket.answer()

        assert (hello["type"], hello["version"]) == ("hello", protocol.VERSION)
        await socket.disconnect()

    @pytest.mark.parametrize("session", [None, "no-such-session"], ids=["no session", "unknown session"])
    async def test_without_being_signed_in_is_good_for_nothing(self, session: str | None) -> None:
        socket = await Socket(session).open()
        await socket.ask(watch("x"))

        assert (await socket.answer())["error"] == {"code": "NOT_AUTHENTICATED", "message": "You are not signed in."}
        assert await socket.is_closed(4401)
        await socket.disconnect()

    async def test_from_another_site_is_refused(self, owner: User) -> None:
        client = Client()
        await sync_to_async(client.force_login)(owner)
        socket = Socket(client.cookies["sessionid"].value, origin="http://evil.example")

        assert await socket.connect() == (False, 1000)

    async def test_elsewhere_is_refused_quietly(self) -> None:
        assert await Socket(path="/ws/elsewhere/").connect() == (False, 4404)

    async def test_nothing_asked_of_a_refused_socket_is_done(self, two: str) -> None:
        socket = Socket()
        await socket.connect()
        for _ in range(2):
            await socket.ask(run_all(two))
        await socket.disconnect()

        assert called_with == []


class TestWatching:
    async def test_is_answered_in_order_and_then_goes_on_live(
        self, owner: User, sign_in: SignIn, driven: DrivenInstance
    ) -> None:
        driven.start().claim("#.a").log("#.a", "hello")
        socket = await sign_in(owner)
        await socket.ask(watch(driven.id, ref=7))
        description, status, statuses, log, ack = await socket.answers(*SNAPSHOT, "taskLog", "ack")

        assert [task["path"] for task in description["tasks"]] == driven.paths
        assert (status["status"], status["name"]) == ("working", "Driven")
        assert statuses["statuses"].keys() == set(driven.paths)
        assert (log["taskPath"], log["lines"], log["from"]) == ("#.a", ["hello"], 0)
        assert (ack["ref"], ack["seq"]) == (7, status["seq"])

        driven.log("#.a", "bye").end("#.a", {"x": 1})
        watcher = Watcher()
        for message in (description, status, statuses, log):
            watcher.receive(message)
        while watcher.status_of("#.a") != "ok":
            watcher.receive(await socket.answer())
        assert watcher.statuses["#.a"]["body"] == {"x": 1}
        assert watcher.status_of("#.b") == "queued"

    async def test_without_a_ref_there_is_no_ack(self, owner: User, sign_in: SignIn, driven: DrivenInstance) -> None:
        socket = await sign_in(owner)
        await socket.ask(watch(driven.id))
        await socket.answers(*SNAPSHOT)

        assert await socket.receive_nothing(0.1, 0.01)

    async def test_again_starts_again(self, owner: User, sign_in: SignIn, driven: DrivenInstance) -> None:
        socket = await sign_in(owner)
        for _ in range(2):
            await socket.ask(watch(driven.id))
            await socket.answers(*SNAPSHOT)
        driven.start()
        await socket.answers(*SNAPSHOT)

        assert await socket.receive_nothing(0.1, 0.01)

    async def test_many_instances_on_one_socket(self, owner: User, sign_in: SignIn, driven: DrivenInstance) -> None:
        other = DrivenInstance(jobs.storage).create()
        await WorkflowInstance.objects.acreate(id=other.id, workflow="driven", fingerprint="f", owner=owner)
        socket = await sign_in(owner)
        for instance in (driven, other):
            await socket.ask(watch(instance.id))
            await socket.answers(*SNAPSHOT)
        jobs.storage.add_event(other.id, {"error": {"type": "X", "payload": {}}})
        jobs.storage.add_event(driven.id, {"error": {"type": "Y", "payload": {}}})

        told = {(answer["id"], answer["error"]["type"]) for answer in await socket.answers(*["executionError"] * 2)}
        assert told == {(other.id, "X"), (driven.id, "Y")}

    async def test_ends_with_unwatching(self, owner: User, sign_in: SignIn, driven: DrivenInstance) -> None:
        socket = await sign_in(owner)
        await socket.ask(watch(driven.id))
        await socket.answers(*SNAPSHOT)
        ack = await socket.answer_to({"type": "unwatchWorkflowInstance", "workflowId": driven.id})
        driven.start()

        assert (ack["type"], ack["id"]) == ("ack", driven.id)
        assert await socket.receive_nothing(0.1, 0.01)

    async def test_unwatching_what_is_not_watched_changes_nothing(self, owner: User, sign_in: SignIn) -> None:
        socket = await sign_in(owner)

        assert (await socket.answer_to({"type": "unwatchWorkflowInstance", "workflowId": "x"}))["type"] == "ack"

    async def test_has_a_limit(
        self, owner: User, sign_in: SignIn, driven: DrivenInstance, two: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumers, "get_settings", lambda: Settings(SOCKET_WATCHES=1))
        socket = await sign_in(owner)
        assert (await socket.answer_to(watch(driven.id)))["type"] == "ack"
        refused = await socket.answer_to(watch(two))
        again = await socket.answer_to(watch(driven.id))

        assert refused["error"]["code"] == "TOO_MANY_WATCHES"
        assert again["type"] == "ack"

    async def test_closing_frees_everything(self, owner: User, sign_in: SignIn, driven: DrivenInstance) -> None:
        socket = await sign_in(owner)
        await socket.ask(watch(driven.id))
        await socket.answers(*SNAPSHOT)
        assert jobs.storage._subscribers
        await socket.disconnect()

        assert not jobs.storage._subscribers


class TestPermissions:
    async def test_others_are_not_told_that_an_instance_exists(
        self, make_user: Callable[..., User], sign_in: SignIn, two: str
    ) -> None:
        socket = await sign_in(await sync_to_async(make_user)("stranger"))
        for message in (watch(two), run_all(two), run_one(two, "#.first")):
            theirs = await socket.answer_to(message)
            nobodys = await socket.answer_to(message | {"workflowId": "nobody"})
            assert theirs["error"]["code"] == nobodys["error"]["code"] == "INSTANCE_NOT_FOUND"
            assert theirs["error"]["message"].replace(two, "nobody") == nobodys["error"]["message"]

        assert called_with == []

    async def test_a_viewer_may_watch_and_not_execute(
        self, make_user: Callable[..., User], sign_in: SignIn, two: str
    ) -> None:
        viewer = await sync_to_async(make_user)("viewer")
        await sync_to_async(_permit)(viewer, "view_workflowinstance")
        socket = await sign_in(viewer)

        assert (await socket.answer_to(watch(two)))["type"] == "ack"
        for message in (run_all(two), run_one(two, "#.first")):
            assert (await socket.answer_to(message))["error"]["code"] == "FORBIDDEN"
        assert called_with == []

    async def test_a_viewer_without_payload_sees_no_results(
        self, make_user: Callable[..., User], sign_in: SignIn, driven: DrivenInstance
    ) -> None:
        driven.start().claim("#.a").log("#.a", "secret").end("#.a", "secret")
        viewer = await sync_to_async(make_user)("viewer")
        await sync_to_async(_permit)(viewer, "view_workflowinstance")
        socket = await sign_in(viewer)
        await socket.ask(watch(driven.id, ref=1))
        answers = await socket.answers(*SNAPSHOT, "ack")

        assert "secret" not in json.dumps(answers)
        assert answers[2]["statuses"]["#.a"]["status"] == "ok"

    async def test_are_asked_again_for_every_request(self, owner: User, sign_in: SignIn, two: str) -> None:
        socket = await sign_in(owner)
        assert (await socket.answer_to(watch(two)))["type"] == "ack"
        await WorkflowInstance.objects.filter(pk=two).aupdate(owner=None)

        assert (await socket.answer_to(run_all(two)))["error"]["code"] == "INSTANCE_NOT_FOUND"
        assert called_with == []

    @pytest.mark.parametrize("how", ["deactivated", "deleted", "logged out", "new password"])
    async def test_a_user_who_is_no_longer_one_is_turned_away(
        self, owner: User, sign_in: SignIn, two: str, how: str
    ) -> None:
        socket = await sign_in(owner)
        match how:
            case "deactivated":
                await get_user_model().objects.filter(pk=owner.pk).aupdate(is_active=False)
            case "deleted":
                await owner.adelete()
            case "logged out":
                await Session.objects.all().adelete()
            case "new password":
                owner.set_password("another")
                await owner.asave()
        answer = await socket.answer_to(run_all(two))

        assert answer["error"]["code"] == "NOT_AUTHENTICATED"
        assert await socket.is_closed(4401)
        assert called_with == []

    async def test_of_a_silent_socket_are_checked_now_and_then(
        self, owner: User, sign_in: SignIn, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.05)
        monkeypatch.setattr(sessions, "TICK", 0.01)
        socket = await sign_in(owner)
        await socket.ask(watch(driven.id))
        await socket.answers(*SNAPSHOT)
        await WorkflowInstance.objects.filter(pk=driven.id).aupdate(owner=None)
        [gone] = await socket.answers("executionError")
        assert gone["error"]["type"] == "INSTANCE_NOT_FOUND"
        driven.start()
        assert await socket.receive_nothing(0.1, 0.01)

        await get_user_model().objects.filter(pk=owner.pk).aupdate(is_active=False)
        await socket.answers("appError")
        assert await socket.is_closed(4401)

    async def test_what_is_watched_while_they_are_checked_stays(
        self, owner: User, sign_in: SignIn, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def review(questions: Any) -> list[dict[str, bool]]:
            [question] = questions
            asked.set()
            await answer.wait()
            return [dict.fromkeys(question.instance_ids, True)]

        monkeypatch.setattr(sessions, "INTERVAL", 0.01)
        monkeypatch.setattr(sessions, "TICK", 0.01)
        monkeypatch.setattr(sessions, "review", review)
        socket = await sign_in(owner)
        await asked.wait()
        await socket.ask(watch(driven.id))
        await socket.answers(*SNAPSHOT)
        asked.clear()
        answer.set()
        await asked.wait()
        driven.start()
        assert (await socket.answer())["type"] in SNAPSHOT

    async def test_a_user_without_session_is_read_anew_too(self, owner: User, two: str) -> None:
        socket = WebSocketCommunicator(consumers.LiveConsumer.as_asgi(), user=owner)
        await socket.connect()
        await socket.answer()
        await get_user_model().objects.filter(pk=owner.pk).aupdate(is_active=False)
        await socket.ask(run_all(two))

        assert (await socket.answer())["error"]["code"] == "NOT_AUTHENTICATED"
        await socket.disconnect()


def _permit(user: User, codename: str) -> None:
    from django.contrib.auth.models import Permission

    user.user_permissions.add(Permission.objects.get(codename=codename))


class TestExecuting:
    async def test_all_tasks(self, owner: User, sign_in: SignIn, two: str) -> None:
        socket = await sign_in(owner)
        ack = await socket.answer_to(run_all(two))

        assert (ack["type"], ack["id"], ack["run"]) == ("ack", two, 1)
        assert (await jobs.aget_workflow(two))["status"] == "done"

    async def test_is_seen_by_all_watchers(self, owner: User, sign_in: SignIn, two: str) -> None:
        sockets = [await sign_in(owner) for _ in range(3)]
        watchers = [Watcher() for _ in sockets]
        for socket in sockets:
            await socket.ask(watch(two))
            await socket.answers(*SNAPSHOT)
        await sockets[0].ask(run_all(two))
        for socket, watcher in zip(sockets, watchers, strict=True):
            while watcher.status != "done" or watcher.messages[-1].get("more"):
                watcher.receive(await socket.answer())

        assert watchers[0].knowledge == watchers[1].knowledge == watchers[2].knowledge
        assert {record["status"] for record in watchers[0].statuses.values()} == {"ok"}

    async def test_the_argument_goes_to_the_first_task(self, owner: User, sign_in: SignIn, two: str) -> None:
        await (await sign_in(owner)).answer_to(run_all(two, initialArg={"n": 1}))

        assert called_with == [{"n": 1}, "first"]

    @pytest.mark.parametrize("argument", [None, False, 0, "", [], {}])
    async def test_one_task_with_an_argument_that_is_falsy(
        self, owner: User, sign_in: SignIn, two: str, argument: object
    ) -> None:
        socket = await sign_in(owner)
        await socket.answer_to(run_all(two))
        called_with.clear()
        ack = await socket.answer_to(run_one(two, "#.second", arg=argument))

        assert ack["run"] == 2
        assert called_with == [argument]

    async def test_one_task_without_argument_gets_the_stored_result(
        self, owner: User, sign_in: SignIn, two: str
    ) -> None:
        socket = await sign_in(owner)
        await socket.answer_to(run_all(two))
        called_with.clear()
        await socket.answer_to(run_one(two, "#.second"))

        assert called_with == ["first"]

    @pytest.mark.parametrize(
        ("path", "code"),
        [("#.second", "CANNOT_START_TASK"), ("#.third", "CANNOT_FIND_TASK"), ("first", "INVALID_PATH")],
    )
    async def test_a_refused_task_is_told_to_caller_and_watchers_and_changes_nothing(
        self, owner: User, sign_in: SignIn, two: str, path: str, code: str
    ) -> None:
        caller, other = await sign_in(owner), await sign_in(owner)
        await other.ask(watch(two))
        _, before, statuses = await other.answers(*SNAPSHOT)
        refused = await caller.answer_to(run_one(two, path))
        [told] = await other.answers("executionError")

        assert refused["error"]["code"] == told["error"]["type"] == code
        assert refused["error"]["message"] == told["error"]["payload"]["message"]
        assert (await jobs.aget_workflow(two))["status"] == before["status"]
        assert {record["status"] for record in statuses["statuses"].values()} == {"inactive"}
        assert called_with == []
        assert await other.receive_nothing(0.1, 0.01)

    async def test_a_run_that_is_going_on_is_not_started_again(
        self, owner: User, sign_in: SignIn, two: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs.backend, "dispatch", lambda work: None)
        socket = await sign_in(owner)
        first, second = await socket.answer_to(run_all(two)), await socket.answer_to(run_all(two))

        assert first["type"] == "ack"
        assert second["error"]["code"] == "CANNOT_START_TASK"


class TestMalformedMessages:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            pytest.param("", "MALFORMED_MESSAGE", id="empty"),
            pytest.param("hello?", "MALFORMED_MESSAGE", id="not JSON"),
            pytest.param("[]", "MALFORMED_MESSAGE", id="not an object"),
            pytest.param("{}", "MALFORMED_MESSAGE", id="no type"),
            pytest.param('{"type": "sing"}', "UNKNOWN_MESSAGE_TYPE", id="unknown type"),
            pytest.param('{"type": "__init__"}', "UNKNOWN_MESSAGE_TYPE", id="a method's name"),
            pytest.param('{"type": "watchWorkflowInstance"}', "MALFORMED_MESSAGE", id="no id"),
            pytest.param('{"type": "executeAllTasks", "workflowId": 1}', "MALFORMED_MESSAGE", id="wrong type"),
            pytest.param('{"type": "executeTask", "workflowId": "x"}', "MALFORMED_MESSAGE", id="no path"),
            pytest.param("[" * 50_000, "MALFORMED_MESSAGE", id="deep"),
            pytest.param('{"type": "' + "x" * 70_000 + '"}', "MESSAGE_TOO_LARGE", id="large"),
        ],
    )  # fmt: skip
    async def test_are_answered_and_the_socket_stays(
        self, owner: User, sign_in: SignIn, two: str, text: str, code: str
    ) -> None:
        socket = await sign_in(owner)
        await socket.send_text(text)
        [answer] = await socket.answers("appError")

        assert answer["error"]["code"] == code
        assert answer["error"]["message"]
        assert (await socket.answer_to(watch(two)))["type"] == "ack"

    async def test_binary_frames_are_answered(self, owner: User, sign_in: SignIn, two: str) -> None:
        socket = await sign_in(owner)
        await socket.send_bytes(b'{"type": "watchWorkflowInstance"}')

        assert (await socket.answers("appError"))[0]["error"]["code"] == "MALFORMED_MESSAGE"
        assert (await socket.answer_to(watch(two)))["type"] == "ack"

    async def test_the_answer_names_the_message(self, owner: User, sign_in: SignIn) -> None:
        socket = await sign_in(owner)
        await socket.ask({"type": "sing", "ref": "r5"})

        assert (await socket.answer())["ref"] == "r5"


class TestTrouble:
    async def test_unexpected_errors_are_logged_without_data_and_answered(
        self,
        owner: User,
        sign_in: SignIn,
        two: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise KeyError(f"{owner.username}@example.com")

        monkeypatch.setattr(jobs.storage, "start_run", fail)
        socket = await sign_in(owner)
        with caplog.at_level(logging.ERROR, "jobs_flow.live"):
            answer = await socket.answer_to(run_all(two))

        assert answer["error"]["code"] == "INTERNAL_ERROR"
        assert "KeyError" in caplog.text
        assert "in fail" in caplog.text
        assert "@example.com'" not in caplog.text
        assert "owner@" not in caplog.text
        assert (await socket.answer_to(watch(two)))["type"] == "ack"

    async def test_a_storage_that_is_away_is_answered(
        self, owner: User, sign_in: SignIn, two: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise StorageUnavailable(storage="memory://", reason="test")

        monkeypatch.setattr(jobs.storage, "start_run", fail)
        socket = await sign_in(owner)
        assert (await socket.answer_to(run_all(two)))["error"]["code"] == "STORAGE_UNAVAILABLE"
        assert (await socket.answer_to(watch(two)))["type"] == "ack"

    async def test_a_watch_waits_for_a_storage_that_is_away(
        self, owner: User, sign_in: SignIn, two: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise StorageUnavailable(storage="memory://", reason="test")

        socket = await sign_in(owner)
        with monkeypatch.context() as patch:
            patch.setattr(jobs.storage, "snapshot", fail)
            await socket.ask(watch(two, ref=1))
            [answer] = await socket.answers("appError")
        assert answer["error"]["code"] == "STORAGE_UNAVAILABLE"
        assert (answer["id"], "ref" in answer) == (two, False)

        assert (await socket.answers(*SNAPSHOT, "ack"))[-1]["ref"] == 1


class TestSlowClients:
    async def test_get_the_final_state_in_few_messages(
        self, owner: User, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client that reads nothing: sending to it blocks, as a server's send does when its buffer is full."""
        gate = _Gate()
        socket = WebSocketCommunicator(gate.before(consumers.LiveConsumer.as_asgi()), user=owner)
        await socket.connect()
        await socket.answer()
        await socket.ask(watch(driven.id, ref=1))
        watcher = Watcher()
        while "ack" not in watcher.types:
            watcher.receive(await socket.answer())

        gate.close()
        await sync_to_async(driven.start)()
        for path in driven.paths:
            await sync_to_async(driven.claim)(path)
            for number in range(200):
                await sync_to_async(driven.progress)(path, number / 200)
            await sync_to_async(driven.end)(path, number)
        seq = jobs.storage.get_instance(driven.id).seq
        await aeventually(lambda: gate.waiting)
        gate.open()
        sent_before = len(watcher.messages)
        while watcher.seq < seq:
            watcher.receive(await socket.answer())

        assert watcher.status == "done"
        assert {record["status"] for record in watcher.statuses.values()} == {"ok"}
        assert len(watcher.messages) - sent_before < 20
        await socket.disconnect()


class _Gate:
    """Holds up what an ASGI application sends."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = False

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def before(self, application: Any) -> Any:
        async def gated(scope: Any, receive: Any, send: Any) -> None:
            async def held(message: Any) -> None:
                self.waiting = not self._open.is_set()
                await self._open.wait()
                await send(message)

            await application(scope, receive, held)

        return gated
