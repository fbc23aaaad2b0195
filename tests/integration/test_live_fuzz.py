"""20 000 hostile messages: the server is up afterwards, who watches beside misses nothing, its memory is flat.

The same messages for the same seed: ``JOBS_FLOW_FUZZ_SEED=7 pytest tests/integration/test_live_fuzz.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import socket as sockets
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from jobs_flow import Task
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow_django.live.changes import TASK_LINES
from jobs_flow_django.live.consumers import LiveConsumer
from jobs_flow_django.models import WorkflowInstance
from tests.support.hostile import Hostile
from tests.support.live import DrivenInstance, Watcher, idle
from tests.support.processes import WebServer
from tests.support.schema import check_message

pytestmark = pytest.mark.django_db(transaction=True)

SEED = int(os.environ.get("JOBS_FLOW_FUZZ_SEED", "20261122"))
#: What is sent of each kind, in all.
OVER_SOCKETS = 18_750
OVER_HTTP = 1_000
RAW = 400
#: Requests of one socket, and of one caller over HTTP, that are answered at once; then they are slowed down or refused.
AT_ONCE = 250
#: Messages of one socket that wait for their answer.
BATCH = 50
#: No pings, on either side: on a busy machine pongs come too late behind so many messages.
PATIENT: dict[str, Any] = {"ping_interval": None, "open_timeout": 60}
NO_PINGS = {"UVICORN_WS_PING_INTERVAL": "3600"}
#: Attackers at a time.
TOGETHER = 6
#: Bytes that the server may grow by between a quarter of the attack and its end. It is 3 to 11 MiB, and after twice as
#: many messages still is: what the allocator keeps.
GROWTH = 20 * 1024 * 1024
SOCKET = "/ws/jobs-flow/"
#: What uvicorn itself logs, with a traceback of its own, of a text frame that is no UTF-8, before it closes.
UVICORN_COMPLAINT = re.compile(r"ERROR: +Invalid UTF-8 sequence.*\n(Traceback.*\n(?: .*\n)*UnicodeDecodeError.*\n)?")
TOKEN = "a" * 32


class Attack:
    """Everything that is sent to one server."""

    def __init__(self, server: WebServer, own: dict[str, str], others: list[str]) -> None:
        self.server = server
        self.cookies = list(own)
        #: What each attacker may see, by cookie.
        self.own = own
        self.hostile = Hostile(SEED, [*others, "nobody-knows", "../../etc/passwd", "x" * 200])
        self.random = random.Random(SEED + 1)
        self.sent = 0
        #: Codes of errors, and statuses of HTTP.
        self.codes: Counter[str] = Counter()

    async def go(self, *, share: float) -> None:
        """``share`` of it all."""
        raids = [
            *(self.over_socket() for _ in range(round(share * OVER_SOCKETS / AT_ONCE))),
            *(self.over_http(cookie) for cookie in self._callers(share)),
            *(self.raw() for _ in range(round(share * RAW))),
        ]
        self.random.shuffle(raids)
        room = asyncio.Semaphore(TOGETHER)

        async def one(raid: Any) -> None:
            async with room, asyncio.timeout(600):
                await raid

        async with asyncio.TaskGroup() as group:
            for raid in raids:
                group.create_task(one(raid))

    # -- sockets -----------------------------------------------------------------------------

    async def over_socket(self) -> None:
        cookie = self.random.choice(self.cookies)
        async with self._socket(cookie) as socket:
            for _ in range(AT_ONCE // BATCH):
                # All are answered, in order, and the socket stays open.
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(socket))
                    group.create_task(self._send(socket, self.own[cookie]))

    async def _send(self, socket: ClientConnection, instance_id: str) -> None:
        for _ in range(BATCH - 1):
            await socket.send(self._frame(instance_id))
        await socket.send(json.dumps({"type": "setVisibility", "visible": True, "ref": "the end"}))
        self.sent += BATCH

    def _frame(self, instance_id: str) -> str | bytes:
        chance = self.random.random()
        if chance < 0.05:
            return self.random.randbytes(self.random.randrange(200))
        if chance < 0.12:
            return json.dumps(self._flood(instance_id))
        text = self.hostile.text()
        # What no client library would send goes with its escapes; raw frames are sent elsewhere.
        return text.encode(errors="replace").decode()

    def _flood(self, instance_id: str) -> dict[str, Any]:
        """Of what it may: watching its own instance, again and again."""
        own = {"workflowId": instance_id}
        return self.random.choice(
            (
                {"type": "watchWorkflowInstance", **own, "since": self.random.randrange(2**53)},
                {"type": "watchWorkflowInstance", **own, "fold": 10, "logs": False, "ref": 1},
                {"type": "unwatchWorkflowInstance", **own},
                {"type": "setWindow", **own, "taskPath": "#", "from": self.random.randrange(2**53)},
                {"type": "setWindow", **own, "taskPath": "#.wide", "from": self.random.randrange(50)},
                {"type": "getTask", **own, "taskPath": "#.a"},
                {"type": "getTaskLogs", **own, "taskPath": "#.a", "from": self.random.randrange(2**53)},
            )
        )

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            # Some of each kind: checking takes longer than answering.
            if self.random.random() < (0.15 if len(text) < 2_000 else 0.01):
                check_message(message)
            if message["type"] == "appError":
                assert message["error"]["message"]
                self.codes[message["error"]["code"]] += 1
            if message.get("ref") == "the end":
                return
        raise AssertionError(f"the server closed the socket: {socket.close_code} {socket.close_reason}")

    def _socket(self, cookie: str | None, path: str = SOCKET, **options: Any) -> connect:
        headers = {} if cookie is None else {"Cookie": cookie}
        options = {"origin": self.server.url, "compression": None, "max_size": None, **PATIENT, **options}
        return connect(self.server.websocket_url + path, additional_headers=headers, **options)

    # -- HTTP --------------------------------------------------------------------------------

    def _callers(self, share: float) -> Iterator[str]:
        for number in range(round(share * OVER_HTTP / (AT_ONCE / 2))):
            yield self.cookies[number % len(self.cookies)]

    async def over_http(self, cookie: str) -> None:
        reader, writer = await self._connection()
        try:
            for _ in range(AT_ONCE // 2):
                request = self._request(cookie)
                writer.write(request)
                self.sent += 1
                status, headers, body = await _response(reader)
                self.codes[str(status)] += 1
                assert status < 500, (request[:500], body[:500])
                if request.startswith(b"POST /jobs-flow/") and b"json" in headers.get("content-type", b""):
                    check_message(json.loads(body))
                if headers.get("connection") == b"close" or status == 0:
                    await _hang_up(writer)
                    reader, writer = await self._connection()
        finally:
            await _hang_up(writer)

    def _request(self, cookie: str) -> bytes:
        method, path, body = "POST", "/jobs-flow/requests/", self.hostile.text().encode(errors="surrogatepass")
        headers = {
            "Host": f"127.0.0.1:{self.server.port}",
            "Content-Type": "application/json",
            "Cookie": f"{cookie}; csrftoken={TOKEN}",
            "X-CSRFToken": TOKEN,
        }
        match self.random.randrange(8):
            case 0:
                method, path, body = "GET", self.hostile.path(), b""
            case 1:
                method = self.random.choice(("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "DANCE"))
            case 2:
                spoiled = self.random.choice(list(headers)[1:])
                headers[spoiled] = self.random.choice(
                    ("", "x" * 5_000, "text/html", "sessionid=forged; csrftoken=x", "\xff")
                )
        headers["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port, limit=2**22)

    # -- below the protocol ------------------------------------------------------------------

    async def raw(self) -> None:
        self.sent += 1
        kinds: tuple[Callable[[], Any], ...] = (
            self._wrong_handshake,
            self._half_open,
            self._broken_frames,
            self._oversize,
            self._forged_ticket,
        )
        with contextlib.suppress(ConnectionClosed, InvalidHandshake, ConnectionError):
            await self.random.choice(kinds)()

    async def _wrong_handshake(self) -> None:
        wrong = self.random.choice(
            (
                {"origin": "http://evil.example"},
                {"origin": "null"},
                {"path": "/ws/../etc/passwd"},
                {"path": SOCKET + "?" + "x" * 4_000},
                {"path": "/ws/" + "%00" * 50},
                {"cookie": "sessionid=" + "x" * 4_000},
                {"cookie": "sessionid=forged"},
            )
        )
        async with self._socket(wrong.pop("cookie", self.cookies[0]), **wrong) as socket:
            await socket.recv()

    async def _half_open(self) -> None:
        """A handshake that is never finished, or one whose client is gone the moment it is."""
        reader, writer = await self._connection()
        handshake = self._handshake()
        whole = self.random.random() < 0.5
        try:
            writer.write(handshake if whole else handshake[: self.random.randrange(len(handshake))])
            await writer.drain()
            if whole:
                await reader.readuntil(b"\r\n\r\n")
        finally:
            await _hang_up(writer, abruptly=True)

    async def _broken_frames(self) -> None:
        garbage = self.random.choice(
            (
                b"\x81\x85\0\0\0\0\xff\xfe\xfd\xfc\xfb",  # text that is no UTF-8
                b"\x81\x05hello",  # not masked
                b"\x83\x80\0\0\0\0",  # an opcode that there is not
                b"\xf1\x80\0\0\0\0",  # reserved bits
                b"\x80\x80\0\0\0\0",  # goes on with what has not begun
                b"\x01\x81\0\0\0\0{",  # begins, and never ends
                b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",  # the longest frame there could be
                b"\x89\xfe\x10\x00\0\0\0\0" + b"x" * 4096,  # a ping that is too long
                self.random.randbytes(300),
            )
        )
        reader, writer = await self._connection()
        try:
            writer.write(self._handshake())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(garbage)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.read()
        finally:
            await _hang_up(writer, abruptly=True)

    async def _oversize(self) -> None:
        async with self._socket(self.random.choice(self.cookies)) as socket:
            await socket.recv()
            await socket.send("x" * self.random.choice((70_000, 1_000_000)))
            answer = json.loads(await socket.recv())
            assert answer["error"]["code"] == "MESSAGE_TOO_LARGE"

    async def _forged_ticket(self) -> None:
        async with self._socket(None) as socket:
            await socket.recv()
            for _ in range(3):
                watch = {"type": "watchWorkflowInstance", "workflowId": self.hostile.ids[0]}
                await socket.send(json.dumps(watch | {"ticket": self.hostile.ticket()}))
                self.sent += 1
                answer = json.loads(await socket.recv())
                check_message(answer)
                assert answer["type"] == "appError", answer
            await socket.send(json.dumps({"type": "executeAllTasks", "workflowId": self.hostile.ids[0]}))
            assert json.loads(await socket.recv())["error"]["code"] == "NOT_AUTHENTICATED"

    def _handshake(self) -> bytes:
        lines = {
            "Host": f"127.0.0.1:{self.server.port}",
            "Origin": self.server.url,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            "Cookie": self.cookies[0],
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"GET {SOCKET} HTTP/1.1\r\n{head}\r\n".encode()


async def _response(reader: asyncio.StreamReader) -> tuple[int, dict[str, bytes], bytes]:
    """Status, headers and body; of a stream of events no body, and 0 where the server has hung up."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, {}, b""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip().encode() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("content-type", b"").startswith(b"text/event-stream"):
        return int(first.split()[1]), headers | {"connection": b"close"}, b""
    if headers.get("transfer-encoding") == b"chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return int(first.split()[1]), headers, body
    return int(first.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", b"0")))


async def _hang_up(writer: asyncio.StreamWriter, *, abruptly: bool = False) -> None:
    """Close; ``abruptly``: be gone without a word."""
    if abruptly:
        writer.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


class Working:
    """An instance at work all the while: task after task, line after line."""

    def __init__(self, driven: DrivenInstance) -> None:
        self.driven = driven
        #: Who is to miss nothing of it.
        self.watcher = Watcher()
        self.lines: dict[str, list[str]] = {}
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work, name="working")

    def start(self) -> None:
        self._thread.start()

    async def finish(self) -> None:
        self._enough.set()
        await asyncio.to_thread(self._thread.join, 60)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        self.driven.start()
        *tasks, last = self.driven.paths
        for path in tasks:
            self.driven.claim(path)
            lines = self.lines[path] = []
            while len(lines) < 40 or (path == tasks[-1] and not self._enough.is_set()):
                # Of more lines at once than are told, however long the server was held up, it would miss some.
                while self._unseen(path) >= TASK_LINES // 2 and not self._enough.wait(0.02):
                    pass
                lines.append(f"{path} {len(lines)}")
                self.driven.log(path, lines[-1])
                if self._enough.wait(0.02) and len(lines) >= 40:
                    break
            self.driven.end(path, {"lines": len(lines)})
        self.driven.complete(last)

    def _unseen(self, path: str) -> int:
        return len(self.lines[path]) - len(self.watcher.logs.get(path, ()))


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    made = create_storage(storage_url)
    yield made
    made.close()


