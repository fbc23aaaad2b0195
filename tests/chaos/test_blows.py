"""``make chaos`` in small, and what it rests on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.blows import Chaos, Options
from tests.chaos.conftest import IS_LONG
from tests.chaos.shapes import expected, random_tree
from tests.chaos.verdict import undisturbed

#: Where the messages and the records are.
HOUSES = [("redis", "redis"), ("rabbitmq", "redis"), ("redis", "dynamodb")]
if IS_LONG:
    HOUSES += [("rabbitmq", "dynamodb")]


class TestModel:
    def test_what_is_expected_is_what_an_undisturbed_run_gives(self, tmp_path: Path) -> None:
        seen = set()
        for number in range(60):
            tree = random_tree(f"model-{number}")
            status, statuses = expected(tree)
            found_status, found = undisturbed(tree, tmp_path)
            assert (found_status, {path: record[0] for path, record in found.items()}) == (status, statuses), tree
            seen |= {status, *statuses.values()}
        assert seen == {"done", "failed", "ok", "skipped", "inactive"}


class TestBlows:
    @pytest.mark.parametrize("seed", ["a", *("bcdef" if IS_LONG else "")])
    @pytest.mark.parametrize(("broker", "storage"), HOUSES)
    def test_all_end_as_they_should_soon_after_the_last_blow(self, broker: str, storage: str, seed: str) -> None:
        options = Options(
            workflows=16,
            seconds=4,
            seed=seed,
            workers=2,
            lease=4,
            interval=3,
            broker=broker,
            storage=storage,
            slack=6,
        )
        result = Chaos(options, print).run()
        assert result.account.violations == []
        assert result.blows["broker emptied"] == result.blows["broker restarted"] == 1
        assert result.blows["workers killed"] + result.blows["children killed"] >= 2
        assert result.account.statuses["done"] > 0
        assert result.account.statuses["failed"] > 0
