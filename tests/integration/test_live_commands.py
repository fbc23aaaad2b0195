"""Commands over the socket: created, resumed, cancelled, paused, reset, destroyed, updaters set."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission

from jobs_flow import Task, workflow
from jobs_flow.workflows.selection import select_all
from jobs_flow_django import jobs
from jobs_flow_django.models import WorkflowInstance
from tests.integration.test_live_consumer import SNAPSHOT, SignIn, Socket, User, make_user, owner, sign_in, watch
from tests.support.eventually import aeventually
from tests.support.live import Watcher

__all__ = ["make_user", "owner", "sign_in"]

pytestmark = pytest.mark.django_db(transaction=True)

failing: set[str] = set()
gate = threading.Event()


@workflow("live_commands")
def commands(data: Any) -> list[Task]:
    def second(res: Any) -> str:
        if "second" in failing:
            raise ValueError("not today")
        return "second"

    return [
        Task("first", lambda res: "first", dest="first"),
        Task("second", second),
        Task("third", lambda res, job: job.context.get("extra"), subtasks=[Task("leaf", lambda res: 1)]),
    ]


@workflow("live_waiting")
def waiting(data: Any) -> list[Task]:
    return [Task("wait", lambda res: gate.wait(60))]


PATHS = ["#.first", "#.second", "#.third", "#.third.leaf"]


@pytest.fixture(autouse=True)
def _sync_jobs(settings: Any) -> None:
    settings.JOBS_FLOW = {"STORAGE": "memory://", "BACKEND": "sync"}
    failing.clear()


def begin(instance_id: str) -> None:
    """A run whose first task no worker has taken yet."""
    plan = jobs.runtime.plan_of(jobs.runtime.header(instance_id))
    jobs.storage.start_run(instance_id, select_all(plan))


@pytest.fixture
def mine(owner: User) -> str:
    return jobs.create_workflow_instance("live_commands", owner=owner)


@pytest.fixture
def able(make_user: Callable[..., User]) -> Callable[..., User]:
    """Makes a user with permissions."""

    def make(name: str, *codenames: str) -> User:
        user = make_user(name)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return make


def message(kind: str, instance_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "workflowId": instance_id, **fields}


def hold(instance_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a run that nobody executes."""
    with monkeypatch.context() as patched:
        patched.setattr(jobs.backend, "dispatch", lambda work: None)
        jobs.execute_all_tasks(instance_id)


class TestCreating:
    def ask(self, **fields: Any) -> dict[str, Any]:
        return {"type": "createWorkflowInstance", "workflow": "live_commands", **fields}

    async def test_makes_an_instance_of_the_callers_own(self, able: Any, sign_in: SignIn) -> None:
        user = await sync_to_async(able)("maker", "add_workflowinstance")
        socket = await sign_in(user)
        ack = await socket.answer_to(self.ask(data={"a": 1}, realm="r", name="N", execute=True))
        row = await WorkflowInstance.objects.aget(pk=ack["id"])
        assert (row.owner_id, row.data, row.realm, row.name, row.status) == (user.pk, {"a": 1}, "r", "N", "done")
        assert (await socket.answer_to(watch(ack["id"])))["type"] == "ack"

    async def test_once_for_a_key(self, able: Any, sign_in: SignIn) -> None:
        user = await sync_to_async(able)("maker", "add_workflowinstance")
        sockets = [await sign_in(user) for _ in range(4)]
        answers = await asyncio.gather(*(each.answer_to(self.ask(key="k", execute=True)) for each in sockets))
        assert len({answer["id"] for answer in answers}) == 1
        assert (await WorkflowInstance.objects.aget()).run == 1

    async def test_a_key_of_somebody_elses_is_taken(self, able: Any, sign_in: SignIn) -> None:
        users = [await sync_to_async(able)(name, "add_workflowinstance") for name in ("one", "two")]
        first = await (await sign_in(users[0])).answer_to(self.ask(key="k"))
        answer = await (await sign_in(users[1])).answer_to(self.ask(key="k"))
        assert answer["error"]["code"] == "INVALID_ARGUMENT"
        assert first["id"] not in str(answer)

    async def test_a_key_of_somebody_elses_starts_nothing(self, able: Any, sign_in: SignIn) -> None:
        users = [await sync_to_async(able)(name, "add_workflowinstance") for name in ("one", "two")]
        users.append(await sync_to_async(able)("three", "add_workflowinstance", "view_workflowinstance"))
        await (await sign_in(users[0])).answer_to(self.ask(key="k"))
        answers = [await (await sign_in(user)).answer_to(self.ask(key="k", execute=True)) for user in users[1:]]
        assert [answer["error"]["code"] for answer in answers] == ["INVALID_ARGUMENT", "FORBIDDEN"]
        assert (await WorkflowInstance.objects.aget()).run == 0
        await (await sign_in(users[0])).answer_to(self.ask(key="k", execute=True))
        assert (await WorkflowInstance.objects.aget()).run == 1

    async def test_needs_the_permission(self, owner: User, sign_in: SignIn) -> None:
        answer = await (await sign_in(owner)).answer_to(self.ask())
        assert answer["error"] == {"code": "FORBIDDEN", "message": "You may not create workflow instances."}
        assert not await WorkflowInstance.objects.aexists()

    async def test_unknown_workflows_are_an_error(self, able: Any, sign_in: SignIn) -> None:
        user = await sync_to_async(able)("maker", "add_workflowinstance")
        answer = await (await sign_in(user)).answer_to(self.ask(workflow="nobody_knows"))
        assert answer["error"]["code"] == "UNKNOWN_WORKFLOW"


