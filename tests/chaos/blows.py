"""A run under blows, as ``make chaos`` makes it."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from tests.chaos.house import AGAIN, House
from tests.chaos.shapes import Node, random_tree
from tests.chaos.verdict import Account, Judge

#: Leases within which everything has to be over after the last blow.
LEASES = 3.0
#: Share of the live workflows that may be left when the last blow falls; they have to end in time after it.
LEFT_AT_THE_END = 0.1


@dataclass(frozen=True)
class Options:
    """How much, and how hard."""

    workflows: int = 200
    #: Seconds for which a workflow that has ended is replaced by a new one.
    seconds: float = 60.0
    seed: str = "1"
    workers: int = 3
    pool: str = "prefork"
    concurrency: int = 4
    lease: float = 5.0
    #: Seconds between two blows.
    interval: float = 4.0
    broker: str = "redis"
    storage: str = "redis"
    #: Seconds beyond LEASES that a slow machine gets, on which a worker may take so long to start again.
    slack: float = 0.0


@dataclass
class Result:
    """What happened."""

    account: Account
    blows: Counter[str] = field(default_factory=Counter)
    #: Messages that the recovery published again.
    published_again: int = 0
    seconds: float = 0.0
    #: From the last blow to the last end, in leases.
    leases_to_the_end: float = 0.0
    started: int = 0


class Chaos:
    """One run; ``say`` is told what happens."""

    def __init__(self, options: Options, say: Callable[[str], None] = lambda line: None) -> None:
        self._options = options
        self._say = say
        # One for the shapes (by number) and one for the blows.
        self._chance = random.Random(f"{options.seed}-blows")
        self._trees: dict[str, list[Node]] = {}
        self._blows: Counter[str] = Counter()

    def run(self) -> Result:
        """Start workflows and servers, strike, wait, judge."""
        options = self._options
        with House(
            lease=options.lease,
            pool=options.pool,
            concurrency=options.concurrency,
            broker=options.broker,
            storage=options.storage,
        ) as house:
            begun = time.monotonic()
            for _ in range(options.workers):
                house.start_worker(wait=False)
            for worker in house.workers:
                worker.wait_until_ready()
            for _ in range(options.workflows):
                self._start_one(house)
            servers = f"messages on {options.broker}, records on {options.storage}"
            self._say(f"{len(self._trees)} workflows on {options.workers} {options.pool} workers, {servers}")
            last = self._strike(house)
            late = self._wait(house, last)
            judge = Judge(house.jobs.storage, house.ledger)
            for id, tasks in self._trees.items():
                judge.judge(id, tasks)
            if late > LEASES + options.slack / options.lease:
                judge.account.violations.append(f"LATE: the last end came {late:.1f} leases after the last blow")
            again = house.logs(lambda line: AGAIN in line)
            return Result(
                account=judge.account,
                blows=self._blows,
                published_again=sum(int(line.split(AGAIN)[1]) for line in again),
                seconds=time.monotonic() - begun,
                leases_to_the_end=late,
                started=len(self._trees),
            )

    def _start_one(self, house: House) -> None:
        number = len(self._trees)
        # A task that kills whoever executes it takes its time until it is given up: not one of the last ones.
        deadly = self._options.pool == "prefork" and number < self._options.workflows
        tree = random_tree(f"{self._options.seed}-{number}", deadly=deadly)
        self._trees[house.create(tree)] = tree

    def _strike(self, house: House) -> float:
        """Strike until few are left; when the last blow was over."""
        options, begun = self._options, time.monotonic()
        last = next_blow = begun + options.interval / 2
        special: list[Callable[[House], None]] = [self._flush_broker, self._restart_broker]
        while True:
            house.tend()
            now = time.monotonic()
            live = house.working(list(self._trees))
            filling = now - begun < options.seconds
            if filling:
                for _ in range(options.workflows - len(live)):
                    self._start_one(house)
            if not filling and not special and len(live) <= options.workflows * LEFT_AT_THE_END:
                return last
            if now >= next_blow:
                self._blow(house, special)
                last = time.monotonic()
                next_blow = last + options.interval * self._chance.uniform(0.7, 1.3)
            time.sleep(0.1)

    def _blow(self, house: House, special: list[Callable[[House], None]]) -> None:
        count = self._blows.total()
        if special and count % 3 == 2:
            special.pop(0)(house)
        elif self._chance.random() < 0.25 and self._options.pool == "prefork":
            self._kill_child(house)
        else:
            self._kill_worker(house)

    def _kill_worker(self, house: House) -> None:
        worker = self._chance.choice(house.workers)
        self._say(f"SIGKILL to {worker.name}")
        if worker.running:
            worker.kill()
            self._blows["workers killed"] += 1
        house.tend()

    def _kill_child(self, house: House) -> None:
        children = self._chance.choice(house.workers).children()
        if children:
            child = self._chance.choice(children)
            self._say("SIGKILL to a child")
            # It may have died of its task.
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
                self._blows["children killed"] += 1

    def _flush_broker(self, house: House) -> None:
        self._say("the broker is emptied")
        house.broker.empty()
        self._blows["broker emptied"] += 1

    def _restart_broker(self, house: House) -> None:
        self._say("the broker is killed and started again, without its data")
        house.broker.renew()
        self._blows["broker restarted"] += 1

    def _wait(self, house: House, last: float) -> float:
        """Until everything has ended, or long after it should have; leases between the last blow and the last end."""
        lease = self._options.lease
        while time.monotonic() - last < 4 * LEASES * lease:
            house.tend()
            if not house.working(list(self._trees)):
                break
            time.sleep(0.05)
        return (time.monotonic() - last) / lease
