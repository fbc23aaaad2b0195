"""Everything that the server says, as it said it, for the tests of clients in other languages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.live import DrivenInstance, Watcher
from tests.support.sockets import Socket


class Recorder:
    """A socket whose messages are kept, and what a reader knows after them."""

    def __init__(self, name: str, socket: Socket, instance_id: str | None = None, *, known: bool = True) -> None:
        self.name = name
        self.socket = socket
        self.instance_id = instance_id
        #: Whether the reader in Python understands all of it; it does not know windows.
        self.known = known
        self.messages: list[dict[str, Any]] = []
        self.watcher = Watcher()

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        message = await self.socket.answer()
        self.messages.append(message)
        if message.get("id") == self.instance_id:
            self.watcher.receive(message)
        return message

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The answer to a request, whatever comes before it."""
        ref = len(self.messages)
        await self.socket.ask({"type": kind, "ref": ref, **fields})
        while (answer := await self.hear()).get("ref") != ref:
            pass
        return answer

    async def hear_until(self, condition: Callable[[Watcher], bool]) -> None:
        """Hear until what is known is so, and the change that made it so is complete."""
        while not condition(self.watcher) or self.messages[-1].get("more"):
            await self.hear()

    @property
    def record(self) -> dict[str, Any]:
        """As ``clients/js/test/contract.test.ts`` reads it."""
        knowledge = self.watcher.knowledge if self.instance_id and self.known else None
        return {"name": self.name, "id": self.instance_id, "messages": self.messages, "knowledge": knowledge}


async def hear_of_a_run(recorder: Recorder, driven: DrivenInstance) -> None:
    """Watch an instance from before its run to its failure, and through the run after that."""
    await recorder.ask("watchWorkflowInstance", workflowId=driven.id)
    await asyncio.to_thread(lambda: driven.start().claim("#.a").log("#.a", "one", "two").progress("#.a", 0.5, "half"))
    await recorder.hear_until(lambda seen: seen.statuses.get("#.a", {}).get("progress") == 0.5)
    await asyncio.to_thread(lambda: driven.log("#.a", "three").end("#.a", {"rows": [1, 2]}).claim("#.b"))
    failure = {"code": "EXECUTION_FAILED", "type": "ValueError", "message": "no such column"}
    await asyncio.to_thread(lambda: driven.end("#.b", status="failed", error=failure))
    await recorder.hear_until(lambda seen: seen.status == "failed")
    await asyncio.to_thread(lambda: driven.start().complete())
    await recorder.hear_until(lambda seen: seen.status == "done")


async def hear_the_end(recorder: Recorder, driven: DrivenInstance) -> None:
    """Watch what is refused, and the removal of the instance."""
    await recorder.ask("watchWorkflowInstance", workflowId=driven.id)
    # Nobody registered this workflow in the server: all who watch are told that it cannot be started.
    await recorder.ask("executeTask", workflowId=driven.id, taskPath="#.b")
    await recorder.hear_until(lambda seen: bool(seen.errors))
    await asyncio.to_thread(driven.storage.delete_instance, driven.id)
    while (await recorder.hear())["type"] != "workflowDeleted":
        pass


async def hear_in_windows(recorder: Recorder, driven: DrivenInstance) -> None:
    """Watch an instance with a wide block, folded, and move its window."""
    await recorder.ask("watchWorkflowInstance", workflowId=driven.id, fold=10)
    await asyncio.to_thread(lambda: driven.start().complete("#.wide", "#.wide.s00", "#.wide.s29"))
    await recorder.hear_until(lambda seen: seen.status_of("#.wide.s00") == "ok")
    await recorder.ask("setWindow", workflowId=driven.id, taskPath="#.wide", **{"from": 20})
    await asyncio.to_thread(driven.complete, "#.wide.s25")
    while (await recorder.hear()).get("statuses", {}).get("#.wide.s25", {}).get("status") != "ok":
        pass


async def hear_answers(recorder: Recorder, two: str, driven: DrivenInstance) -> None:
    """Ask for everything once, and for some of it in vain."""
    for kind, fields in {
        "getTask": {"taskPath": "#.a"},
        "getTaskLogs": {"taskPath": "#.a", "from": 0, "limit": 2},
    }.items():
        assert (await recorder.ask(kind, workflowId=driven.id, **fields))["type"] != "appError"
        await recorder.ask(kind, workflowId=driven.id, **fields | {"taskPath": "#.nowhere"})
        await recorder.ask(kind, workflowId="nobody", **fields)
    await recorder.ask("watchWorkflowInstance", workflowId="nobody")
    await recorder.ask("setWindow", workflowId=driven.id, taskPath="#", **{"from": 0})
    await recorder.ask("setVisibility", visible=False)
    await recorder.ask("setVisibility", visible=True)
    await recorder.ask("createWorkflowInstance", workflow="live_two_tasks", key="k")
    await recorder.ask("createWorkflowInstance", workflow="nothing")
    await recorder.ask("executeAllTasks", workflowId=two, initialArg={"a": 1})
    await recorder.ask("resumeWorkflow", workflowId=two, mode="all", preview=True)
    await recorder.ask("executeAllTasks", workflowId=two, colour="blue")
    await recorder.ask("pauseWorkflow", workflowId=two)
    await recorder.ask("unwatchWorkflowInstance", workflowId=two)
    await recorder.socket.send_text("{")
    await recorder.hear()