def _instance(storage: Storage, owner: Any, *tasks: str | Task) -> DrivenInstance:
    driven = DrivenInstance(storage, tasks or ("a", "b")).create()
    WorkflowInstance.objects.create(id=driven.id, workflow="driven", fingerprint="f", owner=owner)
    return driven


def _sign_in(name: str) -> tuple[Any, str]:
    user = get_user_model().objects.create_user(name)
    client = Client()
    client.force_login(user)
    return user, f"sessionid={client.cookies['sessionid'].value}"


async def _watch(server: WebServer, cookie: str, working: Working, told: asyncio.Event) -> Watcher:
    """What somebody sees of it who watches to its end."""
    watcher = working.watcher
    options: dict[str, Any] = {
        "compression": None,
        "max_size": None,
        "additional_headers": {"Cookie": cookie},
        **PATIENT,
    }
    async with connect(server.websocket_url + SOCKET, origin=server.url, **options) as socket:
        await socket.send(json.dumps({"type": "watchWorkflowInstance", "workflowId": working.driven.id, "ref": "w"}))
        while watcher.status != "done" or watcher.messages[-1].get("more"):
            message = json.loads(await asyncio.wait_for(socket.recv(), 60))
            assert "dropped" not in message, "it was not told of all lines"
            watcher.receive(message)
            if message["type"] == "ack":
                told.set()
    return watcher


