"""The demo as tests start it: in a directory of its own, with nothing of theirs in its environment."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.support.processes import Process, session_directory

#: What the demo would use instead of starting its own.
SERVERS = ("CELERY_BROKER_URL", "JOBS_FLOW_STORAGE_URL", "CHANNEL_REDIS_URL", "DATABASE_URL")


class Demo(Process):
    """``python -m testproject.demo``."""

    def __init__(self, var: Path, *arguments: str, env: Mapping[str, str | None] | None = None) -> None:
        self.var = var
        environment: dict[str, str | None] = dict.fromkeys(SERVERS)
        environment |= {
            "TESTPROJECT_VAR": str(var),
            "DEMO_PACE": "0",
            # Looking through the fonts takes seconds; one directory for all demos of a test run.
            "MPLCONFIGDIR": str(session_directory() / "matplotlib"),
            "COLUMNS": "200",
        }
        command = [sys.executable, "-m", "testproject.demo", *arguments]
        super().__init__(command, name="demo", env={**environment, **(env or {})})

    def processes(self) -> list[psutil.Process]:
        """All that run for this demo, whoever their parent is now."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # Valkey writes its title over its environment; its directory remains.
            return process.environ().get("TESTPROJECT_VAR") == str(self.var) or self.var in Path(process.cwd()).parents
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    def child(self, part: str) -> psutil.Process:
        """The direct child with that word in its command line."""
        return next(c for c in psutil.Process(self.pid).children() if any(part in word for word in c.cmdline()))

    def wait_until_up(self) -> str:
        """The address, once the demo says it."""
        return self.wait_for_output(r"^Open +(http://127\.0\.0\.1:\d+)/demo-login/", timeout=180).group(1)

    def login_url(self) -> str:
        """The link that it printed."""
        return self.wait_for_output(r"^Open +(\S+)$").group(1)

    def valkey_port(self) -> int:
        """The port that it printed."""
        return int(self.wait_for_output(r"redis-cli -p (\d+)", timeout=180).group(1))

    def instance_id(self) -> str:
        """The instance of ``--once``."""
        found = re.search(r"^Instance +(\S+)$", self.output(), re.MULTILINE)
        assert found, self.tail()
        return found.group(1)
