"""One behaviour over every door: Python, the WebSocket, HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.test import Client

from jobs_flow import Task, workflow
from jobs_flow.errors import JobsFlowError
from jobs_flow_django import jobs
from tests.integration.test_live_consumer import Socket, User, make_user, run_all, run_one, sign_in, watch
from tests.integration.test_live_http import DOOR
from tests.support.live import Watcher

__all__ = ["make_user", "sign_in"]

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING: Any = object()
called_with: dict[str, Any] = {}


@workflow("live_chain")
def chain(data: Any) -> list[Task]:
    """What a task was called with, and what the context's ``extra`` was, stay in ``called_with``."""

    def note(name: str, result: Any) -> Callable[..., Any]:
        def task(res: Any, job: Any) -> Any:
            called_with[name] = res
            called_with[f"{name} extra"] = job.context.get("extra", NOTHING)
            return result

        return task

    return [
        Task("first", note("first", {"of": "first"})),
        Task("second", note("second", [2])),
        Task("third", note("third", None)),
    ]


class Refused(Exception):
    """With the code of the error."""


class Door(Protocol):
    """A way in."""

    async def run_all(self, instance_id: str, argument: Any = NOTHING) -> None: ...
    async def run_one(self, instance_id: str, path: str, argument: Any = NOTHING) -> None: ...
    async def set_updaters(self, instance_id: str, path: str, updaters: Any) -> None: ...


class PythonDoor:
    """The facade."""

    async def run_all(self, instance_id: str, argument: Any = NOTHING) -> None:
        await self._call(jobs.execute_all_tasks, instance_id, *_given(argument))

    async def run_one(self, instance_id: str, path: str, argument: Any = NOTHING) -> None:
        await self._call(jobs.execute_one_task, instance_id, path, *_given(argument))

    async def set_updaters(self, instance_id: str, path: str, updaters: Any) -> None:
        await self._call(jobs.set_context_updaters, instance_id, path, updaters)

    async def _call(self, method: Callable[..., Any], *args: Any) -> None:
        try:
            await sync_to_async(method)(*args)
        except JobsFlowError as error:
            raise Refused(error.code) from error


class MessageDoor:
    """Requests of the protocol. ``answer_to`` gives the answer to one."""

    def __init__(self, answer_to: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
        self._answer_to = answer_to

    async def run_all(self, instance_id: str, argument: Any = NOTHING) -> None:
        await self._ask(run_all(instance_id, **_field("initialArg", argument)))

    async def run_one(self, instance_id: str, path: str, argument: Any = NOTHING) -> None:
        await self._ask(run_one(instance_id, path, **_field("arg", argument)))

    async def set_updaters(self, instance_id: str, path: str, updaters: Any) -> None:
        kind = {"type": "setContextUpdaters", "workflowId": instance_id, "taskPath": path, "updaters": updaters}
        await self._ask(kind)

    async def _ask(self, message: dict[str, Any]) -> None:
        answer = await self._answer_to(message)
        if answer["type"] != "ack":
            assert answer["type"] == "appError"
            assert answer["error"]["message"]
            raise Refused(answer["error"]["code"])


def _given(argument: Any) -> tuple[Any, ...]:
    return () if argument is NOTHING else (argument,)


def _field(name: str, argument: Any) -> dict[str, Any]:
    return {} if argument is NOTHING else {name: argument}


@pytest.fixture(autouse=True)
def _sync_jobs(settings: Any) -> None:
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
    called_with.clear()


@pytest.fixture
def runner(make_user: Callable[..., User]) -> User:
    """May do what these tests do."""
    user = make_user("runner")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="workflowinstance"))
    return user


@pytest.fixture(params=["python", "websocket", "http"])
async def door(request: pytest.FixtureRequest, runner: User, sign_in: Callable[..., Any]) -> AsyncIterator[Door]:
    if request.param == "python":
        yield PythonDoor()
    elif request.param == "websocket":
        socket: Socket = await sign_in(runner)
        yield MessageDoor(socket.answer_to)
    else:
        client = Client()
        await sync_to_async(client.force_login)(runner)

        async def post(message: dict[str, Any]) -> dict[str, Any]:
            response = await sync_to_async(client.post)(DOOR, message, content_type="application/json")
            answer: dict[str, Any] = response.json()
            return answer

        yield MessageDoor(post)


@pytest.fixture
def chained(runner: User) -> str:
    return jobs.create_workflow_instance("live_chain", owner=runner)


def received() -> dict[str, Any]:
    return {name: value for name, value in called_with.items() if not name.endswith("extra")}


class TestArguments:
    """Feature S23."""

    async def test_without_one_the_first_task_gets_an_empty_dict_and_the_others_the_result_before(
        self, door: Door, chained: str
    ) -> None:
        await door.run_all(chained)
        assert received() == {"first": {}, "second": {"of": "first"}, "third": [2]}
        called_with.clear()
        await door.run_one(chained, "#.third")
        await door.run_one(chained, "#.first")
        assert received() == {"first": {}, "third": [2]}

    @pytest.mark.parametrize("argument", [7, 0, "", False, [], {}, None, {"a": [None]}], ids=repr)
    async def test_an_explicit_one_wins_falsy_or_not(self, door: Door, chained: str, argument: Any) -> None:
        await door.run_all(chained, argument)
        assert received() == {"first": argument, "second": {"of": "first"}, "third": [2]}
        assert type(called_with["first"]) is type(argument)
        called_with.clear()
        await door.run_one(chained, "#.third", argument)
        assert received() == {"third": argument}
        assert type(called_with["third"]) is type(argument)


class TestUpdaters:
    """Feature S32."""

    async def test_are_replaced_and_later_tasks_see_the_context_they_give(
        self, door: Door, chained: str, runner: User, sign_in: Callable[..., Any]
    ) -> None:
        await door.run_all(chained)
        assert called_with["third extra"] is NOTHING
        watcher: Socket = await sign_in(runner)
        await watcher.answer_to(watch(chained))
        await door.set_updaters(chained, "#.second", [{"extra": {"$set": [1]}}, {"extra": {"$push": [2]}}])
        known = Watcher()
        while "#.second" not in known.statuses:
            known.receive(await watcher.answer())
        await door.run_one(chained, "#.third")
        assert called_with["third extra"] == [1, 2]

    @pytest.mark.parametrize(
        ("path", "updaters", "code"),
        [
            pytest.param("#.second", [{"extra": {"$explode": 1}}], "INVALID_UPDATER", id="unknown operator"),
            pytest.param("#.second", ["text"], "INVALID_UPDATER", id="no dict"),
            pytest.param("#.nowhere", [], "CANNOT_FIND_TASK", id="no such task"),
        ],
    )
    async def test_that_are_wrong_are_refused(
        self, door: Door, chained: str, path: str, updaters: Any, code: str
    ) -> None:
        await door.run_all(chained)
        with pytest.raises(Refused, match=code):
            await door.set_updaters(chained, path, updaters)

    async def test_of_a_task_that_has_not_run_are_refused(self, door: Door, chained: str) -> None:
        with pytest.raises(Refused, match="INVALID_ARGUMENT"):
            await door.set_updaters(chained, "#.second", [])


class TestRefusals:
    async def test_are_the_same(self, door: Door, chained: str) -> None:
        for call, code in (
            (door.run_one(chained, "#.nowhere"), "CANNOT_FIND_TASK"),
            (door.run_one(chained, "#.third"), "CANNOT_START_TASK"),
            (door.run_one(chained, "no path"), "INVALID_PATH"),
        ):
            with pytest.raises(Refused, match=code):
                await call
        assert called_with == {}