def _rss(server: WebServer) -> int:
    return int(psutil.Process(server.pid).memory_info().rss)


async def test_a_connection_that_is_closed_under_the_socket_is_no_error() -> None:
    """What uvicorn does with a client that broke the rules of WebSockets, while the socket is about to speak."""
    user, _ = await sync_to_async(_sign_in)("somebody")

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message["type"] != "websocket.accept":
            raise RuntimeError("Unexpected ASGI message after sending 'websocket.close'.")

    for known in (user, AnonymousUser()):
        await LiveConsumer.as_asgi()({"type": "websocket", "user": known}, receive, send)


async def test_twenty_thousand_hostile_messages(
    start_web: Callable[..., WebServer], storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await asyncio.to_thread(start_web, env=NO_PINGS)
    victim, cookie = await sync_to_async(_sign_in)("victim")
    attackers = [await sync_to_async(_sign_in)(f"attacker{number}") for number in range(20)]
    working = Working(await sync_to_async(_instance)(storage, victim, *(f"t{n}" for n in range(20))))
    still = await sync_to_async(_instance)(storage, victim)
    wide = Task("wide", idle, subtasks=[Task(f"b{number}", idle) for number in range(30)])
    own = {each: (await sync_to_async(_instance)(storage, user, "a", wide)).id for user, each in attackers}
    before = await WorkflowInstance.objects.acount()

    told = asyncio.Event()
    watching = asyncio.create_task(_watch(server, cookie, working, told))
    await asyncio.wait_for(told.wait(), 60)
    working.start()
    attack = Attack(server, own, [still.id, working.driven.id])
    try:
        await attack.go(share=0.25)
        warm = await asyncio.to_thread(_rss, server)
        await attack.go(share=0.75)
        grown = await asyncio.to_thread(_rss, server) - warm
    finally:
        await working.finish()
    watcher = await asyncio.wait_for(watching, 60)

    with capsys.disabled():
        print(f"\n{attack.sent} messages, seed {SEED}, {grown / 2**20:+.1f} MiB: {dict(attack.codes.most_common())}")
    assert attack.sent >= 20_000
    # The watcher beside missed nothing.
    assert watcher.logs == working.lines
    assert set(watcher.statuses) == set(working.driven.paths)
    assert {view["status"] for view in watcher.statuses.values()} == {"ok"}
    assert not watcher.errors
    # Nothing of others' was touched, and nothing was made.
    assert storage.get_instance(still.id).run == 0  # type: ignore[union-attr]
    assert await WorkflowInstance.objects.acount() == before
    # The server is up, as large as it was, and has nothing to complain of.
    assert server.running
    assert "INTERNAL_ERROR" not in attack.codes
    complaints = re.findall(
        r"^.*ERROR.*(?:\n.*){0,60}|Traceback", UVICORN_COMPLAINT.sub("", server.output()), re.MULTILINE
    )
    assert not complaints, complaints[0]
    assert grown < GROWTH
