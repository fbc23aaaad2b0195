"""Each write of the engine cut off before it, after it, and done but reported as an error; and each named place.

All cases of a class share their workers: what is to happen is planted for the instance of each, happens once, and
the supervisor starts again whatever it kills.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from jobs_flow import syncpoints
from tests.chaos.conftest import IS_LONG
from tests.chaos.faults import Fault
from tests.chaos.house import House
from tests.chaos.shapes import Node, node
from tests.chaos.verdict import problems
from tests.support.eventually import eventually

MODES = ("before", "after", "error", "away")


@dataclass(frozen=True)
class Case:
    """A fault, and the workflow it happens to."""

    fault: Fault
    tasks: list[Node] = field(hash=False)

    def __str__(self) -> str:
        fault, first = self.fault, self.tasks[0]
        words = [fault.mode, fault.at, fault.path.removeprefix("#."), first["do"], first.get("on_failure", "")]
        words += [str(fault.n) if fault.n > 1 else "", "worker" if fault.victim == "worker" else ""]
        return "-".join(word for word in words if word)


def flow(first: str = "quick", **options: object) -> list[Node]:
    """A task, a block of two, a task: the first of the kind asked for."""
    block = node("block", "quick", node("x"), node("y", "quick", node("under")))
    return [node("first", first, **options), block, node("last")]


def cases() -> Iterator[Case]:
    """What is tried in the workers."""
    for mode in MODES:
        yield Case(Fault("dispatch", mode), flow())
        yield Case(Fault("retry", mode), flow("flaky", times=2))
        for path in ("#.first", "#.block.y.under"):
            yield Case(Fault("complete", mode, path=path), flow())
    for mode in MODES if IS_LONG else ("before", "after", "error"):
        yield Case(Fault("claim", mode, path="#.block.x"), flow())
        for path in ("#.block", "#.last"):
            yield Case(Fault("complete", mode, path=path), flow())
        yield Case(Fault("complete", mode, path="#.first"), flow("fails"))
        yield Case(Fault("complete", mode, path="#.first"), flow("fails", on_failure="continue"))
        yield Case(Fault("complete", mode, path="#.first"), flow("skips"))
        yield Case(Fault("retry", mode, n=2), flow("hopeless"))
        yield Case(Fault("dispatch", mode, n=2), flow())
        yield Case(Fault("settle", mode), flow("fails"))
        yield Case(Fault("append_logs", mode), flow("reports"))
        yield Case(Fault("set_progress", mode), flow("reports"))
    for mode in ("error", "away"):
        yield Case(Fault("release", mode), flow("flaky_until", times=8, until="release"))
        yield Case(Fault("lose", mode), flow("dies_once"))
        yield Case(Fault("complete", mode, path="#.first"), flow("hangs"))
    for name in syncpoints.NAMES:
        if name.startswith("step."):
            yield Case(Fault(name), flow())
            yield Case(Fault(name, n=2), flow("flaky", times=1))


def deadly_cases() -> Iterator[Case]:
    """Those that end a whole worker: what its main process does, or a child that takes it along."""
    for mode in ("before", "after"):
        yield Case(Fault("release", mode), flow("flaky_until", times=8, until="release"))
        yield Case(Fault("lose", mode), flow("dies_once"))
        yield Case(Fault("complete", mode, path="#.first"), flow("hangs"))
        yield Case(Fault("complete", mode, path="#.first", victim="worker"), flow())
    # Comes after its write, so a process that another case kills in between does not come to it again.
    yield Case(Fault("recovery.taken"), flow("dies_until", until="recovery.taken"))
    yield Case(Fault("recovery.publish"), flow("dies_once"))
    yield Case(Fault("claim", "after", victim="worker"), flow())
    yield Case(Fault("dispatch", "before", victim="worker"), flow())


def longer_cases() -> Iterator[Case]:
    """More of the same kind."""
    for name in syncpoints.NAMES:
        if name.startswith("step."):
            yield Case(Fault(name, victim="worker"), flow())
    for at in ("claim", "complete", "dispatch"):
        for mode in ("before", "after"):
            yield Case(Fault(at, mode, n=2, victim="worker"), flow())


class Trial:
    """Cases that were started together, in a house of two workers."""

    def __init__(self, cases: list[Case]) -> None:
        self._cases = cases
        self.problems: dict[str, list[str]] = {}

    def run(self, patience: float) -> Trial:
        """Plant, start, wait, compare."""
        with House(concurrency=10, CHAOS_MAX_LOSSES="50") as house:
            for _ in range(2):
                # A worker that is killed takes no more messages along than it executes.
                house.start_worker(faulty=True, wait=False, options=["--prefetch-multiplier", "1"])
            for worker in house.workers:
                worker.wait_until_ready()
            ids = {}
            for case in self._cases:
                ids[case] = house.create(case.tasks, execute=False)
                case.fault.plant(house.directory, ids[case])
            for id in ids.values():
                house.jobs.execute_all_tasks(id)
            # What has not ended is told by case.
            with contextlib.suppress(AssertionError):
                house.wait(list(ids.values()), patience)
            for case, id in ids.items():
                self.problems[str(case)] = list(self._judge(house, case, id))
        return self

    def _judge(self, house: House, case: Case, id: str) -> Iterator[str]:
        # Some places come after the end of the run is recorded.
        try:
            eventually(lambda: case.fault.has_happened(house.directory, id))
        except AssertionError:
            yield "nothing came to the place of the fault"
        yield from problems(house.jobs.storage, house.ledger, id, case.tasks)


CASES, DEADLY = list(cases()), list(deadly_cases())
if IS_LONG:
    DEADLY += longer_cases()


@pytest.fixture(scope="module")
def of_children() -> Trial:
    return Trial(CASES).run(180)


@pytest.fixture(scope="module")
def of_workers() -> Trial:
    return Trial(DEADLY).run(240)


class TestChildren:
    """The process of a task, or the answer to it, is lost; its worker lives."""

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_the_records_are_those_of_an_undisturbed_run(self, of_children: Trial, case: Case) -> None:
        assert of_children.problems[str(case)] == []


class TestWorkers:
    """A whole worker is lost, some of them in the middle of putting right what another has left."""

    @pytest.mark.parametrize("case", DEADLY, ids=str)
    def test_the_records_are_those_of_an_undisturbed_run(self, of_workers: Trial, case: Case) -> None:
        assert of_workers.problems[str(case)] == []
