"""Sockets as they are in production: uvicorn in a process of its own, clients of the ``websockets`` library."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psutil
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow_django.live.changes import TASK_LINES
from jobs_flow_django.live.relay import THREADS
from jobs_flow_django.models import WorkflowInstance
from tests.support.eventually import aeventually
from tests.support.live import DrivenInstance, Watcher
from tests.support.processes import WebServer
from tests.support.servers import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "tests.support.live_site:application"
#: Who does not read does not answer pings either, and is not to be hung up on however long a slow machine takes.
NO_PINGS = {"UVICORN_WS_PING_INTERVAL": "3600"}


class Guest:
    """A client; ``async with`` closes it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.watcher = Watcher()

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), 20))
        self.watcher.receive(message)
        return message

    async def receive_until(self, condition: Callable[[Watcher], bool]) -> None:
        while not condition(self.watcher) or self.watcher.messages[-1].get("more"):
            await self.receive()

    async def watch(self, instance_id: str, **fields: Any) -> None:
        request = {"type": "watchWorkflowInstance", "workflowId": instance_id, **fields}
        await self.socket.send(json.dumps(request))


Enter = Callable[..., Awaitable[Guest]]


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_user("reader")


@pytest.fixture
async def enter(user: Any) -> AsyncIterator[Enter]:
    client = Client()
    await sync_to_async(client.force_login)(user)
    sockets: list[ClientConnection] = []

    async def open_socket(server: WebServer, *, signed_in: bool = True, origin: str | None = None) -> Guest:
        cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"} if signed_in else {}
        url = f"{server.websocket_url}/ws/jobs-flow/"
        # Not compressed, so that what is sent needs the room that it says.
        options: dict[str, Any] = {"compression": None, "max_size": None, "additional_headers": cookie}
        # Nor does it ask for signs of life: who has not read for long sees no answer.
        options |= {"ping_interval": None, "open_timeout": 30}
        socket = await connect(url, origin=origin or server.url, **options)
        sockets.append(socket)
        return Guest(socket)

    yield open_socket
    for each in sockets:
        await each.close()


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    made = create_storage(storage_url)
    yield made
    made.close()


@pytest.fixture
def make(user: Any) -> Callable[..., DrivenInstance]:
    def make_instance(storage: Storage, *tasks: str) -> DrivenInstance:
        driven = DrivenInstance(storage, tasks or ("a", "b", "c")).create()
        WorkflowInstance.objects.create(id=driven.id, workflow="driven", fingerprint="f", owner=user)
        return driven

    return make_instance


Make = Callable[..., DrivenInstance]
StartWeb = Callable[..., WebServer]


def _subscriptions(storage: Storage) -> int:
    """How many connections listen to instances of a storage."""
    return sum(int(client["sub"]) > 0 for client in _connections(storage))


def _connections(storage: Storage) -> list[dict[str, str]]:
    """All connections to a storage's database; those of the channel layer come and go as they like."""
    client = storage._client  # type: ignore[attr-defined]
    database = str(client.connection_pool.connection_kwargs.get("db", 0))
    return [each for each in client.client_list() if each["db"] == database]


