"""Who holds what: the tokens that this process takes tasks under.

A token is ``<worker>.<process>.<random>``. The first part is made when a worker's main process imports this
module, and its forked children inherit it: so the main process can speak for all of them
(``worker_prefix``), or for the one that died (``process_prefix``).
"""

from __future__ import annotations

import os
import secrets

_WORKER = secrets.token_hex(6)


def worker_prefix() -> str:
    """What the tokens of this worker, all its processes, begin with."""
    return f"{_WORKER}."


def process_prefix(pid: int | None = None) -> str:
    """What the tokens of one process of this worker begin with; of this process, without a ``pid``."""
    return f"{_WORKER}.{os.getpid() if pid is None else pid}."


def new_token() -> str:
    """A fresh fencing token of this process."""
    return process_prefix() + secrets.token_hex(6)
