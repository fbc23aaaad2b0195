"""A browser's socket to the whole ASGI application, in this process."""

from __future__ import annotations

from typing import Any

from jobs_flow_django import setup_websocket
from tests.support.live import PATIENCE, WebSocketCommunicator


class Socket(WebSocketCommunicator):
    """A client with a session of its own; an ``origin`` of None sends none, as programs do."""

    def __init__(
        self,
        session: str | None = None,
        *,
        origin: str | None = "http://localhost",
        path: str = "/ws/jobs-flow/",
    ) -> None:
        headers = [] if origin is None else [(b"origin", origin.encode())]
        if session is not None:
            headers.append((b"cookie", f"sessionid={session}".encode()))
        super().__init__(setup_websocket(None), path, headers)

    async def open(self) -> Socket:
        """Connect, and be greeted."""
        assert await self.connect() == (True, None)
        assert (await self.answer())["type"] == "hello"
        return self

    async def answers(self, *types: str) -> list[dict[str, Any]]:
        """The next messages, which have these types."""
        answers = [await self.answer() for _ in types]
        assert [answer["type"] for answer in answers] == list(types)
        return answers

    async def answer_to(self, message: dict[str, Any], timeout: float = PATIENCE) -> dict[str, Any]:
        """The answer to a request, whatever comes before it."""
        await self.ask(message | {"ref": "to this"})
        while True:
            answer = await self.answer(timeout)
            if answer.get("ref") == "to this":
                return answer

    async def is_closed(self, code: int) -> bool:
        """Whether the next thing that happens is that the server closes, with this code."""
        return bool(await self.receive_output(timeout=PATIENCE) == {"type": "websocket.close", "code": code})
