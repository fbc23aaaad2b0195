"""A throw-away server that speaks the protocol of S3: moto's. For one client at a time it is good enough."""

from __future__ import annotations

import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.support.eventually import eventually
from tests.support.processes import Process, free_port, session_directory

#: What boto3 signs requests with; the server takes any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "eu-central-1"


class S3Server(Process):
    """Buckets in the memory of a process, on a port of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        log = Path(tempfile.mkdtemp(prefix="s3-", dir=session_directory())) / "log"
        super().__init__([sys.executable, "-m", "moto.server", "-p", str(self.port)], name="s3", log=log, watched=False)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it; returns when it answers."""
        super().start()
        # Its imports alone take seconds.
        eventually(self._answers, timeout=60)
        return self

    def url(self, bucket: str, prefix: str = "") -> str:
        """Of a store of large values."""
        return f"s3://{bucket}/{prefix}?region={REGION}&endpoint={quote(self.endpoint)}"

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} ended with {self.returncode}:\n{self.tail()}")
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            return False
