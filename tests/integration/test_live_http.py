"""The HTTP door: requests, snapshots, and events as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.core.asgi import get_asgi_application
from django.db import connections
from django.test import AsyncClient, Client

from jobs_flow.errors import JobsFlowError, StorageUnavailable
from jobs_flow_django import jobs
from jobs_flow_django.api import sse
from jobs_flow_django.api.answers import STATUS
from jobs_flow_django.facade import DjangoJobs
from jobs_flow_django.live import commands, limits, relay, sessions
from jobs_flow_django.live.limits import Allowance, forget_callers
from jobs_flow_django.tickets import make_ticket
from tests.integration.test_live_consumer import User, driven, make_user, owner, run_all, run_one, two, watch
from tests.support.eventually import aeventually
from tests.support.http import EventStream
from tests.support.live import DrivenInstance, Watcher
from tests.support.schema import check, check_message

__all__ = ["driven", "make_user", "owner", "two"]

pytestmark = pytest.mark.django_db(transaction=True)

DOOR = "/jobs-flow/requests/"


@pytest.fixture(autouse=True)
def _sync_jobs(settings: Any) -> None:
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}


class Caller:
    """Somebody who makes requests over HTTP."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.headers: dict[str, str] = {}

    async def post(self, message: Any, **options: Any) -> Any:
        data = message if isinstance(message, str | bytes) else json.dumps(message)
        return await self.client.post(
            DOOR, data, content_type=options.pop("content_type", "application/json"), **options
        )

    async def ask(self, message: dict[str, Any], status: int = 200) -> dict[str, Any]:
        response = await self.post(message, headers=self.headers)
        assert response.status_code == status, response.content
        answer: dict[str, Any] = response.json()
        check_message(answer)
        return answer


Enter = Callable[..., Awaitable[Caller]]


@pytest.fixture
def enter() -> Enter:
    async def sign_in(user: User | None, **options: Any) -> Caller:
        client = AsyncClient(**options)
        if user is not None:
            await client.aforce_login(user)
        return Caller(client)

    return sign_in


@pytest.fixture
async def caller(enter: Enter, owner: User) -> Caller:
    return await enter(owner)


def snapshot_path(instance_id: str) -> str:
    return f"/jobs-flow/instances/{instance_id}/"


