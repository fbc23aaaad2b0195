"""Between a client and a server: what goes wrong on the way."""

from __future__ import annotations

import contextlib
import random
import socket
import threading


class Proxy:
    """Passes everything on to the server, but for answers that it ``loses``: with those the connection is cut."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def loses(self, first: bytes, data: bytes) -> bool:
        """Whether a helping of answers does not arrive; ``first`` is the first one of its connection."""
        raise NotImplementedError

    def cut(self) -> None:
        """Cut all connections that there are."""
        for client in list(self._open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        # A server that is not there ends the connection.
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._server)) as server:
            self._open.add(client)
            requests = threading.Thread(target=self._pump, args=(client, server, False))
            requests.start()
            self._pump(server, client, True)
            requests.join()
            self._open.discard(client)

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        first = None
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                first = data if first is None else first
                if answers and self.loses(first, data):
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class LosingProxy(Proxy):
    """When armed, loses the next answer."""

    def __init__(self, port: int) -> None:
        self._armed = threading.Event()
        self.lost = 0
        super().__init__(port)

    def lose_next_answer(self) -> None:
        """Arm it."""
        self._armed.set()

    def loses(self, first: bytes, data: bytes) -> bool:
        if not self._armed.is_set():
            return False
        self._armed.clear()
        self.lost += 1
        return True


class CuttingProxy(Proxy):
    """Passes pages on as they are; each helping of a WebSocket's frames is lost with ``share`` probability.

    ``share`` may change while it runs. Which helpings are lost is decided by ``seed``, as far as their timing lets it.
    """

    def __init__(self, port: int, *, share: float, seed: int) -> None:
        self.share = share
        self.cuts = 0
        self._random = random.Random(seed)
        super().__init__(port)

    @property
    def url(self) -> str:
        """Of the site, as seen through it."""
        return f"http://127.0.0.1:{self.port}"

    def loses(self, first: bytes, data: bytes) -> bool:
        # The handshake itself is let through: a refused one says nothing about events.
        frames = data is not first and first.startswith(b"HTTP/1.1 101")
        if not frames or self._random.random() >= self.share:
            return False
        self.cuts += 1
        return True