def _session_of(user: Any) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Stalled:
    """A client that asks to watch and does not read: its socket has room for little, and nobody empties it."""

    def __init__(self, server: WebServer, session: str, instance_id: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(20)
        self._socket.connect(("127.0.0.1", server.port))
        lines = (
            "GET /ws/jobs-flow/ HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"Origin: {server.url}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: c3RhbGxlZCBzdGFsbGVkIQ==",
            "Sec-WebSocket-Version: 13",
            f"Cookie: sessionid={session}",
        )
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._stream = self._socket.makefile("rb", buffering=0)
        while self._stream.readline() != b"\r\n":
            pass
        request = json.dumps({"type": "watchWorkflowInstance", "workflowId": instance_id}).encode()
        self._socket.sendall(bytes((0x81, 0x80 | len(request), 0, 0, 0, 0)) + request)

    def read_to_the_end(self) -> tuple[Watcher, int]:
        """What it is told in the end, and how much that was in all."""
        watcher, size = Watcher(), 0
        with self._socket, io.BufferedReader(self._stream) as stream:
            while watcher.status != "done" or watcher.messages[-1].get("more"):
                length = stream.read(2)[1]
                if length > 125:
                    length = int.from_bytes(stream.read(2 if length == 126 else 8))
                size += length
                watcher.receive(json.loads(stream.read(length)))
        return watcher, size


class TestTwoClients:
    async def test_see_the_same_in_order_and_then_live(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter
    ) -> None:
        server = await asyncio.to_thread(start_web, SITE)
        driven = await sync_to_async(make)(storage)
        guests = [await enter(server) for _ in range(2)]
        for guest in guests:
            await guest.watch(driven.id)
            await guest.receive_until(lambda watcher: bool(watcher.statuses))
            assert guest.watcher.types == ["hello", "workflowDescription", "setWorkflowStatus", "setTasksStatuses"]
            assert guest.watcher.statuses.keys() == set(driven.paths)

        await asyncio.to_thread(lambda: driven.start().complete())
        for guest in guests:
            await guest.receive_until(lambda watcher: watcher.status == "done")
        assert guests[0].watcher.knowledge == guests[1].watcher.knowledge
        assert {record["status"] for record in guests[0].watcher.statuses.values()} == {"ok"}

    async def test_of_two_web_processes_see_the_same(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter
    ) -> None:
        servers = [await asyncio.to_thread(start_web, SITE, name=f"web{number}") for number in range(2)]
        driven = await sync_to_async(make)(storage)
        guests = [await enter(server) for server in servers]
        for guest in guests:
            await guest.watch(driven.id)
            await guest.receive_until(lambda watcher: bool(watcher.statuses))
        await asyncio.to_thread(lambda: driven.start().complete())
        for guest in guests:
            await guest.receive_until(lambda watcher: watcher.status == "done")

        assert guests[0].watcher.knowledge == guests[1].watcher.knowledge


class TestManySockets:
    async def test_of_one_process_share_one_subscription_and_its_connections(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter
    ) -> None:
        server = await asyncio.to_thread(start_web, SITE)
        driven = [await sync_to_async(make)(storage, "a") for _ in range(20)]
        guests = [await enter(server) for _ in range(50)]
        before = len(_connections(storage))
        for number, guest in enumerate(guests):
            await guest.watch(driven[number % len(driven)].id)
            await guest.receive_until(lambda watcher: bool(watcher.statuses))
        connections = _connections(storage)
        # Each instance has a channel, and the subscription one that carries nothing.
        assert [int(each["sub"]) for each in connections if int(each["sub"]) >= len(driven)] == [len(driven) + 1]
        assert len(connections) - before <= 1 + THREADS

        await asyncio.to_thread(lambda: [each.start().complete() for each in driven])
        for guest in guests:
            await guest.receive_until(lambda watcher: watcher.status == "done")
        assert len(_connections(storage)) - before <= 1 + THREADS + 1  # that of the test


class TestTheDoor:
    async def test_is_closed_to_the_anonymous(self, start_web: StartWeb, enter: Enter) -> None:
        guest = await enter(await asyncio.to_thread(start_web, SITE), signed_in=False)
        await guest.watch("x")

        assert (await guest.receive())["type"] == "hello"
        assert (await guest.receive())["error"]["code"] == "NOT_AUTHENTICATED"
        with pytest.raises(ConnectionClosed) as closed:
            await guest.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401

    async def test_is_closed_to_other_sites(self, start_web: StartWeb, enter: Enter) -> None:
        server = await asyncio.to_thread(start_web, SITE)
        with pytest.raises(InvalidStatus) as refused:
            await enter(server, origin="http://evil.example")

        assert refused.value.response.status_code == 403


class TestTrouble:
    async def test_a_storage_that_is_restarted_is_found_again(
        self, start_web: StartWeb, start_valkey: Callable[..., Valkey], make: Make, enter: Enter
    ) -> None:
        valkey = start_valkey(config={"appendonly": "yes", "appendfsync": "always"})
        server = await asyncio.to_thread(start_web, SITE, env={"JOBS_FLOW_STORAGE_URL": valkey.url})
        storage = create_storage(valkey.url)
        driven, other = [await sync_to_async(make)(storage) for _ in range(2)]
        guest = await enter(server)
        await guest.watch(driven.id)
        await guest.receive_until(lambda watcher: bool(watcher.statuses))

        await asyncio.to_thread(valkey.kill)
        late = await enter(server)
        await late.watch(other.id)
        assert (await late.receive())["type"] == "hello"
        assert (await late.receive())["error"]["code"] == "STORAGE_UNAVAILABLE"
        await asyncio.to_thread(valkey.start)
        await asyncio.to_thread(lambda: [each.start().complete() for each in (driven, other)])

        for each in (guest, late):
            await each.receive_until(lambda watcher: watcher.status == "done")
            assert {record["status"] for record in each.watcher.statuses.values()} == {"ok"}
        storage.close()

    async def test_a_client_that_does_not_read_costs_no_memory_and_gets_the_end(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter
    ) -> None:
        server = await asyncio.to_thread(start_web, SITE, env=NO_PINGS)
        driven = await sync_to_async(make)(storage)
        driven.start().claim("#.a")
        quick, slow = await enter(server), await enter(server)
        for guest in (quick, slow):
            await guest.watch(driven.id)
            await guest.receive_until(lambda watcher: bool(watcher.statuses))
        process = psutil.Process(server.pid)
        before = process.memory_info().rss

        # No more lines at a time than are told when they are merged: the quick one is told all of them.
        def chatter() -> None:
            for number in range(TASK_LINES // 20):
                driven.log("#.a", *(f"{number:05} {line} {'x' * 1_000}" for line in range(20)))

        # The quick one is waited for, so that what grows can only be what waits for the slow one.
        quick_bytes = 0
        for _ in range(400):
            await asyncio.to_thread(chatter)
            header = storage.get_instance(driven.id)
            assert header is not None
            seq = 0
            while seq < header.seq:
                text = await asyncio.wait_for(quick.socket.recv(), 20)
                quick_bytes += len(text)
                seq = json.loads(text)["seq"]
        grown = process.memory_info().rss - before
        await asyncio.to_thread(lambda: driven.end("#.a", 1).complete("#.b", "#.c"))

        last: dict[str, Any] = {}
        slow_bytes = 0
        while last.get("type") != "setWorkflowStatus" or last["status"] != "done":
            text = await asyncio.wait_for(slow.socket.recv(), 20)
            slow_bytes += len(text)
            last = json.loads(text)
            if last["type"] == "setTasksStatuses":
                slow.watcher.receive(last)

        assert {record["status"] for record in slow.watcher.statuses.values()} == {"ok"}
        assert slow_bytes < quick_bytes / 2
        assert grown < 32 * 1024 * 1024

    async def test_a_client_that_is_stalled_gets_merged_states_and_the_end(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter, user: Any
    ) -> None:
        server = await asyncio.to_thread(start_web, SITE, env=NO_PINGS)
        driven = await sync_to_async(make)(storage, *(f"t{number}" for number in range(100)))
        driven.start()
        quick = await enter(server)
        await quick.watch(driven.id)
        await quick.receive_until(lambda watcher: bool(watcher.statuses))
        stalled = Stalled(server, await sync_to_async(_session_of)(user), driven.id)
        # More than the system keeps for a connection on both of its sides.
        text = "x" * 40_000

        # The quick one is waited for: it is told of each step, whoever has the processor meanwhile.
        for path in driven.paths:
            await asyncio.to_thread(driven.claim, path)
            for share in (0.2, 0.4, 0.6, 0.8):
                await asyncio.to_thread(driven.progress, path, share, text)
                await quick.receive_until(
                    lambda watcher, path=path, share=share: watcher.statuses[path].get("progress") == share
                )
            await asyncio.to_thread(driven.end, path, "the result")

        await quick.receive_until(lambda watcher: watcher.status == "done")
        watcher, size = await asyncio.to_thread(stalled.read_to_the_end)

        assert {record["status"] for record in watcher.statuses.values()} == {"ok"}
        assert watcher.statuses == quick.watcher.statuses
        assert size < len(driven.paths) * 4 * len(text) / 1.5
        assert len(watcher.messages) < len(quick.watcher.messages) / 1.5

    async def test_clients_that_vanish_leave_nothing_behind(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter
    ) -> None:
        server = await asyncio.to_thread(start_web, SITE)
        driven = await sync_to_async(make)(storage)
        for _ in range(5):
            guest = await enter(server)
            await guest.watch(driven.id)
            await guest.watch("nobody", ref=1)
            guest.socket.transport.abort()
            await asyncio.to_thread(lambda: driven.start().complete())
        last = await enter(server)
        await last.watch(driven.id)
        await last.receive_until(lambda watcher: watcher.status == "done")
        await last.socket.close()
        await aeventually(lambda: _subscriptions(storage) == 0)

        for trace in ("Traceback", "ERROR", "never retrieved"):
            assert trace not in server.output()

    async def test_a_server_that_is_stopped_ends_cleanly(
        self, start_web: StartWeb, storage: Storage, make: Make, enter: Enter
    ) -> None:
        server = await asyncio.to_thread(start_web, SITE)
        driven = await sync_to_async(make)(storage)
        guests = [await enter(server) for _ in range(3)]
        for guest in guests:
            await guest.watch(driven.id)
            await guest.receive_until(lambda watcher: bool(watcher.statuses))
        await asyncio.to_thread(server.terminate, timeout=30)
        for guest in guests:
            with pytest.raises(ConnectionClosed):
                await guest.receive()

        assert "Traceback" not in server.output()
        assert "never retrieved" not in server.output()