class TestRequests:
    async def test_are_answered_as_over_a_socket(self, caller: Caller, two: str) -> None:
        answer = await caller.ask(run_all(two, ref=7))
        assert answer == {"type": "ack", "ref": 7, "id": two, "run": 1}
        assert (await caller.ask(run_one(two, "#.second")))["ref"] is None
        answer = await caller.ask({"type": "getTask", "workflowId": two, "taskPath": "#.second", "ref": "r"})
        assert (answer["type"], answer["task"]["body"], answer["ref"]) == ("taskDetails", "second", "r")

    @pytest.mark.parametrize(
        ("message", "status", "code"),
        [
            pytest.param("{", 400, "MALFORMED_MESSAGE", id="no JSON"),
            pytest.param(b"\xff", 400, "MALFORMED_MESSAGE", id="no UTF-8"),
            pytest.param({"type": "dance"}, 400, "UNKNOWN_MESSAGE_TYPE", id="unknown"),
            pytest.param(watch("i"), 400, "NEEDS_CONNECTION", id="watch"),
            pytest.param({"type": "setVisibility", "visible": True}, 400, "NEEDS_CONNECTION", id="visibility"),
            pytest.param(run_all("nobody-knows"), 404, "INSTANCE_NOT_FOUND", id="unknown instance"),
            pytest.param({"type": "createWorkflowInstance", "workflow": "w"}, 403, "FORBIDDEN", id="create"),
            pytest.param(run_all("i", initialArg="x" * 70_000), 413, "MESSAGE_TOO_LARGE", id="large"),
        ],
    )
    async def test_are_refused_with_a_status(self, caller: Caller, message: Any, status: int, code: str) -> None:
        response = await caller.post(message)
        answer = response.json()
        assert (response.status_code, answer["type"], answer["error"]["code"]) == (status, "appError", code)
        assert answer["error"]["message"]

    async def test_that_are_refused_say_which_and_about_what(self, caller: Caller, two: str) -> None:
        answer = await caller.ask(run_one(two, "#.nowhere", ref="r"), 404)
        assert (answer["error"]["code"], answer["id"], answer["ref"]) == ("CANNOT_FIND_TASK", two, "r")
        assert (await caller.ask({"type": "dance", "ref": 5}, 400))["ref"] == 5

    async def test_that_conflict_are_409(self, caller: Caller, two: str) -> None:
        assert (await caller.ask(run_one(two, "#.second"), 409))["error"]["code"] == "CANNOT_START_TASK"

    async def test_of_nobody_are_401_and_no_page(self, enter: Enter, two: str) -> None:
        nobody = await enter(None)
        answer = await nobody.ask(run_all(two), 401)
        assert answer["error"] == {"code": "NOT_AUTHENTICATED", "message": "You are not signed in."}
        for path in (snapshot_path(two), snapshot_path(two) + "events/"):
            response = await nobody.client.get(path)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "NOT_AUTHENTICATED")

    async def test_of_a_user_who_was_shut_out_are_401(self, caller: Caller, owner: User, two: str) -> None:
        owner.is_active = False
        await owner.asave()
        assert (await caller.ask(run_all(two), 401))["error"]["code"] == "NOT_AUTHENTICATED"

    async def test_of_those_who_may_only_look_are_403_of_others_404(
        self, enter: Enter, make_user: Callable[..., User], two: str
    ) -> None:
        viewer, stranger = [await sync_to_async(make_user)(name) for name in ("viewer", "stranger")]
        await viewer.user_permissions.aadd(await Permission.objects.aget(codename="view_workflowinstance"))
        assert (await (await enter(viewer)).ask(run_all(two), 403))["error"]["code"] == "FORBIDDEN"
        assert (await (await enter(stranger)).ask(run_all(two), 404))["error"]["code"] == "INSTANCE_NOT_FOUND"

    @pytest.mark.parametrize("alias", ["default", "mysql"])
    async def test_are_in_no_transaction_of_the_request_whichever_database_has_them(
        self, caller: Caller, two: str, alias: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)
        await caller.ask(run_all(two, ref=7))

    async def test_need_json(self, caller: Caller, two: str) -> None:
        response = await caller.post(json.dumps(run_all(two)), content_type="text/plain")
        assert (response.status_code, response.json()["error"]["code"]) == (415, "WRONG_CONTENT_TYPE")

    async def test_are_posted(self, caller: Caller, two: str) -> None:
        response = await caller.client.get(DOOR)
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
        response = await caller.client.delete(snapshot_path(two))
        assert (response.status_code, response.headers["Allow"]) == (405, "GET")
        assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"

    async def test_and_answers_are_never_cached(self, caller: Caller, two: str) -> None:
        for response in (await caller.post(run_all(two)), await caller.client.get(snapshot_path(two))):
            assert response.headers["Cache-Control"] == "no-store"

    async def test_while_the_storage_is_away_are_503(
        self, caller: Caller, two: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise StorageUnavailable(storage="redis", reason="refused")

        for method in ("execute_all_tasks", "snapshot"):
            monkeypatch.setattr(DjangoJobs, method, away)
        assert (await caller.ask(run_all(two), 503))["error"]["code"] == "STORAGE_UNAVAILABLE"
        assert (await caller.client.get(snapshot_path(two))).status_code == 503

    async def test_that_break_something_are_500_and_tell_nothing(
        self, caller: Caller, two: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken(*args: Any) -> None:
            raise ValueError("".join(("a ", "secret")))

        monkeypatch.setattr(commands, "perform", broken)
        answer = await caller.ask(run_all(two), 500)
        assert answer["error"]["code"] == "INTERNAL_ERROR"
        assert "a secret" not in str(answer) + caplog.text
        assert "a request over HTTP could not be answered: ValueError" in caplog.text

    def test_are_answered_under_wsgi_too(self, owner: User, two: str) -> None:
        client = Client()
        client.force_login(owner)
        response = client.post(DOOR, json.dumps(run_all(two)), content_type="application/json")
        assert (response.status_code, response.json()["run"]) == (200, 1)
        assert client.get(snapshot_path(two)).json()["status"] == "done"

    @pytest.fixture(autouse=True)
    def new_callers(self) -> Iterator[None]:
        """With all that each may ask for; and so are those of the next test."""
        forget_callers()
        yield
        forget_callers()

    async def test_too_many_are_429(self, caller: Caller, two: str, settings: Any) -> None:
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "SOCKET_STARTS_PER_MINUTE": 1}
        statuses = [(await caller.post(run_one("nobody-knows", "#.a"))).status_code for _ in range(3)]
        assert statuses == [404, 429, 429]

    async def test_too_many_of_strangers_cost_no_holder_of_a_ticket_anything(
        self, enter: Enter, driven: DrivenInstance, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "SOCKET_REQUESTS_PER_SECOND": 1, "SOCKET_WATCHES": 1}
        # However long the requests take, no time passes: nothing more is allowed meanwhile.
        monkeypatch.setattr(limits, "Allowance", lambda: Allowance(lambda: 0.0))
        DrivenInstance(jobs.storage, id=driven.id).create()
        stranger, holder = await enter(None), await enter(None)
        asked = {"type": "getTaskLogs", "workflowId": driven.id, "taskPath": "#.a"}
        for _ in range(5):
            await stranger.ask(asked, 401)
            await stranger.ask({**asked, "ticket": "x"}, 401)
            assert (await stranger.client.get(snapshot_path(driven.id))).status_code == 401
        ticket = make_ticket(driven.id, payload=True)
        statuses = [(await holder.client.get(snapshot_path(driven.id), {"ticket": ticket})).status_code]
        statuses += [(await holder.post({**asked, "ticket": ticket})).status_code for _ in range(3)]
        assert statuses == [200, 200, 200, 429]


class TestForgery:
    async def test_a_request_without_the_token_is_refused_as_json(self, enter: Enter, owner: User, two: str) -> None:
        caller = await enter(owner, enforce_csrf_checks=True)
        answer = await caller.ask(run_all(two), 403)
        assert answer["error"]["code"] == "CSRF_FAILED"
        assert (await sync_to_async(jobs.get_workflow)(two))["run"] == 0

    async def test_a_request_with_it_is_answered(self, enter: Enter, owner: User, two: str) -> None:
        caller = await enter(owner, enforce_csrf_checks=True)
        await caller.client.get("/behaviours/")
        token = caller.client.cookies["csrftoken"].value
        caller.headers = {"X-CSRFToken": token}
        assert (await caller.ask(run_all(two)))["run"] == 1
        caller.headers["Origin"] = "http://evil.example"
        assert (await caller.ask(run_all(two), 403))["error"]["code"] == "CSRF_FAILED"


class TestStatuses:
    def test_there_is_one_for_every_error(self) -> None:
        """Those without are faults of the server: 500."""
        codes = {error.code for error in _all_errors()}
        faults = {
            "CANNOT_PUBLISH", "CONFIGURATION_ERROR", "EXECUTION_FAILED", "INTERNAL_ERROR", "JOBS_FLOW_ERROR",
            "RESULT_BACKEND_REQUIRED", "SCHEDULER_ERROR",
        }  # fmt: skip
        assert codes - STATUS.keys() == faults
        assert STATUS.keys() <= codes


def _all_errors(kind: type[JobsFlowError] = JobsFlowError) -> Iterator[type[JobsFlowError]]:
    if kind.__module__.startswith("jobs_flow"):
        yield kind
    for each in kind.__subclasses__():
        yield from _all_errors(each)


class TestSnapshots:
    async def test_have_all_of_an_instance(self, caller: Caller, driven: DrivenInstance) -> None:
        driven.start().complete("#.a")
        snapshot = (await caller.client.get(snapshot_path(driven.id))).json()
        check("InstanceSnapshot", snapshot)
        assert (snapshot["id"], snapshot["status"], snapshot["name"]) == (driven.id, "working", "Driven")
        assert [task["path"] for task in snapshot["tasks"]] == list(snapshot["statuses"]) == driven.paths
        assert snapshot["statuses"]["#.a"]["body"] == {"of": "#.a"}
        assert {name: n for name, n in snapshot["counts"].items() if n} == {"ok": 1, "queued": 1, "inactive": 1}
        assert snapshot["seq"] == jobs.snapshot(driven.id).seq

    async def test_hide_results_from_those_who_may_only_look(self, enter: Enter, driven: DrivenInstance) -> None:
        driven.start().complete("#.a").claim("#.b").end(
            "#.b", status="failed", error={"code": "EXECUTION_FAILED", "message": "a secret"}
        )
        ticket = make_ticket(driven.id)
        response = await (await enter(None)).client.get(snapshot_path(driven.id), {"ticket": ticket})
        snapshot = response.json()
        check("InstanceSnapshot", snapshot)
        assert snapshot["statuses"]["#.a"]["status"] == "ok"
        assert "body" not in snapshot["statuses"]["#.a"]
        assert snapshot["error"]["code"] == snapshot["statuses"]["#.b"]["error"]["code"] == "EXECUTION_FAILED"
        assert "a secret" not in response.content.decode()

    async def test_of_what_is_not_there_are_404(self, caller: Caller) -> None:
        response = await caller.client.get(snapshot_path("nobody-knows"))
        assert (response.status_code, response.json()["error"]["code"]) == (404, "INSTANCE_NOT_FOUND")
        assert (await caller.client.get(snapshot_path("x" * 201))).status_code == 400


Listen = Callable[..., Awaitable[EventStream]]


@pytest.fixture
async def listen(owner: User) -> AsyncIterator[Listen]:
    client = Client()
    await sync_to_async(client.force_login)(owner)
    streams: list[EventStream] = []

    async def begin(instance_id: str, query: str = "", *, signed_in: bool = True, **headers: str) -> EventStream:
        if signed_in:
            headers["Cookie"] = f"sessionid={client.cookies['sessionid'].value}"
        headers.setdefault("Host", "localhost")
        stream = EventStream(get_asgi_application(), f"{snapshot_path(instance_id)}events/{query}", headers)
        streams.append(stream)
        return await stream.open()

    yield begin
    for stream in streams:
        await stream.disconnect()


SNAPSHOT = ("hello", "workflowDescription", "setWorkflowStatus", "setTasksStatuses")


class TestEvents:
    async def test_are_the_messages_of_a_socket(self, listen: Listen, driven: DrivenInstance) -> None:
        driven.start().claim("#.a").log("#.a", "hello")
        stream = await listen(driven.id)
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-store", "no")
        _, description, status, _, log = await stream.messages(*SNAPSHOT, "taskLog")
        assert [task["path"] for task in description["tasks"]] == driven.paths
        assert (status["status"], log["lines"]) == ("working", ["hello"])
        assert stream.asides == ["retry: 3000"]

        driven.end("#.a", {"x": 1})
        watcher = Watcher()
        while watcher.status_of("#.a") != "ok":
            watcher.receive(await stream.message())
        assert watcher.statuses["#.a"]["body"] == {"x": 1}

    async def test_have_the_seq_as_id_where_a_change_ends(self, listen: Listen, driven: DrivenInstance) -> None:
        driven.start().claim("#.a").log("#.a", "hello")
        stream = await listen(driven.id)
        events = [await stream.event() for _ in range(5)]
        ids = [event.id for event in events if event is not None]
        assert ids == [None, None, None, None, str(jobs.snapshot(driven.id).seq)]

    async def test_go_on_where_a_browser_left_off(self, listen: Listen, driven: DrivenInstance) -> None:
        driven.start().complete("#.a")
        seq = jobs.snapshot(driven.id).seq
        driven.complete("#.b")
        for query, headers in ((f"?since={seq}", {}), ("?since=1", {"Last-Event-ID": str(seq)})):
            stream = await listen(driven.id, query, **headers)
            _, statuses, status = await stream.messages("hello", "setTasksStatuses", "setWorkflowStatus")
            assert statuses["statuses"].keys() == {"#.b", "#.c"}
            assert status["seq"] == jobs.snapshot(driven.id).seq

    async def test_come_without_logs_when_they_are_not_wanted(self, listen: Listen, driven: DrivenInstance) -> None:
        driven.start().claim("#.a").log("#.a", "hello")
        stream = await listen(driven.id, "?logs=0")
        await stream.messages(*SNAPSHOT)
        driven.log("#.a", "more").end("#.a")
        types = set()
        while (message := await stream.message())["seq"] < jobs.snapshot(driven.id).seq or message.get("more"):
            types.add(message["type"])
        assert "taskLog" not in types

    async def test_end_with_the_instance(self, listen: Listen, driven: DrivenInstance) -> None:
        stream = await listen(driven.id)
        await stream.messages(*SNAPSHOT)
        await sync_to_async(jobs.destroy_workflow)(driven.id)
        while (event := await stream.event()) is not None:
            last = event.message
        assert last["type"] == "workflowDeleted"
        again = await listen(driven.id)
        assert (again.status, (await again.body())["error"]["code"]) == (404, "INSTANCE_NOT_FOUND")

    async def test_need_no_login_with_a_ticket(self, listen: Listen, driven: DrivenInstance) -> None:
        driven.start().complete("#.a")
        stream = await listen(driven.id, f"?ticket={make_ticket(driven.id)}", signed_in=False)
        assert stream.status == 200
        statuses = (await stream.messages(*SNAPSHOT))[-1]
        assert "body" not in statuses["statuses"]["#.a"]
        for query in ("?ticket=forged", f"?ticket={make_ticket('another')}"):
            refused = await listen(driven.id, query, signed_in=False)
            assert (refused.status, (await refused.body())["error"]["code"]) == (401, "INVALID_TICKET")

    async def test_a_reader_that_goes_away_leaves_nothing_behind(self, listen: Listen, driven: DrivenInstance) -> None:
        stream = await listen(driven.id)
        await stream.messages(*SNAPSHOT)
        assert relay.get_relay(jobs.storage).watched == {driven.id}
        await stream.disconnect()
        assert relay._relays.get(asyncio.get_running_loop()) is None

    async def test_keep_a_silent_connection_alive(
        self, listen: Listen, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sse, "KEEP_ALIVE", 0.05)
        stream = await listen(driven.id)
        await stream.messages(*SNAPSHOT)
        reading = asyncio.create_task(stream.event())
        await aeventually(lambda: ": still here" in stream.asides)
        driven.start()
        event = await reading
        assert event is not None

    @pytest.mark.parametrize("query", ["?since=x", "?since=-1", "?fold=3", "?fold=x", "?since=99999999999999999"])
    async def test_of_a_wrong_query_are_400(self, listen: Listen, driven: DrivenInstance, query: str) -> None:
        stream = await listen(driven.id, query)
        assert (stream.status, (await stream.body())["error"]["code"]) == (400, "MALFORMED_MESSAGE")

    def test_are_refused_under_wsgi_where_each_would_hold_a_worker(self, owner: User, driven: DrivenInstance) -> None:
        client = Client()
        client.force_login(owner)
        response = client.get(snapshot_path(driven.id) + "events/")
        assert (response.status_code, response.json()["error"]["code"]) == (501, "NEEDS_ASGI")

    async def test_end_when_the_reader_may_no_longer_see_them(
        self, listen: Listen, owner: User, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "INTERVAL", 0.1)
        monkeypatch.setattr(sessions, "TICK", 0.02)
        stream = await listen(driven.id)
        await stream.messages(*SNAPSHOT)
        owner.is_active = False
        await owner.asave()
        while (event := await stream.event(timeout=20)) is not None:
            last = event.message
        assert (last["type"], last["error"]["code"]) == ("appError", "NOT_AUTHENTICATED")

    async def test_end_with_their_ticket(
        self, listen: Listen, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "TICK", 0.02)
        monkeypatch.setattr(sessions, "INTERVAL", 1e6)
        said: list[dict[str, Any]] = []
        for age in (1, 3, 10):
            stream = await listen(driven.id, f"?ticket={make_ticket(driven.id, max_age=age)}", signed_in=False)
            said.clear()
            while stream.status == 200 and (event := await stream.event()) is not None:
                said.append(event.message)
            if len(said) > len(SNAPSHOT):  # a slow machine needs longer
                break
        assert [message["type"] for message in said] == [*SNAPSHOT, "appError"]
        assert said[-1]["error"]["code"] == "TICKET_EXPIRED"

    async def test_too_many_of_one_user_are_429(self, listen: Listen, driven: DrivenInstance, settings: Any) -> None:
        settings.JOBS_FLOW = {**settings.JOBS_FLOW, "STORAGE": jobs.storage, "SOCKETS_PER_USER": 1}
        first = await listen(driven.id)
        second = await listen(driven.id)
        assert (second.status, (await second.body())["error"]["code"]) == (429, "TOO_MANY_SOCKETS")
        await first.disconnect()
        assert (await listen(driven.id)).status == 200
