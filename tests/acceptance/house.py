"""The example project on given servers, as it is deployed: a worker, a web server, and a user in front of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

from scripts.environment import ROOT
from tests.acceptance.browser import Browser
from tests.support.held import held
from tests.support.live import Watcher
from tests.support.processes import WebServer, Worker

USER, PASSWORD = "ada", "a long password"


class House:
    """Use as a context manager, from the main thread.

    :param servers: the variables that name them (``testproject.settings``).
    """

    def __init__(self, servers: Mapping[str, str | None], var: Path) -> None:
        self._env: dict[str, str | None] = {
            **servers,
            "TESTPROJECT_VAR": str(var),
            "DEMO_PACE": "0.2",
            "JOBS_FLOW_LEASE": "3",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        self._stack = ExitStack()
        self.worker: Worker
        self.web: WebServer

    def __enter__(self) -> Self:
        with self._stack:
            self.manage("migrate", "--verbosity", "0")
            self.manage("createsuperuser", "--no-input", "--username", USER, "--email", "ada@example.com")
            self.worker = self._stack.enter_context(Worker("testproject", name="house-worker", env=self._env))
            self.web = self._stack.enter_context(WebServer(name="house-web", env=self._env))
            self.worker.wait_until_ready()
            self.web.wait_until_ready()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def manage(self, *words: str) -> str:
        """``manage.py`` with these words; what it prints."""
        given = {**os.environ, "DJANGO_SETTINGS_MODULE": "testproject.settings", "PYTHONPATH": str(ROOT), **self._env}
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", *words],
            env={name: value for name, value in given.items() if value is not None},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def enter(self) -> Visitor:
        """The user, logged in."""
        browser = Browser()
        page = browser.get(f"{self.web.url}/login/")
        browser.post(f"{self.web.url}/login/", page, username=USER, password=PASSWORD)
        return Visitor(self.web, browser)

    def watch(self, visitor: Visitor, behaviour: str) -> str:
        """Start one of the behaviours and watch it from before its first task; the id of the instance."""
        with held(self.worker):
            id = visitor.start(behaviour)
            visitor.ask("watchWorkflowInstance", workflowId=id)
            visitor.listen(lambda: visitor.watcher.status == "working" and bool(visitor.watcher.statuses))
        return id


class Visitor:
    """A user with a browser and a socket; a context manager."""

    def __init__(self, web: WebServer, browser: Browser) -> None:
        self.browser = browser
        self.watcher = Watcher()
        self._stack = ExitStack()
        self._web = web
        self._socket: ClientConnection

    def __enter__(self) -> Self:
        web, headers = self._web, {"Cookie": self.browser.cookies}
        opened = connect(
            f"{web.websocket_url}/ws/jobs-flow/", origin=web.url, additional_headers=headers, open_timeout=60
        )
        self._socket = self._stack.enter_context(opened)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self, behaviour: str) -> str:
        """Press the button of one of the behaviours; the id of the instance."""
        home = f"{self._web.url}/behaviours/"
        self.browser.post(f"{home}{behaviour}/start/", self.browser.get(home))
        return self.browser.address.rpartition("?instance=")[2]

    def page(self, path: str) -> str:
        """A page of the project."""
        return self.browser.get(f"{self._web.url}{path}")

    def ask(self, kind: str, **fields: Any) -> None:
        """Send a request."""
        self._socket.send(json.dumps({"type": kind, **fields}))

    def command(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request, and its answer; what is said meanwhile is taken note of."""
        self.ask(kind, ref=kind, **fields)
        return self.listen(lambda: self.watcher.messages[-1].get("ref") == kind)

    def listen(self, heard: Callable[[], bool], timeout: float = 90) -> dict[str, Any]:
        """Take messages until it is so after one of them, which is given."""
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(timeout))
            self.watcher.receive(message)
            if not message.get("more") and heard():
                return message
