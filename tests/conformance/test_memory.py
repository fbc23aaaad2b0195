"""The conformance suite on the storage of one process."""

from __future__ import annotations

import pytest

from jobs_flow.storages.memory import MemoryStorage
from jobs_flow.testing.conformance import *  # noqa: F403

del TestProcesses  # noqa: F821 - no other process can open it


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()
