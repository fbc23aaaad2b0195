"""Many clients in one process of their own, as cheap as can be: one thread, one ``epoll``, no library.

``python -m benchmarks.live_clients`` reads one JSON object from its standard input (``Order``), connects, prints
``ready``, then reads the number of an event, collects until all have been told of it, and prints what it saw: for each
client the times (epoch ns) at which it was told, and up to which event.
"""

from __future__ import annotations

import base64
import heapq
import json
import os
import re
import select
import socket
import sys
import time
from dataclasses import dataclass

SEQ = re.compile(rb'"(?:seq|current)": ?(\d+)')
#: Seconds from an answer to the next question.
INTERVAL = 0.5
#: Seconds after which those who were not told yet are given up.
PATIENCE = 60.0


@dataclass(slots=True)
class Client:
    """One connection."""

    socket: socket.socket
    buffer: bytearray
    #: Time and number of the event, in turn.
    seen: list[int]
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What to do."""

    #: ``host:port``; clients take them in turn.
    servers: list[str]
    count: int
    cookie: str
    #: ``watch`` an instance over a socket, or only ``connect``, or ``poll`` a page.
    kind: str
    #: Of the instance, or path of the page.
    target: str
    fold: int | None = None


def main() -> None:
    """See above."""
    order = Order(**json.loads(sys.stdin.readline()))
    poller = select.epoll()
    clients = {}
    for number in range(order.count):
        host, port = order.servers[number % len(order.servers)].split(":")
        client = Client(socket.create_connection((host, int(port))), bytearray(), [])
        if order.kind != "poll":
            _shake_hands(client, f"{host}:{port}", order)
        client.socket.setblocking(False)
        poller.register(client.socket, select.EPOLLIN)
        clients[client.socket.fileno()] = client
    poller.register(sys.stdin, select.EPOLLIN)
    if order.kind == "poll":
        _poll(order, poller, clients)
    else:
        _watch(order, poller, clients)
    print(json.dumps([client.seen for client in clients.values()]), flush=True)
    sys.stdin.read()  # the connections stay until it is closed


def _shake_hands(client: Client, host: str, order: Order) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "GET /ws/jobs-flow/ HTTP/1.1",
        f"Host: {host}",
        f"Origin: http://{host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Cookie: sessionid={order.cookie}",
    )
    client.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    data = b""
    while b"\r\n\r\n" not in data or b'"hello"' not in data:
        received = client.socket.recv(65536)
        assert received, data
        data += received
    if order.kind == "watch":
        request = {"type": "watchWorkflowInstance", "workflowId": order.target, "ref": 1}
        text = json.dumps(request | ({"fold": order.fold} if order.fold else {})).encode()
        # Masked with zeros; no request here is longer than 125 bytes.
        client.socket.sendall(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)


def _watch(order: Order, poller: select.epoll, clients: dict[int, Client]) -> None:
    ready = 0 if order.kind == "watch" else order.count
    if ready:
        print("ready", flush=True)
    end = End()
    while not end.reached(clients):
        for number, _ in poller.poll(1.0):
            client = clients.get(number)
            if client is None:
                end.read(poller)
                continue
            received = client.socket.recv(1 << 20)
            now = time.time_ns()
            assert received, "the server closed a connection"
            client.buffer += received
            for text in _frames(client.buffer):
                if not client.ready and b'"ack"' in text:
                    client.ready = True
                    ready += 1
                    if ready == order.count:
                        print("ready", flush=True)
                elif client.ready and b'"more"' not in text and (found := SEQ.search(text)):
                    client.seen += now, int(found[1])


class End:
    """When to stop."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._latest = 0.0

    def read(self, poller: select.epoll) -> None:
        """Of which event all are to be told."""
        self._last = int(sys.stdin.readline() or 0)
        self._latest = time.monotonic() + PATIENCE
        poller.unregister(sys.stdin)

    def reached(self, clients: dict[int, Client]) -> bool:
        """Whether they were."""
        last = self._last
        if last is None:
            return False
        told = all(client.seen and client.seen[-1] >= last for client in clients.values())
        return not last or told or time.monotonic() > self._latest


def _frames(buffer: bytearray) -> list[bytes]:
    """Texts of the frames that are there; what is left of the buffer is the beginning of one."""
    texts = []
    start = 0
    while len(buffer) - start >= 2:
        length, at = buffer[start + 1], start + 2
        if length == 126:
            length, at = int.from_bytes(buffer[at : at + 2]), at + 2
        elif length == 127:
            length, at = int.from_bytes(buffer[at : at + 8]), at + 8
        if len(buffer) < at + length:
            break
        if buffer[start] == 0x89:
            raise AssertionError("pings are to be off")
        texts.append(bytes(buffer[at : at + length]))
        start = at + length
    del buffer[:start]
    return texts


def _poll(order: Order, poller: select.epoll, clients: dict[int, Client]) -> None:
    request = f"GET {order.target} HTTP/1.1\r\nHost: {order.servers[0]}\r\nCookie: sessionid={order.cookie}\r\n\r\n"
    # Those who open a page do not do so at the same time.
    now = time.monotonic()
    due = [(now + INTERVAL * position / len(clients), number) for position, number in enumerate(clients)]
    print("ready", flush=True)
    end = End()
    while not end.reached(clients):
        while due and due[0][0] <= time.monotonic():
            clients[heapq.heappop(due)[1]].socket.sendall(request.encode())
        for number, _ in poller.poll(max(0.0, due[0][0] - time.monotonic()) if due else None):
            client = clients.get(number)
            if client is None:
                end.read(poller)
                continue
            client.buffer += client.socket.recv(65536)
            head, separator, body = client.buffer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if separator and length and len(body) >= int(length[1]):
                found = SEQ.search(body)
                assert found, bytes(client.buffer)
                client.seen += time.time_ns(), int(found[1])
                client.buffer.clear()
                heapq.heappush(due, (time.monotonic() + INTERVAL, number))


if __name__ == "__main__":
    main()