class TestGoingOn:
    async def test_a_preview_says_what_would_run_and_starts_nothing(
        self, owner: User, sign_in: SignIn, mine: str
    ) -> None:
        socket = await sign_in(owner)
        ack = await socket.answer_to(message("resumeWorkflow", mine, mode="all", preview=True))
        assert ack["paths"] == ["#.first", "#.second", "#.third", "#.third.leaf"]
        assert (await jobs.aget_workflow(mine))["run"] == 0

    async def test_resumes_what_failed(self, owner: User, sign_in: SignIn, mine: str) -> None:
        failing.add("second")
        await jobs.aexecute_all_tasks(mine)
        failing.clear()
        ack = await (await sign_in(owner)).answer_to(message("resumeWorkflow", mine))
        assert (ack["type"], ack["id"], ack["run"]) == ("ack", mine, 2)
        runs = {path: record["run"] for path, record in (await jobs.asnapshot(mine)).tasks.items()}
        assert runs == {"#.first": 1, "#.second": 2, "#.third": 2, "#.third.leaf": 2}

    async def test_by_mode_and_from_a_path(self, owner: User, sign_in: SignIn, mine: str) -> None:
        await jobs.aexecute_all_tasks(mine)
        socket = await sign_in(owner)
        refused = await socket.answer_to(message("resumeWorkflow", mine))
        assert refused["error"]["code"] == "CANNOT_START_TASK"
        assert (await socket.answer_to(message("resumeWorkflow", mine, mode="all")))["run"] == 2
        assert (await socket.answer_to(message("resumeWorkflow", mine, taskPath="#.third")))["run"] == 3
        runs = {path: record["run"] for path, record in (await jobs.asnapshot(mine)).tasks.items()}
        assert runs == {"#.first": 2, "#.second": 2, "#.third": 3, "#.third.leaf": 3}

    async def test_resets(self, owner: User, sign_in: SignIn, mine: str) -> None:
        await jobs.aexecute_all_tasks(mine)
        socket = await sign_in(owner)
        await socket.answer_to(message("resetWorkflow", mine, taskPath="#.third"))
        statuses = {path: record["status"] for path, record in (await jobs.asnapshot(mine)).tasks.items()}
        assert statuses == dict(zip(PATHS, ["ok", "ok", "inactive", "inactive"], strict=True))
        await socket.answer_to(message("resetWorkflow", mine))
        assert {r["status"] for r in (await jobs.asnapshot(mine)).tasks.values()} == {"inactive"}


