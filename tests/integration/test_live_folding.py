"""Wide instances and hidden pages, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect

from jobs_flow import Task
from jobs_flow.errors import InvalidArgument
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow_django.live.journal import FAR, KEPT
from jobs_flow_django.models import WorkflowInstance
from tests.support.live import DrivenInstance, FoldedWatcher, idle
from tests.support.processes import WebServer

pytestmark = pytest.mark.django_db(transaction=True)


class Page:
    """One socket and what it is told of one instance."""

    def __init__(self, socket: ClientConnection, instance_id: str) -> None:
        self.socket = socket
        self.id = instance_id
        self.watcher = FoldedWatcher()
        self.size = 0

    async def ask(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that meets the condition."""
        while True:
            text = await asyncio.wait_for(self.socket.recv(), 30)
            self.size += len(text)
            message: dict[str, Any] = json.loads(text)
            self.watcher.receive(message)
            if condition(message):
                return message

    async def answer(self, ref: str) -> dict[str, Any]:
        return await self.until(lambda message: message.get("ref") == ref)

    async def watch(self, **fields: Any) -> None:
        await self.ask("watchWorkflowInstance", workflowId=self.id, ref="watch", **fields)
        await self.answer("watch")


Open = Callable[[DrivenInstance], Any]


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_user("reader")


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    made = create_storage(storage_url)
    yield made
    made.close()


@pytest.fixture
async def open_page(user: Any, start_web: Callable[..., WebServer]) -> AsyncIterator[Open]:
    server = await asyncio.to_thread(start_web, "tests.support.live_site:application")
    client = Client()
    await sync_to_async(client.force_login)(user)
    sockets: list[ClientConnection] = []

    async def open_it(driven: DrivenInstance) -> Page:
        cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
        url = f"{server.websocket_url}/ws/jobs-flow/"
        socket = await connect(url, origin=server.url, compression=None, max_size=None, additional_headers=cookie)  # type: ignore[arg-type]
        sockets.append(socket)
        fields = {"id": driven.id, "workflow": "driven", "fingerprint": "f", "owner": user}
        await sync_to_async(WorkflowInstance.objects.get_or_create)(id=driven.id, defaults=fields)
        return Page(socket, driven.id)

    yield open_it
    for socket in sockets:
        await socket.close()


def wide(storage: Storage, width: int) -> DrivenInstance:
    """A task with so many subtasks, which are queued."""
    declared = Task("split", idle, subtasks=[Task(f"s{number}", idle) for number in range(width)])
    return DrivenInstance(storage, [declared, "gather"]).create().start().complete("#.split")


class TestWideInstances:
    async def test_are_watched_through_a_window(self, storage: Storage, open_page: Open) -> None:
        driven = await asyncio.to_thread(wide, storage, 10_000)
        page, late = await open_page(driven), await open_page(driven)
        await page.watch(fold=100)

        watcher = page.watcher
        assert page.size < 200_000
        assert watcher.counts == {"ok": 1, "queued": 10_000, "inactive": 1}
        assert watcher.blocks == {"#.split": {"queued": 10_000}}
        [split, _] = watcher.tree
        assert (split["total"], split["from"], len(split["children"])) == (10_000, 0, 100)
        assert len(watcher.statuses) == 102

        await asyncio.to_thread(driven.complete, "#.split.s5000", "#.split.s7")
        await page.until(lambda message: watcher.counts.get("ok") == 3)
        assert "#.split.s5000" not in watcher.statuses
        assert watcher.statuses["#.split.s7"]["body"] == {"of": "#.split.s7"}

        await page.ask("setWindow", workflowId=driven.id, taskPath="#.split", **{"from": 4_990}, ref="move")
        answer = await page.answer("move")
        assert (answer["type"], answer["from"], answer["total"]) == ("workflowBlock", 4_990, 10_000)
        assert answer["statuses"]["#.split.s5000"]["body"] == {"of": "#.split.s5000"}
        await asyncio.to_thread(driven.complete, "#.split.s4999")
        await page.until(lambda message: watcher.status_of("#.split.s4999") == "ok")

        await late.watch(fold=100)
        assert late.watcher.counts == watcher.counts == {"ok": 4, "queued": 9_998 - 1, "inactive": 1}

    async def test_moves_need_a_watch_that_folds(self, storage: Storage, open_page: Open) -> None:
        driven = await asyncio.to_thread(wide, storage, 20)
        page = await open_page(driven)
        await page.watch()
        await page.ask("setWindow", workflowId=driven.id, taskPath="#.split", **{"from": 0}, ref="move")
        answer = await page.answer("move")

        assert (answer["type"], answer["error"]["code"]) == ("appError", "NOT_WATCHED")
        assert len(page.watcher.statuses) == 22


