"""The storage goes away, with its data safe on its disk, and comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.conftest import IS_LONG
from tests.chaos.house import House
from tests.chaos.shapes import random_tree
from tests.chaos.verdict import Judge
from tests.support.eventually import eventually

Open = Callable[..., House]
PAIRS = [("prefork", "killed"), ("threads", "restarted")]
if IS_LONG:
    PAIRS += [("prefork", "restarted"), ("threads", "killed")]


class TestStorageIsGone:
    @pytest.mark.parametrize(("pool", "blow"), PAIRS)
    def test_nothing_is_forgotten_or_done_again(self, open_house: Open, pool: str, blow: str) -> None:
        house = open_house(pool=pool)
        house.start_worker()
        trees = [random_tree(f"storage-{n}", deadly=False) for n in range(12)]
        instances = {house.create(tree): tree for tree in trees}
        for _ in range(2):
            ended = len(instances) - len(house.working(list(instances)))
            if blow == "restarted":
                house.storage.restart()
            else:
                house.storage.kill()
                house.storage.start()
            left = min(ended + 2, len(instances))
            eventually(lambda left=left: len(instances) - len(house.working(list(instances))) >= left, 60)
        house.wait(list(instances), 120)
        judge = Judge(house.jobs.storage, house.ledger)
        for id, tree in instances.items():
            judge.judge(id, tree)
        assert judge.account.violations == []
