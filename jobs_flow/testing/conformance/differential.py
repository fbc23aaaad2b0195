"""The storage and the model: whatever happens to an instance, both say the same."""

from __future__ import annotations

from jobs_flow.storages.base import Storage
from jobs_flow.testing.differential import compare


class TestDifferential:
    def test_the_storage_is_the_model(self, storage: Storage, examples: int) -> None:
        compare([storage], examples)
