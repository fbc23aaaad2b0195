"""Which tests may run at the same time, when two processes share them (pytest-xdist).

Those that start workers, web servers or browsers, and kill, cut or time them, take turns: they all go to one process.
What reckons, or asks a storage, goes to the other meanwhile, file by file; and what only waits for that which it has
started (``tests/acceptance``).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
TURNS = "those that take turns"
_DIRECTORIES = ("tests/chaos/", "tests/browser/")
#: Who uses one of these starts processes.
_STARTS = re.compile(r"\b(start_worker|start_web|start_process|open_page|WebServer|Worker|House)\b")


class TakingTurns(LoadScopeScheduling):
    """See above."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid.partition("::")[0])

    def _assign_work_unit(self, node: Any) -> None:
        # First of all, since it takes longest.
        if TURNS in self.workqueue:
            self.workqueue.move_to_end(TURNS, last=False)
        super()._assign_work_unit(node)


@cache
def scope_of(file: str) -> str:
    """With what the tests of a file (its path from the root) stay together."""
    if file.startswith(_DIRECTORIES):
        return TURNS
    if file.startswith("tests/integration/") and _STARTS.search((ROOT / file).read_text(encoding="utf-8")):
        return TURNS
    return file
