"""Messages that are lost, doubled, or gone with their broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import pytest
import redis

from tests.chaos.conftest import IS_LONG
from tests.chaos.house import AGAIN, House
from tests.chaos.servers import QUEUE
from tests.chaos.shapes import Node, node, random_tree
from tests.chaos.verdict import problems
from tests.support.eventually import eventually

Open = Callable[..., House]


def wide(width: int) -> list[Node]:
    return [node("split", "quick", *(node(f"t{n:05}") for n in range(width))), node("join")]


def published_again(house: House) -> int:
    """Messages that the recovery of any worker has sent."""
    lines = house.logs(lambda line: AGAIN in line)
    return sum(int(line.split(AGAIN)[1]) for line in lines)


def judged(house: House, instances: dict[str, list[Node]]) -> list[str]:
    return [
        problem for id, tasks in instances.items() for problem in problems(house.jobs.storage, house.ledger, id, tasks)
    ]


class TestBrokerIsGone:
    @pytest.mark.parametrize("blow", ["emptied", "killed", *(["restarted"] if IS_LONG else [])])
    @pytest.mark.parametrize("broker", ["redis", *(["rabbitmq"] if IS_LONG else [])])
    def test_everything_that_was_queued_is_executed(self, open_house: Open, broker: str, blow: str) -> None:
        house = open_house(broker=broker)
        house.start_worker()
        trees = [random_tree(f"broker-{blow}-{n}") for n in range(12)]
        trees = [tree for tree in trees if not any(child["do"] == "dies" for top in tree for child in top["children"])]
        instances = {house.create(tree): tree for tree in trees}
        eventually(lambda: house.ledger.paths(next(iter(instances))), 60)
        match blow:
            case "emptied":
                house.broker.empty()
            case "restarted":
                house.broker.restart()
            case "killed":
                house.broker.renew()
        house.wait(list(instances), 120)
        assert judged(house, instances) == []

    @pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
    def test_a_run_is_started_while_no_worker_is_there_and_its_messages_are_lost(
        self, open_house: Open, broker: str
    ) -> None:
        house = open_house(broker=broker)
        tree = wide(5)
        id = house.create(tree)
        eventually(lambda: house.broker.waiting() == 1)
        house.broker.empty()
        house.start_worker()
        house.wait([id], 60)
        assert judged(house, {id: tree}) == []
        assert published_again(house) >= 1


class TestDoubled:
    @pytest.mark.parametrize(
        ("broker", "pool"),
        [("redis", "prefork"), *([("redis", "threads"), ("rabbitmq", "prefork")] if IS_LONG else [])],
    )
    def test_each_message_is_delivered_twice(self, open_house: Open, broker: str, pool: str) -> None:
        # Nothing is lost here, and nobody who is only slow is to lose his task.
        house = open_house(broker=broker, pool=pool, lease=10.0)
        for _ in range(2):
            house.start_worker(twice=True, wait=False)
        for worker in house.workers:
            worker.wait_until_ready()
        trees = [random_tree(f"twice-{pool}-{n}", deadly=False) for n in range(12)]
        instances = {house.create(tree): tree for tree in trees}
        house.wait(list(instances), 120)
        assert judged(house, instances) == []
        for id in instances:
            starts, raised = Counter(house.ledger.paths(id)), Counter(house.ledger.paths(id, "raise"))
            again = {path for path, times in starts.items() if times > max(1, raised[path] + 1)}
            assert not again, f"{again} of {id} were executed by both deliveries"


class TestLost:
    def test_every_twentieth_message_is_deleted_and_healthy_ones_are_left_alone(self, open_house: Open) -> None:
        house = open_house(lease=1.0)
        tree, count = wide(100), 100 if IS_LONG else 20
        # Before there is a worker: to one that has emptied the queue and is slow to begin, messages are sent again.
        instances = {house.create(tree): tree for _ in range(count)}
        first = house.start_worker(concurrency=1)
        total = count * 102
        # Most of them are queued, and what is executed has waited for longer than the recovery's grace.
        eventually(lambda: _ok(house, instances) > total * 0.4, 180, interval=0.1)
        first.end()
        assert _longest_wait(house, instances) > 1.5 * 1000 * house.lease
        assert published_again(house) == 0
        with redis.Redis.from_url(house.broker.url) as client:
            messages = client.lrange(QUEUE, 0, -1)
            client.delete(QUEUE)
            client.rpush(QUEUE, *(message for n, message in enumerate(messages) if n % 20))
        lost = len(messages[::20])
        assert lost > total / 100
        house.start_worker()
        house.wait(list(instances), 180, tend=False)
        assert judged(house, instances) == []
        assert published_again(house) >= lost


def _ok(house: House, instances: Iterable[str]) -> int:
    return sum(header.counts.get("ok", 0) for header in house.headers(list(instances)).values())


def _longest_wait(house: House, instances: Iterable[str]) -> int:
    """Milliseconds that a task waited for its worker."""
    waits = [
        record["executionTime"] - record["queuedAt"]
        for id in instances
        for record in house.jobs.get_tasks_statuses(id).values()
        if record["status"] == "ok"
    ]
    return max(waits)
