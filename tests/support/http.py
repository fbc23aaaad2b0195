"""Server-sent events of an ASGI application in this process, read as they come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.testing import ApplicationCommunicator

from tests.support.live import PATIENCE
from tests.support.schema import check_message


@dataclass(frozen=True, slots=True)
class ServerSent:
    """One event: the message in it, and the id that a browser would remember."""

    message: dict[str, Any]
    id: str | None = None


class EventStream(ApplicationCommunicator):
    """``GET`` of a stream of events. ``open`` begins it, ``disconnect`` is the reader that goes away."""

    def __init__(self, application: Any, path: str, headers: Mapping[str, str] | None = None) -> None:
        path, _, query = path.partition("?")
        super().__init__(
            application,
            {
                "type": "http",
                "http_version": "1.1",
                "method": "GET",
                "path": path,
                "query_string": query.encode(),
                "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            },
        )
        self.status = 0
        self.headers: dict[str, str] = {}
        #: What came that is neither an event nor a part of one: comments and ``retry``.
        self.asides: list[str] = []
        self.ended = False
        self._buffer = ""

    async def open(self) -> EventStream:
        await self.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await self.receive_output(timeout=PATIENCE)
        self.status = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return self

    async def body(self) -> Any:
        """The JSON of an answer that is no stream."""
        text = b""
        while not self.ended:
            text += await self._more()
        return json.loads(text)

    async def event(self, timeout: float = PATIENCE) -> ServerSent | None:
        """The next event, None at the end of the stream."""
        while True:
            head, found, rest = self._buffer.partition("\n\n")
            if not found:
                if self.ended:
                    return None
                self._buffer += (await self._more(timeout)).decode()
                continue
            self._buffer = rest
            fields = dict(line.split(": ", 1) for line in head.split("\n") if not line.startswith(":"))
            if "data" in fields:
                message = json.loads(fields["data"])
                check_message(message)
                return ServerSent(message, fields.get("id"))
            self.asides.append(head)

    async def message(self) -> dict[str, Any]:
        """The next message; there has to be one."""
        event = await self.event()
        assert event is not None, "the stream has ended"
        return event.message

    async def messages(self, *types: str) -> list[dict[str, Any]]:
        """The next messages, which have these types."""
        messages = [await self.message() for _ in types]
        assert [message["type"] for message in messages] == list(types)
        return messages

    async def disconnect(self) -> None:
        """Go away, and wait until the application has ended."""
        if not self.future.done():
            await self.send_input({"type": "http.disconnect"})
        await self.wait(timeout=PATIENCE)

    async def _more(self, timeout: float = PATIENCE) -> bytes:
        part = await self.receive_output(timeout=timeout)
        assert part["type"] == "http.response.body", part
        self.ended = not part.get("more_body", False)
        body: bytes = part.get("body", b"")
        return body
