"""Between a browser and a web server: sockets that are cut at random."""

from __future__ import annotations

import contextlib
import random
import socket
import threading


class CuttingProxy:
    """Passes pages on as they are; each helping of a WebSocket's frames is lost with ``share`` probability.

    With it the connection is cut, both ways. ``share`` may change while it runs. Which helpings are lost is decided by
    ``seed``, as far as their timing lets it.
    """

    def __init__(self, port: int, *, share: float, seed: int) -> None:
        self.share = share
        self.cuts = 0
        self._server = port
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Of the site, as seen through it."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._server)) as server:
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
            self._answers(server, client)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        upgraded = False
        while data := server.recv(65536):
            if upgraded and self._random.random() < self.share:
                self.cuts += 1
                break
            # The handshake itself is let through: a refused one says nothing about events.
            upgraded = upgraded or data.startswith(b"HTTP/1.1 101")
            client.sendall(data)
        for end in (server, client):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