class TestStopping:
    async def test_cancels(self, owner: User, sign_in: SignIn, mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
        await sync_to_async(hold)(mine, monkeypatch)
        socket = await sign_in(owner)
        assert (await socket.answer_to(message("cancelWorkflow", mine)))["changed"] is True
        assert (await jobs.aget_workflow(mine))["status"] == "cancelled"
        assert (await socket.answer_to(message("cancelWorkflow", mine)))["changed"] is False

    async def test_watchers_hear_of_pause_and_cancellation(
        self, owner: User, sign_in: SignIn, mine: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await sync_to_async(hold)(mine, monkeypatch)
        socket, watcher = await sign_in(owner), Watcher()
        await socket.ask(watch(mine))
        for answer in await socket.answers(*SNAPSHOT):
            watcher.receive(answer)
        assert (watcher.instance["paused"], watcher.instance["cancelled"], watcher.instance["undo"]) == (
            False,
            [],
            None,
        )

        async def hear(done: Callable[[], bool]) -> None:
            while not done():
                watcher.receive(await socket.answer())

        other = await sign_in(owner)
        await other.answer_to(message("pauseWorkflow", mine))
        await hear(lambda: watcher.instance["paused"] is True)
        await other.answer_to(message("unpauseWorkflow", mine))
        await hear(lambda: watcher.status == "done" and not watcher.instance["paused"])

    async def test_pausing_twice_changes_nothing(self, owner: User, sign_in: SignIn, mine: str) -> None:
        socket = await sign_in(owner)
        assert (await socket.answer_to(message("pauseWorkflow", mine)))["changed"] is False, "nothing is working"
        await sync_to_async(begin)(mine)
        kinds = ("pauseWorkflow", "pauseWorkflow", "unpauseWorkflow", "pauseWorkflow")
        changed = [(await socket.answer_to(message(kind, mine)))["changed"] for kind in kinds]
        assert changed == [True, False, True, False]


class TestDestroying:
    async def test_ends_all_watches(self, able: Any, owner: User, sign_in: SignIn, mine: str) -> None:
        remover = await sync_to_async(able)("remover", "view_workflowinstance", "delete_workflowinstance")
        watching, socket = await sign_in(owner), await sign_in(remover)
        await watching.ask(watch(mine))
        await watching.answers(*SNAPSHOT)
        assert (await socket.answer_to(message("destroyWorkflow", mine)))["changed"] is True
        status, deleted = await watching.answers("setWorkflowStatus", "workflowDeleted")
        assert (status["id"], status["status"]) == (mine, "deleted")
        assert deleted == {"type": "workflowDeleted", "id": mine}
        assert not await WorkflowInstance.objects.aexists()
        for each in (watching, socket):
            answer = await each.answer_to(watch(mine))
            assert (answer["type"], answer["error"]["code"]) == ("appError", "INSTANCE_NOT_FOUND")

    async def test_an_update_is_told_with_its_description(self, owner: User, sign_in: SignIn, mine: str) -> None:
        socket, watcher = await sign_in(owner), Watcher()
        await socket.ask(watch(mine))
        for answer in await socket.answers(*SNAPSHOT):
            watcher.receive(answer)
        await jobs.aupdate_workflow(mine, {"name": {"$set": "Renamed"}, "workflow": {"$set": "live_other"}})
        while watcher.types[-3:] != list(SNAPSHOT) or len(watcher.messages) < 6:
            watcher.receive(await socket.answer())
        assert [task["path"] for task in watcher.tree] == ["#.first", "#.new"]
        assert set(watcher.statuses) == {"#.first", "#.new"}
        await aeventually(lambda: _row_name(mine))


@sync_to_async
def _row_name(instance_id: str) -> bool:
    row = WorkflowInstance.objects.get(pk=instance_id)
    return (row.name, row.workflow) == ("Renamed", "live_other")


@workflow("live_other")
def other_tasks(data: Any) -> list[Task]:
    return [Task("first", lambda res: 1), Task("new", lambda res: 2)]


class TestUpdaters:
    async def test_are_replaced_and_replayed(self, able: Any, sign_in: SignIn, mine: str) -> None:
        user = await sync_to_async(able)("editor", "view_workflowinstance", "change_workflowinstance")
        await jobs.aexecute_all_tasks(mine)
        socket = await sign_in(user)
        updaters = [{"extra": {"$set": 7}}]
        ack = await socket.answer_to(message("setContextUpdaters", mine, taskPath="#.first", updaters=updaters))
        assert (ack["type"], ack["changed"]) == ("ack", True)
        await jobs.aexecute_one_task(mine, "#.third")
        assert (await jobs.aget_task(mine, "#.third"))["body"] == 7

    async def test_wrong_ones_are_refused(self, able: Any, sign_in: SignIn, mine: str) -> None:
        user = await sync_to_async(able)("editor", "view_workflowinstance", "change_workflowinstance")
        await jobs.aexecute_all_tasks(mine)
        socket = await sign_in(user)
        for updaters in ([{"$explode": 1}], [7], ["$set"]):
            answer = await socket.answer_to(message("setContextUpdaters", mine, taskPath="#.first", updaters=updaters))
            assert answer["error"]["code"] == "INVALID_UPDATER", updaters


EVERY = {
    "resumeWorkflow": {},
    "cancelWorkflow": {},
    "pauseWorkflow": {},
    "unpauseWorkflow": {},
    "resetWorkflow": {},
    "destroyWorkflow": {},
    "setContextUpdaters": {"taskPath": "#.first", "updaters": []},
}


class TestPermissions:
    @pytest.mark.parametrize("kind", EVERY)
    async def test_strangers_are_told_that_there_is_none(
        self, kind: str, make_user: Any, sign_in: SignIn, mine: str
    ) -> None:
        socket = await sign_in(await sync_to_async(make_user)("stranger"))
        answer = await socket.answer_to(message(kind, mine, **EVERY[kind]))
        assert answer["error"]["code"] == "INSTANCE_NOT_FOUND"
        assert await WorkflowInstance.objects.aexists()

    @pytest.mark.parametrize("kind", EVERY)
    async def test_viewers_may_only_look(self, kind: str, able: Any, sign_in: SignIn, mine: str) -> None:
        socket = await sign_in(await sync_to_async(able)("viewer", "view_workflowinstance"))
        answer = await socket.answer_to(message(kind, mine, **EVERY[kind]))
        assert answer["error"]["code"] == "FORBIDDEN"
        assert await WorkflowInstance.objects.aexists()

    async def test_owners_may_not_destroy_or_edit(self, owner: User, sign_in: SignIn, mine: str) -> None:
        socket: Socket = await sign_in(owner)
        for kind in ("destroyWorkflow", "setContextUpdaters"):
            answer = await socket.answer_to(message(kind, mine, **EVERY[kind]))
            assert answer["error"]["code"] == "FORBIDDEN"


class TestValidation:
    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            ({"type": "createWorkflowInstance"}, "workflow is missing"),
            ({"type": "createWorkflowInstance", "workflow": "w", "key": 7}, "key is missing or not a string"),
            ({"type": "createWorkflowInstance", "workflow": "w", "key": ""}, "key is empty"),
            ({"type": "createWorkflowInstance", "workflow": "w", "key": "k" * 201}, "longer than 200"),
            ({"type": "createWorkflowInstance", "workflow": "w", "realm": []}, "realm is missing or not a string"),
            ({"type": "createWorkflowInstance", "workflow": "w", "execute": 1}, "execute is not true or false"),
            ({"type": "resumeWorkflow", "workflowId": "i", "mode": "some"}, "mode is not one of failed"),
            ({"type": "resumeWorkflow", "workflowId": "i", "mode": ["all"]}, "mode is not one of"),
            ({"type": "resumeWorkflow", "workflowId": "i", "taskPath": 1}, "taskPath is missing or not a string"),
            ({"type": "cancelWorkflow", "workflowId": "i", "undo": "yes"}, "undo is not true or false"),
            ({"type": "cancelWorkflow"}, "workflowId is missing"),
            ({"type": "pauseWorkflow", "workflowId": ""}, "workflowId is empty"),
            ({"type": "resetWorkflow", "workflowId": "i", "taskPath": ""}, "taskPath is empty"),
            ({"type": "destroyWorkflow", "workflowId": None}, "workflowId is missing"),
            ({"type": "setContextUpdaters", "workflowId": "i", "taskPath": "#.a"}, "updaters is missing"),
            ({"type": "setContextUpdaters", "workflowId": "i", "taskPath": "#.a", "updaters": {}}, "not a list"),
            ({"type": "setContextUpdaters", "workflowId": "i", "updaters": []}, "taskPath is missing"),
        ],
    )  # fmt: skip
    async def test_what_is_malformed_is_refused(
        self, request_: dict[str, Any], reason: str, owner: User, sign_in: SignIn
    ) -> None:
        answer = await (await sign_in(owner)).answer_to(request_)
        assert answer["error"]["code"] == "MALFORMED_MESSAGE"
        assert reason in answer["error"]["message"]


