"""Callers that die in the middle of creating, starting and cancelling; a later caller asks for the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs_flow import syncpoints
from tests.chaos.client import Call, call_all
from tests.chaos.faults import Fault
from tests.chaos.house import House
from tests.chaos.shapes import node
from tests.chaos.verdict import problems

Open = Callable[..., House]
TASKS = [node("first"), node("block", "quick", node("x"), node("y")), node("last")]
MODES = ("before", "after", "error", "away")
PLACES = tuple(name for name in syncpoints.NAMES if name.startswith("jobs.") and name != "jobs.create")


def creation(house: House, key: str, execute: bool = True) -> Call:
    context = {"ledger": str(house.directory), "pace": 1.0, "gate": str(house.directory / "gate")}
    options = {"key": key, "base_context": context, "execute": execute}
    return ("create_workflow_instance", ("chaos_tree", {"tasks": TASKS}), options)


class TestStarting:
    def test_a_start_that_was_cut_off_is_made_good(self, house: House) -> None:
        """The instance is there, its start is cut off at each point; whoever asks again finds it done, once."""
        house.start_worker()
        faults = [Fault(at, mode) for at in ("start_run", "dispatch", "settle") for mode in MODES]
        faults += [Fault(place) for place in PLACES if place != "jobs.created"]
        keys = [f"{fault.at}-{fault.mode}" for fault in faults]
        ids = [
            answer["result"] for answer in call_all([creation(house, key, False) for key in keys], house.environment)
        ]
        for fault, id in zip(faults, ids, strict=True):
            fault.plant(house.directory, id)
        answers = call_all([creation(house, key) for key in keys], house.faulty)
        for fault, id, answer in zip(faults, ids, answers, strict=True):
            if fault.at == "settle":
                continue
            assert fault.has_happened(house.directory, id), fault
            # A start that fails is no reason to keep the id from the caller.
            killed = fault.mode in ("before", "after")
            assert answer == ({"killed": True} if killed else {"result": id}), fault
        for id in ids:
            header = house.jobs.storage.get_instance(id)
            assert header is not None
            if header.status == "inactive":
                house.jobs.execute_all_tasks(id)
        house.wait(ids, 120)
        found: dict[str, Any] = {}
        for key, id in zip(keys, ids, strict=True):
            found[key] = list(problems(house.jobs.storage, house.ledger, id, TASKS))
        assert {key: problem for key, problem in found.items() if problem} == {}

    @pytest.mark.parametrize("mode", MODES)
    def test_a_creation_that_was_cut_off_leaves_one_instance_at_most(self, house: House, mode: str) -> None:
        house.start_worker()
        Fault("create_instance", mode).plant(house.directory, "key-k")
        (answer,) = call_all([creation(house, "k")], house.faulty)
        assert answer == ({"killed": True} if mode in ("before", "after") else {"error": "STORAGE_UNAVAILABLE"})
        answers = call_all([creation(house, "k")] * 3, house.environment)
        ids = {answer["result"] for answer in answers}
        assert list(ids) == house.jobs.storage.list_ids()
        house.wait(list(ids), 60)
        for id in ids:
            assert list(problems(house.jobs.storage, house.ledger, id, TASKS)) == []
            assert len(house.ledger.paths(id)) == len(TASKS) + 2


class TestSteering:
    def test_a_cancellation_that_was_cut_off_is_asked_for_again(self, house: House) -> None:
        house.start_worker()
        tasks = [node("block", "quick", *(node(f"t{n}", "gated") for n in range(6))), node("last")]
        ids = [house.create(tasks) for _ in MODES]
        for mode, id in zip(MODES, ids, strict=True):
            Fault("cancel", mode).plant(house.directory, id)
        call_all([("cancel", (id,), {}) for id in ids], house.faulty)
        call_all([("cancel", (id,), {}) for id in ids], house.environment)
        house.wait(ids, 60)
        for header in house.headers(ids).values():
            assert header.status == "cancelled"
            assert "#.last" not in house.ledger.paths(header.id)

    def test_a_deletion_that_was_cut_off_is_asked_for_again(self, house: House) -> None:
        house.start_worker()
        ids = [house.create(TASKS) for _ in MODES]
        for mode, id in zip(MODES, ids, strict=True):
            Fault("delete_instance", mode).plant(house.directory, id)
        call_all([("destroy_workflow", (id,), {}) for id in ids], house.faulty)
        call_all([("destroy_workflow", (id,), {}) for id in ids], house.environment)
        assert house.jobs.storage.list_ids() == []
        other = house.create(TASKS)
        house.wait([other], 60)
        assert house.headers(ids) == {}
