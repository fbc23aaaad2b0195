"""For the tests of live progress: an instance to drive, a watcher that believes what it is told, a socket."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from asgiref.testing import ApplicationCommunicator

from jobs_flow import Task, Workflow
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import NewInstance, Outcome
from jobs_flow.workflows.plan import Plan
from jobs_flow.workflows.selection import select_all
from jobs_flow_django.live.changes import merged
from tests.support.schema import check_message

#: Seconds for what comes at once, on a machine that is busy with something else. Less than between two sweeps of the
#: relay, so that what should come by itself does not come each time by the net below.
PATIENCE = 12.0
#: What tells an instance's state; the rest is about the connection.
STATE_MESSAGES = frozenset({"workflowDescription", "setWorkflowStatus", "setTasksStatuses", "taskLog"})


def idle(res: Any) -> None:
    """What tasks would call, if anything called them."""


class DrivenInstance:
    """An instance that the test moves as workers would move it.

    ``tasks``: those of the definition; a name stands for a task without subtasks.
    """

    def __init__(
        self,
        storage: Storage,
        tasks: Sequence[str | Task] = ("a", "b", "c"),
        *,
        id: str | None = None,
        workflow: str = "driven",
        name: str = "Driven",
    ) -> None:
        declared = [Task(task, idle) if isinstance(task, str) else task for task in tasks]
        self.storage = storage
        self.plan = Plan.of(Workflow.parse(workflow, declared))
        self.id = id or str(uuid.uuid4())
        self.name = name
        self.paths = list(self.plan.nodes)
        self.run = 0
        self._tokens: dict[str, str] = {}

    @property
    def new(self) -> NewInstance:
        """What it is created with."""
        return NewInstance(
            id=self.id,
            workflow=self.plan.workflow,
            data={"secret": "data"},
            base_context={},
            fingerprint=self.plan.fingerprint,
            tree=self.plan.describe(),
            paths=self.paths,
            name=self.name,
        )

    def create(self) -> DrivenInstance:
        self.storage.create_instance(self.new)
        return self

    def start(self) -> DrivenInstance:
        """Begin a run of all tasks."""
        self.run = self.storage.start_run(self.id, select_all(self.plan)).run
        return self

    def claim(self, path: str) -> DrivenInstance:
        token = self._tokens[path] = uuid.uuid4().hex
        header = self.storage.get_instance(self.id)
        assert header is not None
        claim = self.storage.claim(
            self.id, path, self.run, token=token, worker="test", revision=header.revision, inputs=(), lease=600_000
        )
        assert claim.state == "granted", claim
        return self

    def log(self, path: str, *lines: str) -> DrivenInstance:
        assert self.storage.append_logs(self.id, path, self.run, token=self._tokens[path], lines=lines)
        return self

    def progress(self, path: str, value: float, text: str | None = None) -> DrivenInstance:
        token = self._tokens[path]
        assert self.storage.set_progress(self.id, path, self.run, token=token, value=value, text=text)
        return self

    def end(self, path: str, body: object = None, *, status: str = "ok", **outcome: Any) -> DrivenInstance:
        """The outcome of a claimed task; what comes after it is queued."""
        text = json.dumps(body) if status == "ok" else None
        done = self.storage.complete(
            self.id,
            path,
            self.run,
            token=self._tokens[path],
            outcome=Outcome(status, body=text, source=path, **outcome),
            flow=self.plan.flow(path, status),
        )
        assert done.recorded
        return self

    def retry(self, path: str, outcome: Outcome) -> DrivenInstance:
        """Give up the attempt at a claimed task; it is queued again at once."""
        token = self._tokens[path]
        assert self.storage.retry(self.id, path, self.run, token=token, outcome=outcome, delay=0).recorded
        return self

    def complete(self, *paths: str) -> DrivenInstance:
        """Claim and end tasks, all of them when none are given."""
        for path in paths or self.paths:
            self.claim(path).end(path, {"of": path})
        return self


class Watcher:
    """What a client knows after some messages, merged as clients merge it."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.tree: list[Any] = []
        self.instance: dict[str, Any] = {}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, list[str]] = {}
        self.errors: list[dict[str, Any]] = []
        self.seq = 0

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    @property
    def status(self) -> str | None:
        return self.instance.get("status")

    def status_of(self, path: str) -> str | None:
        return self.statuses.get(path, {}).get("status")

    @property
    def knowledge(self) -> dict[str, Any]:
        """All of it, to be compared with another watcher's."""
        instance = {name: value for name, value in self.instance.items() if name != "progress"}
        return {"tree": self.tree, "instance": instance, "statuses": self.statuses, "logs": self.logs}

    def receive(self, message: Mapping[str, Any]) -> None:
        check_message(message)
        self.messages.append(dict(message))
        match message["type"]:
            case "workflowDescription":
                self.tree, self.statuses, self.logs = message["tasks"], {}, {}
            case "setWorkflowStatus":
                self.instance |= {name: message[name] for name in message.keys() - {"type", "id", "seq", "more"}}
            case "setTasksStatuses":
                for path, record in message["statuses"].items():
                    self.statuses[path] = merged(self.statuses.get(path, {}), record)
            case "taskLog":
                lines = self.logs.setdefault(message["taskPath"], [])
                assert message["from"] <= len(lines), "log lines are missing"
                lines[message["from"] :] = message["lines"]
            case "executionError":
                self.errors.append(message["error"])
        if "seq" in message and not message.get("more"):
            assert message["seq"] >= self.seq, "the sequence went back"
            self.seq = message["seq"]


