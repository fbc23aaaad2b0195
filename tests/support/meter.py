"""Counts what a Redis server is asked, and the bytes pushed on its queues, by MONITOR."""

from __future__ import annotations

import re
import socket
import threading
from typing import Self

#: ``+<time> [<db> <client address or lua>] "COMMAND" …``; commands inside scripts come from ``lua``.
_LINE = re.compile(rb'\+[0-9.]+ \[\d+ ([^\]]+)\] "([^"]+)"')
_MARK = b"benchmark-mark"


class Meter:
    """Commands sent by clients, and message bytes pushed, between ``with`` and its end.

    MONITOR slows the server, so a measured time must come from another run.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.commands = 0
        self.messages: list[int] = []

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._socket.sendall(b"MONITOR\r\n")
        self._file = self._socket.makefile("rb")
        assert self._file.readline() == b"+OK\r\n"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Everything before the mark has then been read.
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b'ECHO "' + _MARK + b'"\r\n')
            self._thread.join(30)
        self._socket.close()

    def _read(self) -> None:
        for line in self._file:
            if _MARK in line:
                return
            found = _LINE.match(line)
            if found is None or found[1] == b"lua":
                continue
            self.commands += 1
            if found[2].upper() in (b"LPUSH", b"RPUSH") and b'"celery' in line[:120]:
                # MONITOR escapes quotes with a backslash; the message itself starts at its brace.
                message = line[line.index(b"{") :]
                self.messages.append(len(message) - message.count(b"\\") - 3)