class TestHiddenPages:
    async def test_are_told_nothing_but_answers_and_in_the_end_all_at_once(
        self, storage: Storage, open_page: Open
    ) -> None:
        driven = await asyncio.to_thread(wide, storage, 30)
        page, seen = await open_page(driven), await open_page(driven)
        await page.watch(fold=10)
        await seen.watch()
        await page.ask("setVisibility", visible=False, ref="hide")
        await page.answer("hide")
        told = len(page.watcher.messages)

        def work() -> None:
            driven.claim("#.split.s0").log("#.split.s0", "one", "two").end("#.split.s0", 0)
            driven.complete(*driven.paths[2:-1], "#.gather")

        await asyncio.to_thread(work)
        await seen.until(lambda message: seen.watcher.status == "done" and not message.get("more"))
        await page.ask("setWindow", workflowId=driven.id, taskPath="#.split", **{"from": 5}, ref="move")
        answer = await page.answer("move")
        assert {view["status"] for view in answer["statuses"].values()} == {"ok"}
        assert len(page.watcher.messages) == told + 1

        await page.ask("setVisibility", visible=True, ref="show")
        await page.until(lambda message: page.watcher.status == "done" and not message.get("more"))
        new = [message["type"] for message in page.watcher.messages[told + 1 :] if message["type"] != "ack"]
        assert new == ["setTasksStatuses", "setWorkflowStatus"]
        assert page.watcher.counts == {"ok": 32}
        assert page.watcher.shown == {path: seen.watcher.statuses[path] for path in page.watcher.shown}

    @pytest.mark.parametrize("fold", [{}, {"fold": 10}], ids=["whole", "folded"])
    async def test_who_were_away_for_long_know_all_the_same(
        self, fold: dict[str, int], storage: Storage, open_page: Open
    ) -> None:
        driven = await asyncio.to_thread(wide, storage, 30)
        page, seen = await open_page(driven), await open_page(driven)
        await page.watch(**fold)
        await seen.watch(**fold)
        await page.ask("setVisibility", visible=False, ref="hide")
        await page.answer("hide")
        told = len(page.watcher.messages)

        def work() -> None:
            driven.claim("#.split.s0")
            for number in range(FAR + 2 * KEPT):
                driven.progress("#.split.s0", number / 1_000)
            storage.add_event(driven.id, {"error": InvalidArgument(argument="mode", reason="too early").to_wire()})
            driven.log("#.split.s0", "one", "two").end("#.split.s0", 0)
            driven.complete(*driven.paths[2:-1], "#.gather")

        await asyncio.to_thread(work)
        await seen.until(lambda message: seen.watcher.status == "done" and not message.get("more"))
        assert len(page.watcher.messages) == told
        await page.ask("setVisibility", visible=True, ref="show")
        await page.until(lambda message: message["type"] == "executionError")

        assert [message["type"] for message in page.watcher.messages[told:]].count("workflowDescription") == 1
        assert page.watcher.knowledge == seen.watcher.knowledge
        assert page.watcher.errors == seen.watcher.errors
        assert page.watcher.seq == seen.watcher.seq