class FoldedWatcher(Watcher):
    """What a client knows that watches with ``fold``."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.blocks: dict[str, dict[str, int]] = {}
        #: Start and length of what is folded, by path of the block.
        self.windows: dict[str, tuple[int, int]] = {}

    @property
    def shown(self) -> dict[str, Any]:
        """The tasks of the tree as it has them, by path."""
        return {path: self.statuses.get(path) for path, _ in _nodes(self.tree)}

    @property
    def folded(self) -> dict[str, dict[str, int]]:
        """Counts of the folded blocks of the tree."""
        paths = [path for path, node in _nodes(self.tree) if "total" in node]
        return {path: self.blocks[path] for path in (*paths, *(["#"] if "#" in self.windows else []))}

    def receive(self, message: Mapping[str, Any]) -> None:
        super().receive(message)
        match message["type"]:
            case "workflowDescription":
                self.windows = {"#": (message["from"], message["total"])} if "total" in message else {}
                self.blocks = {}
            case "setTasksStatuses":
                self.counts = message.get("counts", self.counts)
                self.blocks |= message.get("blocks", {})
            case "workflowBlock":
                self._show(message)

    def _show(self, message: Mapping[str, Any]) -> None:
        for path, record in message["statuses"].items():
            self.statuses[path] = merged(self.statuses.get(path, {}), record)
        window = {"from": message["from"]} if message["total"] > len(message["tasks"]) else {}
        if message["taskPath"] == "#":
            self.tree = message["tasks"]
            self.windows = {"#": (message["from"], message["total"])} if window else {}
        for path, node in _nodes(self.tree):
            if path == message["taskPath"]:
                node["children"] = message["tasks"]
                node.update(window)


def _nodes(tree: Sequence[Any]) -> list[tuple[str, Any]]:
    found = []
    for node in tree:
        found += [(node["path"], node), *_nodes(node["children"])]
    return found


class WebSocketCommunicator(ApplicationCommunicator):
    """A WebSocket to an ASGI application in this process.

    That of ``channels.testing`` cannot be imported without daphne, which nothing else here needs.
    """

    def __init__(
        self, application: Any, path: str = "/", headers: Sequence[tuple[bytes, bytes]] = (), **scope: Any
    ) -> None:
        base = {"type": "websocket", "path": path, "query_string": b"", "headers": list(headers), "subprotocols": []}
        super().__init__(application, base | scope)

    async def connect(self) -> tuple[bool, int | None]:
        """Whether the application accepts, and the code that it closes with when it does not."""
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(timeout=PATIENCE)
        return (True, None) if answer["type"] == "websocket.accept" else (False, answer.get("code", 1000))

    async def send_text(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self.send_input({"type": "websocket.receive", "bytes": data})

    async def ask(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        await self.send_text(json.dumps(message))

    async def answer(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next message."""
        output = await self.receive_output(timeout=timeout)
        assert output["type"] == "websocket.send", output
        answer: dict[str, Any] = json.loads(output["text"])
        check_message(answer)
        return answer

    async def disconnect(self) -> None:
        """Close, and wait until the application has ended."""
        if not self.future.done():
            await self.send_input({"type": "websocket.disconnect", "code": 1000})
            await self.wait(timeout=PATIENCE)
