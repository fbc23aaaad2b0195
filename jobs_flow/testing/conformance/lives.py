"""Keys, updates of a definition, and the end of an instance."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobs_flow.errors import InstanceBusy, InstanceExists, InstanceNotFound
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Event, Grip, Loss, NewInstance, RunSelection
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import GONE, INITIAL, LEASE, LOST, Scenario, failed, lengths, ok, task
from jobs_flow.workflows.definition import Task, Workflow
from jobs_flow.workflows.plan import Plan


class TestKeys:
    def test_found(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), key="order 7/é\n")
        assert scenario.created.key == scenario.instance.key == "order 7/é\n"
        assert storage.find_key("scenario", "order 7/é\n") == scenario.id
        assert storage.find_key("scenario", "order 8") is None
        assert storage.find_key("another", "order 7/é\n") is None

    def test_one_instance_of_a_workflow_has_it(self, storage: Storage) -> None:
        first, second = Scenario(storage, task("a"), key="k"), storage.new_id(key="k")
        with pytest.raises(InstanceExists) as refused:
            Scenario(storage, task("a"), key="k", instance_id=second)
        assert vars(refused.value)["instance_id"] == first.id
        assert storage.get_instance(second) is None
        assert soon(storage.list_ids) == [first.id]
        assert storage.events(second, 0) == []
        other = Scenario(storage, task("a"), key="k", workflow="another")
        assert storage.find_key("another", "k") == other.id

    def test_of_each_realm_another_instance_has_it(self, storage: Storage) -> None:
        one, two = (Scenario(storage, task("a"), key="k", realm=realm) for realm in ("one", "two"))
        assert [storage.find_key("scenario", "k", realm=realm) for realm in ("one", "two", "")] == [
            one.id,
            two.id,
            None,
        ]
        storage.update_instance(dataclasses.replace(one.new, workflow="another"), revision=1)
        storage.delete_instance(two.id)
        assert storage.find_key("another", "k", realm="one") == one.id
        assert storage.find_key("scenario", "k", realm="two") is None

    def test_none_and_empty(self, storage: Storage) -> None:
        one, two = Scenario(storage, task("a")), Scenario(storage, task("a"))
        assert (one.created.key, two.created.key) == (None, None)
        empty = Scenario(storage, task("a"), key="")
        assert (empty.created.key, storage.find_key("scenario", "")) == ("", empty.id)

    def test_names_do_not_run_together(self, storage: Storage) -> None:
        one = Scenario(storage, task("a"), workflow="a:b", key="c")
        two = Scenario(storage, task("a"), workflow="a", key="b:c")
        assert (storage.find_key("a:b", "c"), storage.find_key("a", "b:c")) == (one.id, two.id)

    def test_an_id_that_is_taken_is_named(self, storage: Storage) -> None:
        keyed = Scenario(storage, task("a"), key="k")
        other = Scenario(storage, task("a"), instance_id=storage.new_id(key="new"))
        with pytest.raises(InstanceExists) as refused:
            storage.create_instance(dataclasses.replace(other.new, key="new"))
        assert vars(refused.value)["instance_id"] == other.id
        assert storage.find_key("scenario", "new") is None
        assert storage.find_key("scenario", "k") == keyed.id

    def test_used_again_after_its_instance_is_deleted(self, storage: Storage) -> None:
        first = Scenario(storage, task("a"), key="k")
        storage.delete_instance(first.id)
        assert storage.find_key("scenario", "k") is None
        second = Scenario(storage, task("a"), key="k")
        assert storage.find_key("scenario", "k") == second.id


class TestNamedStarts:
    """A start that has a name may be asked for again."""

    def test_the_same_start(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        first = scenario.start(call="one")
        before = scenario.snapshot
        assert scenario.start(call="one") == first
        assert scenario.snapshot == before
        scenario.do("#.a")
        before = scenario.snapshot
        assert scenario.start(call="one") == first, "also when its run is over"
        assert scenario.snapshot == before

    def test_whatever_run_is_expected(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        selection = RunSelection(["#.a"], ["#.a"], {})
        first = storage.start_run(scenario.id, selection, expect_run=1, call="one")
        assert storage.start_run(scenario.id, selection, expect_run=1, call="one") == first

    def test_another_one(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start(call="one")
        scenario.do("#.a")
        assert scenario.start(call="two").run == 2
        scenario.do("#.a")
        assert scenario.start().run == 3
        scenario.do("#.a")
        assert scenario.start(call="two").run == 4, "only the latest start is remembered"


def changed(new: NewInstance, *tasks: Task, **changes: Any) -> NewInstance:
    """The instance with other tasks."""
    plan = Plan.of(Workflow.parse("scenario", tasks))
    tree = {"fingerprint": plan.fingerprint, "tree": plan.describe(), "paths": tuple(plan.nodes)}
    return dataclasses.replace(new, **(tree | changes))


class TestUpdate:
    def test_the_header(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), realm="r", name="old", key="k", data={"n": 1})
        new = dataclasses.replace(
            scenario.new,
            data={"n": [2]},
            base_context={"c": "é"},
            name="new",
            realm="other",
            key="other",
            ephemeral=True,
        )
        header = storage.update_instance(new, revision=1)
        assert header == scenario.instance
        assert (header.data, header.base_context, header.name) == ({"n": [2]}, {"c": "é"}, "new")
        assert (header.realm, header.key, header.ephemeral) == ("r", "k", False)
        assert (header.revision, header.status, header.run, header.seq) == (2, "inactive", 0, 2)
        assert header.created_at == scenario.created.created_at
        assert soon(storage.list_ids, realm="r") == [scenario.id]
        assert soon(storage.list_ids, realm="other") == []
        found = [storage.find_key("scenario", key, realm="r") for key in ("k", "other")]
        assert found == [scenario.id, None]
        assert scenario.last_event() == {"run": 0, "reset": True, "tree": True}

    def test_claims_built_on_the_old_one_are_told(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        storage.update_instance(dataclasses.replace(scenario.new, data={"n": 2}), revision=1)
        claim = scenario.claim("#.a")
        assert claim.state == "header"
        assert claim.header is not None
        assert (claim.header.data, claim.header.revision) == ({"n": 2}, 2)
        assert scenario.claim("#.a", revision=2).state == "granted"

    def test_another_revision(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        before = scenario.snapshot
        for revision in (0, 2):
            assert storage.update_instance(changed(scenario.new, task("b")), revision=revision) is None
        assert scenario.snapshot == before

    def test_unknown(self, storage: Storage) -> None:
        new = NewInstance("nobody", "scenario", {}, {}, "f", [], ["#.a"])
        with pytest.raises(InstanceNotFound):
            storage.update_instance(new, revision=1)
        assert storage.get_instance("nobody") is None

    def test_paths_that_stay_go_and_come(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        scenario.do("#.a", ok("#.a", "kept", updaters="[1]", logs=["line"]))
        scenario.do("#.b", ok("#.b", "gone", updaters="[2]", logs=["line"]))
        scenario.do("#.c", failed())
        scenario.start()
        scenario.do("#.a", ok("#.a", "kept", updaters="[1]", logs=["line"]))
        scenario.do("#.b", ok("#.b", "gone", updaters="[2]", logs=["line"]))
        scenario.do("#.c", failed())
        kept = scenario.task("#.a"), scenario.attempts("#.a")
        new = changed(scenario.new, task("new"), task("a", task("x")), task("c"))
        header = storage.update_instance(new, revision=1)
        assert header is not None
        assert list(scenario.snapshot.tasks) == ["#.new", "#.a", "#.a.x", "#.c"]
        assert scenario.snapshot.tree == storage.get_tree(scenario.id) == list(new.tree)
        assert (scenario.task("#.a"), scenario.attempts("#.a")) == kept
        assert scenario.snapshot.tasks["#.new"] == scenario.snapshot.tasks["#.a.x"] == INITIAL
        assert {status: n for status, n in header.counts.items() if n} == {"ok": 1, "failed": 1, "inactive": 2}
        assert storage.get_task(scenario.id, "#.b") is None
        assert (scenario.attempts("#.b"), storage.get_logs(scenario.id, ["#.b"])) == ([], {"#.b": []})
        # A path that comes back does not find what went.
        storage.update_instance(scenario.new, revision=2)
        assert scenario.snapshot.tasks["#.b"] == INITIAL
        assert scenario.attempts("#.b") == []
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        claim = scenario.claim("#.b", revision=3)
        assert dict(claim.updaters) == {"#.a": "[1]"}

    def test_a_run_after_it(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        new = changed(scenario.new, task("b"))
        storage.update_instance(new, revision=1)
        scenario.start(RunSelection(["#.b"], ["#.b"], {}))
        assert scenario.claim("#.b", revision=2).state == "granted"
        assert scenario.claim("#.a", revision=2).state == "gone"

    def test_a_failure_that_went_does_not_remain(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.b", failed())
        storage.update_instance(changed(scenario.new, task("a")), revision=1)
        scenario.bring_due("failed", "#.b")
        assert scenario.kinds() == set()
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        claim = scenario.claim("#.a", revision=2)
        assert claim.state == "granted"
        assert scenario.complete("#.a", ok("#.a")).finished == "done"

    def test_while_working(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.claim("#.a")
        before = scenario.snapshot
        with pytest.raises(InstanceBusy):
            storage.update_instance(changed(scenario.new, task("a")), revision=1)
        assert scenario.snapshot == before
        header = storage.update_instance(dataclasses.replace(scenario.new, name="other"), revision=1)
        assert header is not None
        assert (header.name, header.status) == ("other", "working")
        assert list(scenario.complete("#.a", ok("#.a")).queued) == ["#.b"]

    def test_a_key_goes_along_with_the_workflow(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), key="k")
        storage.update_instance(dataclasses.replace(scenario.new, workflow="another"), revision=1)
        assert scenario.instance.workflow == "another"
        assert (storage.find_key("another", "k"), storage.find_key("scenario", "k")) == (scenario.id, None)
        storage.delete_instance(scenario.id)
        assert storage.find_key("another", "k") is None


class TestDelete:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        """A working instance with something of each kind."""
        scenario = Scenario(storage, task("a"), task("b", task("x"), task("y")), realm="r", key="k")
        scenario.start()
        scenario.do("#.a", ok("#.a", "x" * 10, updaters="[1]", logs=["line"]))
        scenario.do("#.b")
        scenario.claim("#.b.x", lease=GONE)
        storage.append_logs(scenario.id, "#.b.x", 1, token="token", lines=["line"])
        return scenario

    def test_the_first_caller_gets_the_header(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.instance
        header = storage.delete_instance(scenario.id)
        assert header is not None
        assert dataclasses.replace(header, seq=before.seq, updated_at=before.updated_at) == before
        assert storage.delete_instance(scenario.id) is None
        assert storage.delete_instance("nobody") is None

    def test_one_of_many(self, storage: Storage, scenario: Scenario) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: storage.delete_instance(scenario.id), range(8)))
        assert len([answer for answer in answers if answer is not None]) == 1

    def test_nothing_is_left(self, storage: Storage, scenario: Scenario) -> None:
        other = Scenario(storage, task("a"), realm="r")
        storage.delete_instance(scenario.id)
        assert storage.get_instances([scenario.id, other.id]) == [None, other.instance]
        assert soon(storage.list_ids) == soon(storage.list_ids, realm="r") == [other.id]
        assert storage.get_tree(scenario.id) is None
        assert storage.snapshot(scenario.id) is None
        assert storage.get_task(scenario.id, "#.a") is None
        assert storage.get_inputs(scenario.id, ["#.a"]) == {}
        assert storage.get_logs(scenario.id, ["#.a"]) == {"#.a": []}
        assert storage.get_attempts(scenario.id, "#.a") == []
        assert storage.find_key("scenario", "k") is None
        assert soon(storage.due) == []

    def test_nothing_is_written_afterwards(self, storage: Storage, scenario: Scenario) -> None:
        seq = scenario.instance.seq
        storage.delete_instance(scenario.id)
        held = "#.b.x"
        assert scenario.claim("#.b.y").state == "gone"
        assert scenario.grip(held) is Grip.LOST
        assert scenario.renew(held) == [Grip.LOST]
        assert not scenario.complete(held, ok(held, logs=["late"])).recorded
        assert not scenario.complete("#.b.y", failed(), None).recorded
        assert not scenario.retry(held).recorded
        assert scenario.lose(held) is Loss.REFUSED
        assert storage.release(scenario.id, held, 1) is False
        assert storage.set_progress(scenario.id, held, 1, token="token", value=0.5, text=None) is Grip.LOST
        assert storage.append_logs(scenario.id, held, 1, token="token", lines=["late"]) is Grip.LOST
        assert storage.set_updaters(scenario.id, "#.a", "[1]") is False
        assert storage.revert_run(scenario.id, 1, LOST) is False
        assert storage.add_event(scenario.id, {"error": {}}) is None
        assert storage.claim_undo(scenario.id, 1, token="t", worker="w", lease=LEASE).state == "over"
        assert not storage.end_undo(scenario.id, 1, "#.a", token="t", error=None).recorded
        for call in (
            lambda: scenario.start(),
            lambda: storage.cancel(scenario.id, "#"),
            lambda: storage.pause(scenario.id, True),
            lambda: storage.reset(scenario.id, ["#.a"]),
            lambda: storage.begin_undo(scenario.id, ["#.a"]),
            lambda: storage.update_instance(scenario.new, revision=1),
        ):
            with pytest.raises(InstanceNotFound):
                call()
        assert storage.get_instance(scenario.id) is None
        assert storage.get_task(scenario.id, held) is None
        assert storage.get_logs(scenario.id, [held]) == {held: []}
        assert storage.events(scenario.id, seq) == [Event(seq + 1, {"deleted": True})]
        assert soon(lengths, storage) == {}

    def test_the_last_event_stays_for_those_who_come_back(self, storage: Storage, scenario: Scenario) -> None:
        seq = scenario.instance.seq
        storage.delete_instance(scenario.id)
        last = [Event(seq + 1, {"deleted": True})]
        assert storage.events(scenario.id, seq) == last
        assert storage.wait_events(scenario.id, seq, 0) == last
        assert storage.events(scenario.id, seq + 1) == []

    def test_it_wakes_who_waits(self, storage: Storage, scenario: Scenario) -> None:
        seq = scenario.instance.seq
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(storage.wait_events, scenario.id, seq, 20)
            storage.delete_instance(scenario.id)
            assert waiting.result(15) == [Event(seq + 1, {"deleted": True})]

    def test_the_id_may_be_used_again(self, storage: Storage, scenario: Scenario) -> None:
        storage.delete_instance(scenario.id)
        again = Scenario(storage, task("a"), instance_id=scenario.id)
        assert (again.created.run, again.created.seq, again.created.realm) == (0, 1, "")
        assert [event.seq for event in again.events()] == [1]
        assert soon(storage.list_ids, realm="r") == []
        again.start()
        assert again.claim("#.a").updaters == {}
        assert storage.get_logs(again.id, ["#.a"]) == {"#.a": []}