class TestSlowStarts:
    """Of those whose broker is away, say; here they wait for their run."""

    @pytest.fixture(autouse=True)
    def _gate(self) -> Iterator[None]:
        gate.clear()
        yield
        gate.set()

    async def test_hold_up_nobody_who_reads_or_stops_something(self, owner: User, sign_in: SignIn, mine: str) -> None:
        ids = [await sync_to_async(jobs.create_workflow_instance)("live_waiting", owner=owner) for _ in range(40)]
        sockets = [await sign_in(owner) for _ in ids]
        starts = [
            asyncio.create_task(socket.answer_to(message("executeAllTasks", id), timeout=60))
            for socket, id in zip(sockets, ids, strict=True)
        ]
        reader = await sign_in(owner)
        try:
            running = await aeventually(
                lambda: next((id for id in ids if jobs.get_workflow(id)["status"] == "working"), None), timeout=30
            )
            details = await reader.answer_to(message("getTask", mine, taskPath="#.first"))
            assert details["type"] == "taskDetails"
            assert (await reader.answer_to(watch(mine)))["type"] == "ack"
            paused = await reader.answer_to(message("pauseWorkflow", running))
            assert (paused["type"], paused["changed"]) == ("ack", True)
            assert not any(start.done() for start in starts)
        finally:
            gate.set()
        answers = await asyncio.gather(*starts)
        assert {answer["type"] for answer in answers} == {"ack"}
