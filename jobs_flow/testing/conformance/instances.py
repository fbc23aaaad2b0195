"""Creating instances, finding them, and what their headers say."""

from __future__ import annotations

import dataclasses

import pytest

from jobs_flow.errors import InstanceExists, InvalidArgument
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import Grip
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import INITIAL, INITIAL_DETAILS, Scenario, task


class TestCreate:
    def test_header_is_what_was_given_and_inactive(self, storage: Storage) -> None:
        scenario = Scenario(
            storage,
            task("a", task("b"), task("c")),
            data={"rain": True, "years": [2014, 2015]},
            base_context={"unit": "°C"},
            realm="weather",
            name="Seattle",
            ephemeral=True,
        )
        created = scenario.created
        assert (created.id, created.workflow) == (scenario.id, "scenario")
        assert (created.data, created.base_context) == ({"rain": True, "years": [2014, 2015]}, {"unit": "°C"})
        assert (created.realm, created.name, created.ephemeral) == ("weather", "Seattle", True)
        assert created.fingerprint == scenario.plan.fingerprint
        assert (created.status, created.run, created.error) == ("inactive", 0, None)
        assert (created.started_at, created.finished_at) == (None, None)
        assert (created.total, created.counts["inactive"], created.progress) == (3, 3, 0.0)
        assert created.seq == 1
        assert created.created_at == created.updated_at > 1_600_000_000_000
        assert scenario.instance == created

    def test_every_path_has_an_initial_record(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b")), task("c"))
        assert scenario.snapshot.tasks == {"#.a": INITIAL, "#.a.b": INITIAL, "#.c": INITIAL}
        assert scenario.task("#.a.b") == INITIAL | INITIAL_DETAILS

    def test_tree_is_kept(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a", task("b")), task("c"))
        assert storage.get_tree(scenario.id) == scenario.plan.describe() == scenario.snapshot.tree

    def test_event_1_is_a_reset(self, storage: Storage) -> None:
        [event] = Scenario(storage, task("a")).events()
        assert (event.seq, event.data) == (1, {"run": 0, "reset": True})

    def test_workflow_without_tasks(self, storage: Storage) -> None:
        scenario = Scenario(storage)
        assert (scenario.created.total, scenario.created.progress) == (0, 0.0)
        assert (scenario.snapshot.tasks, scenario.snapshot.tree) == ({}, [])

    def test_id_that_is_taken_is_refused_and_changes_nothing(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), data={"first": True})
        scenario.start()
        before = scenario.snapshot
        with pytest.raises(InstanceExists) as refused:
            storage.create_instance(dataclasses.replace(scenario.new, data={"second": True}, realm="other"))
        assert scenario.id in str(refused.value)
        assert scenario.snapshot == before
        assert len(scenario.events()) == 2
        assert soon(storage.list_ids, realm="other") == []


class TestNewId:
    def test_another_each_time_and_in_order(self, storage: Storage) -> None:
        ids = [storage.new_id() for _ in range(50)]
        assert sorted(set(ids)) == ids

    @pytest.mark.parametrize("key", [None, "", "order 7", "é{x}:\n*"])
    @pytest.mark.parametrize("realm", ["", "réalm {x}"])
    def test_one_that_an_instance_can_have(self, storage: Storage, realm: str, key: str | None) -> None:
        for workflow in ("one", "two"):
            new = storage.new_id(realm=realm, key=key)
            created = Scenario(storage, task("a"), instance_id=new, workflow=workflow, realm=realm, key=key).created
            assert (created.id, created.realm, created.key) == (new, realm, key)

    def test_with_any_other_the_key_is_had_or_refused(self, storage: Storage) -> None:
        for number in range(20):
            key, other = f"key {number}", storage.new_id(key=f"other {number}")
            try:
                Scenario(storage, task("a"), instance_id=other, key=key)
            except InvalidArgument:
                assert storage.get_instance(other) is None
                assert storage.find_key("scenario", key) is None
            else:
                assert storage.find_key("scenario", key) == other


class TestUnknown:
    def test_reads_of_an_unknown_instance(self, storage: Storage) -> None:
        assert storage.get_instance("nobody") is None
        assert storage.get_tree("nobody") is None
        assert storage.snapshot("nobody") is None
        assert storage.get_task("nobody", "#.a") is None
        assert storage.get_inputs("nobody", ["#.a"]) == {}
        assert storage.get_logs("nobody", ["#.a"]) == {"#.a": []}
        assert storage.events("nobody", 0) == []

    def test_reads_of_an_unknown_path(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        assert storage.get_task(scenario.id, "#.b") is None
        assert storage.get_inputs(scenario.id, ["#.b"]) == {}
        assert storage.get_logs(scenario.id, ["#.b"]) == {"#.b": []}

    def test_writes_to_an_unknown_instance_leave_nothing(self, storage: Storage) -> None:
        assert storage.add_event("nobody", {"error": {}}) is None
        assert storage.set_progress("nobody", "#.a", 1, token="t", value=0.5, text=None) is Grip.LOST
        assert storage.append_logs("nobody", "#.a", 1, token="t", lines=["line"]) is Grip.LOST
        assert storage.revert_run("nobody", 1, {"code": "X", "message": "x"}) is False
        assert storage.get_instance("nobody") is None
        assert storage.events("nobody", 0) == []
        assert storage.get_logs("nobody", ["#.a"]) == {"#.a": []}


class TestHeaders:
    def test_many_come_in_the_order_asked_for(self, storage: Storage) -> None:
        one, two = Scenario(storage, task("a")), Scenario(storage, task("a"), task("b"))
        two.start()
        found = storage.get_instances([two.id, "nobody", one.id, two.id])
        assert found == [two.instance, None, one.instance, two.instance]
        assert storage.get_instances([]) == []

    def test_counts_follow_the_records(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"), task("c"))
        scenario.start()
        assert {s: n for s, n in scenario.instance.counts.items() if n} == {"queued": 1, "inactive": 2}
        scenario.do("#.a")
        scenario.claim("#.b")
        instance = scenario.instance
        assert {s: n for s, n in instance.counts.items() if n} == {"ok": 1, "running": 1, "inactive": 1}
        assert instance.total == 3
        assert instance.progress == pytest.approx(1 / 3)

    def test_times_do_not_go_back(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        started = scenario.instance
        scenario.do("#.a")
        ended, view = scenario.instance, scenario.snapshot.tasks["#.a"]
        times = [
            started.created_at,
            started.started_at,
            view["queuedAt"],
            view["executionTime"],
            view["finishedAt"],
            ended.finished_at,
            ended.updated_at,
        ]
        assert times == sorted(times)
        assert view["duration"] == view["finishedAt"] - view["executionTime"]


class TestList:
    def test_newest_first(self, storage: Storage) -> None:
        ids = [Scenario(storage, task("a")).id for _ in range(20)]
        assert soon(storage.list_ids) == ids[::-1]

    def test_pages(self, storage: Storage) -> None:
        ids = [Scenario(storage, task("a")).id for _ in range(5)]
        newest_first = ids[::-1]
        assert soon(storage.list_ids, limit=2) == newest_first[:2]
        assert soon(storage.list_ids, limit=2, after=newest_first[1]) == newest_first[2:4]
        assert soon(storage.list_ids, limit=2, after=newest_first[3]) == newest_first[4:]
        assert soon(storage.list_ids, limit=2, after=newest_first[4]) == []

    def test_a_page_is_not_shifted_by_newer_instances(self, storage: Storage) -> None:
        ids = [Scenario(storage, task("a")).id for _ in range(4)]
        first = soon(storage.list_ids, limit=2).when(lambda found: found == ids[:1:-1])
        Scenario(storage, task("a"))
        assert first == ids[:1:-1]
        assert soon(storage.list_ids, limit=2, after=first[-1]) == ids[1::-1]

    def test_by_realm(self, storage: Storage) -> None:
        ids: dict[str, list[str]] = {realm: [] for realm in ("one", "two", "")}
        for realm in ("one", "two", "one", "", "one"):
            ids[realm].append(Scenario(storage, task("a"), realm=realm).id)
        assert soon(storage.list_ids, realm="one") == ids["one"][::-1]
        assert soon(storage.list_ids, realm="one", after=ids["one"][-1]) == ids["one"][-2::-1]
        assert soon(storage.list_ids, realm="") == ids[""]
        assert soon(storage.list_ids, realm="none") == []
        assert len(soon(storage.list_ids).of(5)) == 5


class TestStorageItself:
    def test_ping_and_use_after_close(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        storage.ping()
        storage.close()
        storage.close()
        storage.ping()
        assert storage.get_instance(scenario.id) == scenario.created

    def test_label_is_shown(self, storage: Storage) -> None:
        assert "://" in storage.label
