"""Details of a task on request: ``getTask`` and ``getTaskLogs``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission

from jobs_flow import Task, workflow
from jobs_flow.errors import StorageUnavailable
from jobs_flow.storages.records import Outcome
from jobs_flow_django import jobs
from jobs_flow_django.facade import DjangoJobs
from jobs_flow_django.live import details
from jobs_flow_django.live.details import read_logs
from tests.integration.test_live_consumer import SignIn, Socket, User, driven, make_user, owner, sign_in
from tests.support.live import DrivenInstance

__all__ = ["driven", "make_user", "owner", "sign_in"]

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = "x" * 300_000


@workflow("live_details")
def detailed(data: Any) -> list[Task]:
    def last(res: Any, job: Any) -> str:
        job.update_context({"note": {"$set": 1}})
        return "secret"

    return [
        Task("small", lambda res: {"secret": 1}, dest="small"),
        Task("long", lambda res: ["secret" * 200], dest="long"),
        *(Task(f"large{number}", lambda res: LARGE[:200_000], dest=f"large{number}") for number in range(5)),
        Task("huge", lambda res: LARGE, dest="huge"),
        Task("last", last),
    ]


@pytest.fixture(autouse=True)
def _sync_jobs(settings: Any) -> None:
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}


@pytest.fixture
def viewer(make_user: Callable[..., User]) -> User:
    user = make_user("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_workflowinstance"))
    return user


@pytest.fixture
def done(owner: User) -> str:
    instance_id = jobs.create_workflow_instance("live_details", owner=owner)
    jobs.execute_all_tasks(instance_id)
    return instance_id


def get_task(instance_id: str, path: str) -> dict[str, Any]:
    return {"type": "getTask", "workflowId": instance_id, "taskPath": path}


def get_logs(instance_id: str, path: str = "#.a", **fields: Any) -> dict[str, Any]:
    return {"type": "getTaskLogs", "workflowId": instance_id, "taskPath": path, **fields}


class TestTasks:
    async def test_have_what_they_were_called_with(self, owner: User, sign_in: SignIn, done: str) -> None:
        socket = await sign_in(owner)
        answer = await socket.answer_to(get_task(done, "#.long"))
        task = answer["task"]
        assert (answer["id"], answer["taskPath"], answer["attempts"], answer["omitted"]) == (done, "#.long", [], [])
        assert (task["status"], task["argument"], task["context"]) == ("ok", {"secret": 1}, {"small": {"secret": 1}})
        assert (task["body"], task["stale"], task["traceback"]) == (["secret" * 200], None, None)
        assert task["worker"]
        await socket.ask(get_task(done, "#.long"))
        assert "ref" not in await socket.answer()

    async def test_are_cut_to_what_a_message_may_have_and_say_so(self, owner: User, sign_in: SignIn, done: str) -> None:
        answer = await (await sign_in(owner)).answer_to(get_task(done, "#.last"))
        assert len(json.dumps(answer)) < 1_000_000
        context = answer["task"]["context"]
        assert context.keys() == {"small", "long", "large0", "large1"}
        assert (context["small"], context["long"]) == ({"secret": 1}, ["secret" * 200])
        # The argument and one member stand beside their record; the others would be too much together.
        assert answer["omitted"] == ["argument", *(f"context.large{number}" for number in (2, 3, 4)), "context.huge"]
        assert answer["task"]["updaters"] == [{"note": {"$set": 1}}]
        answer = await (await sign_in(owner)).answer_to(get_task(done, "#.huge"))
        assert "body" in answer["omitted"]
        assert answer["task"]["bodySize"] == len(LARGE) + 2

    async def test_hide_what_they_worked_on_from_those_who_may_only_look(
        self, viewer: User, sign_in: SignIn, done: str, driven: DrivenInstance
    ) -> None:
        socket = await sign_in(viewer)
        answer = await socket.answer_to(get_task(done, "#.long"))
        assert "secret" not in json.dumps(answer)
        assert answer["task"]["status"] == "ok"
        assert not answer["task"].keys() & {"body", "argument", "context", "updaters", "traceback", "worker"}

        driven.start().claim("#.a").log("#.a", "a secret").progress("#.a", 0.5, "a secret")
        retry_later(driven, "#.a")
        driven.claim("#.a")
        error = {"code": "EXECUTION_FAILED", "type": "ValueError", "message": "a secret"}
        driven.end("#.a", status="failed", error=error, traceback="a secret")
        answer = await socket.answer_to(get_task(driven.id, "#.a"))
        assert "secret" not in json.dumps(answer)
        assert answer["task"]["error"] == {"code": "EXECUTION_FAILED", "type": "ValueError"}
        [attempt] = answer["attempts"]
        assert attempt["error"] == {"code": "EXECUTION_FAILED", "type": "ValueError"}
        assert not attempt.keys() & {"body", "logs", "worker"}

    async def test_have_their_earlier_attempts(
        self, owner: User, sign_in: SignIn, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driven.start()
        for number in range(4):
            driven.claim("#.a").log("#.a", *[f"{number} " + "l" * 5_000] * 10)
            retry_later(driven, "#.a")
        monkeypatch.setattr(details, "ATTEMPTS_LIMIT", 360_000)
        answer = await (await sign_in(owner)).answer_to(get_task(driven.id, "#.a"))
        assert [attempt["attempt"] for attempt in answer["attempts"]] == [1, 2, 3, 4]
        assert [len(attempt.get("logs", ())) for attempt in answer["attempts"]] == [0, 0, 30, 40]
        assert answer["omitted"] == ["attempts.logs"]

    async def test_are_stale_after_what_they_build_on_ran_again(self, owner: User, sign_in: SignIn, done: str) -> None:
        jobs.execute_one_task(done, "#.small")
        answer = await (await sign_in(owner)).answer_to(get_task(done, "#.last"))
        assert answer["task"]["stale"] == "#.small"
        answer = await (await sign_in(owner)).answer_to(get_task(done, "#.small"))
        assert answer["task"]["stale"] is None

    async def test_are_read_without_all_the_others(
        self, owner: User, sign_in: SignIn, done: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs.execute_one_task(done, "#.long")

        def too_much(*args: Any) -> None:
            raise StorageUnavailable(storage="redis", reason="it would have to read the whole instance")

        monkeypatch.setattr(type(jobs.storage), "snapshot", too_much)
        answer = await (await sign_in(owner)).answer_to(get_task(done, "#.huge"))
        assert answer["task"]["stale"] == "#.long"

    async def test_that_are_not_there(self, owner: User, viewer: User, sign_in: SignIn, done: str) -> None:
        socket = await sign_in(owner)
        for path in ("#.nowhere", "#", "../../etc/passwd"):
            answer = await socket.answer_to(get_task(done, path))
            assert (answer["error"]["code"], answer["id"]) == ("CANNOT_FIND_TASK", done)
        answer = await socket.answer_to(get_task("nobody-knows", "#.last"))
        assert answer["error"]["code"] == "INSTANCE_NOT_FOUND"

    async def test_of_others_are_not_there(self, make_user: Callable[..., User], sign_in: SignIn, done: str) -> None:
        socket = await sign_in(await sync_to_async(make_user)("stranger"))
        for message in (get_task(done, "#.last"), get_logs(done, "#.last")):
            assert (await socket.answer_to(message))["error"]["code"] == "INSTANCE_NOT_FOUND"


def retry_later(driven: DrivenInstance, path: str) -> None:
    """Fail a claimed task that is tried again at once."""
    error = {"code": "EXECUTION_FAILED", "type": "ValueError", "message": "a secret"}
    outcome = Outcome("failed", error=error, traceback="a secret")
    token = driven._tokens[path]
    assert driven.storage.retry(driven.id, path, driven.run, token=token, outcome=outcome, delay=0).recorded
    for due in driven.storage.due(limit=10):
        assert driven.storage.release(due.instance_id, due.path, due.run)


@pytest.fixture
def logged(driven: DrivenInstance) -> DrivenInstance:
    driven.start().claim("#.a").log("#.a", *(f"line {number}" for number in range(500)))
    return driven


class TestLogs:
    @pytest.mark.parametrize(
        ("fields", "start", "count"),
        [
            ({}, 300, 200),
            ({"limit": 1}, 499, 1),
            ({"from": 0}, 0, 200),
            ({"from": 450}, 450, 50),
            ({"from": 10, "limit": 3}, 10, 3),
            ({"from": 500}, 500, 0),
            ({"from": 900}, 500, 0),
            ({"limit": 1000, "from": None}, 0, 500),
        ],
        ids=str,
    )
    async def test_are_given_from_anywhere(
        self, owner: User, sign_in: SignIn, logged: DrivenInstance, fields: dict[str, Any], start: int, count: int
    ) -> None:
        answer = await (await sign_in(owner)).answer_to(get_logs(logged.id, **fields))
        assert (answer["type"], answer["from"], answer["total"]) == ("taskLogs", start, 500)
        assert answer["lines"] == [f"line {number}" for number in range(start, start + count)]

    async def test_that_are_long_come_in_parts(self, owner: User, sign_in: SignIn, driven: DrivenInstance) -> None:
        driven.start().claim("#.a").log("#.a", *("é" * 8_000 for _ in range(60)))
        socket = await sign_in(owner)
        read = 0
        while read < 60:
            answer = await socket.answer_to(get_logs(driven.id, **{"from": read}))
            assert len(json.dumps(answer)) < 1_000_000
            assert answer["from"] == read
            read += len(answer["lines"])
        answer = await socket.answer_to(get_logs(driven.id))
        assert answer["from"] + len(answer["lines"]) == answer["total"] == 60

    async def test_that_grow_meanwhile_are_read_again(
        self, logged: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late = ["late 1", "late 2"]
        read = type(jobs.storage).get_logs

        def growing(*args: Any, **kwargs: Any) -> Any:
            lines = read(*args, **kwargs)
            if late:
                logged.log("#.a", late.pop(0))
            return lines

        monkeypatch.setattr(type(jobs.storage), "get_logs", growing)
        part = read_logs(logged.id, "#.a", None, 3)
        assert (part.start, part.lines, part.total) == (499, ["line 499", "late 1", "late 2"], 502)

    async def test_that_grow_from_a_line_or_two_are_read_again(
        self, driven: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driven.start().claim("#.a").log("#.a", "first")
        read = type(jobs.storage).get_logs

        def growing(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(type(jobs.storage), "get_logs", read)
            lines = read(*args, **kwargs)
            driven.log("#.a", "second", "third")
            return lines

        monkeypatch.setattr(type(jobs.storage), "get_logs", growing)
        part = read_logs(driven.id, "#.a", None, 100)
        assert (part.start, part.lines, part.total) == (0, ["first", "second", "third"], 3)

    async def test_that_are_read_to_their_end_cost_a_number(
        self, logged: DrivenInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def needless(*args: Any, **kwargs: Any) -> None:
            raise AssertionError("nothing is to be read of the log, or of what the task worked on")

        for name in ("get_logs", "get_task", "snapshot"):
            monkeypatch.setattr(type(jobs.storage), name, needless)
        part = read_logs(logged.id, "#.a", 500, 100)
        assert (part.start, part.lines, part.total) == (500, [], 500)
        part = read_logs(logged.id, "#.b", None, 100)
        assert (part.start, part.lines, part.total) == (0, [], 0)

    async def test_that_are_no_longer_kept_begin_later(self, driven: DrivenInstance) -> None:
        driven.start().claim("#.a")
        for _ in range(11):
            driven.log("#.a", *map(str, range(1000)))
        part = read_logs(driven.id, "#.a", 5, 2)
        assert (part.start, part.lines, part.total) == (1000, ["0", "1"], 11_000)

    async def test_are_not_for_those_who_may_only_look(
        self, viewer: User, sign_in: SignIn, logged: DrivenInstance
    ) -> None:
        answer = await (await sign_in(viewer)).answer_to(get_logs(logged.id))
        assert answer["error"]["code"] == "FORBIDDEN"
        assert "logs" in answer["error"]["message"]

    async def test_of_what_is_not_there(self, owner: User, sign_in: SignIn, logged: DrivenInstance) -> None:
        socket: Socket = await sign_in(owner)
        answer = await socket.answer_to(get_logs(logged.id, "#.nowhere"))
        assert answer["error"]["code"] == "CANNOT_FIND_TASK"
        assert (await socket.answer_to(get_logs(logged.id, "#.b")))["lines"] == []


class TestTrouble:
    async def test_that_staleness_cannot_be_told_costs_nothing_else(
        self, owner: User, sign_in: SignIn, done: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*args: Any) -> None:
            raise StorageUnavailable(storage="redis", reason="refused")

        monkeypatch.setattr(DjangoJobs, "get_stale_cause", away)
        answer = await (await sign_in(owner)).answer_to(get_task(done, "#.last"))
        assert (answer["task"]["status"], answer["task"]["stale"]) == ("ok", None)
