"""Large values beside the records: bytes in chunks, by instance and name, gone with their instance."""

from __future__ import annotations

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.contract_bodies import CHUNK_BYTES
from jobs_flow.testing.scenario import Scenario, task

#: The longest name, and every kind of character that one may have.
LONGEST = "aZ09._-" * 28 + "name"


class TestBodies:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        return Scenario(storage, task("a"), task("b"))

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"\x00", id="zero"),
            pytest.param(bytes(range(256)), id="every byte"),
            pytest.param("é☂".encode()[:-1], id="no text"),
            pytest.param(bytes(range(256)) * (CHUNK_BYTES // 256), id="the longest"),
        ],
    )
    def test_bytes_come_back_as_they_are(self, storage: Storage, scenario: Scenario, data: bytes) -> None:
        assert storage.add_body(scenario.id, "one") is True
        storage.write_chunk(scenario.id, "one", 0, data)
        assert storage.read_chunk(scenario.id, "one", 0) == data

    def test_many_chunks_in_any_order(self, storage: Storage, scenario: Scenario) -> None:
        storage.add_body(scenario.id, "one")
        for number in (11, 0, 2, 10, 1, 9, 3, 4, 8, 5, 7, 6):
            storage.write_chunk(scenario.id, "one", number, b"%d" % number)
        found = [storage.read_chunk(scenario.id, "one", number) for number in range(13)]
        assert found == [*(b"%d" % number for number in range(12)), None]

    def test_written_again(self, storage: Storage, scenario: Scenario) -> None:
        storage.add_body(scenario.id, "one")
        for data in (b"first", b"2"):
            storage.write_chunk(scenario.id, "one", 0, data)
        assert storage.read_chunk(scenario.id, "one", 0) == b"2"

    def test_names(self, storage: Storage, scenario: Scenario) -> None:
        names = ["1", "one", "one.1", "one-1", "_one", LONGEST]
        assert len(LONGEST) == 200
        assert storage.list_bodies(scenario.id) == []
        for name in names:
            assert storage.add_body(scenario.id, name) is True
            storage.write_chunk(scenario.id, name, 0, name.encode())
        assert storage.add_body(scenario.id, "one") is True, "twice is once"
        assert sorted(storage.list_bodies(scenario.id)) == sorted(names)
        assert [storage.read_chunk(scenario.id, name, 0) for name in names] == [name.encode() for name in names]

    def test_announced_before_anything_is_written(self, storage: Storage, scenario: Scenario) -> None:
        storage.add_body(scenario.id, "one")
        assert storage.list_bodies(scenario.id) == ["one"]
        assert storage.read_chunk(scenario.id, "one", 0) is None

    def test_removed(self, storage: Storage, scenario: Scenario) -> None:
        for name in ("one", "two", "three"):
            storage.add_body(scenario.id, name)
            for number in range(3):
                storage.write_chunk(scenario.id, name, number, b"x")
        storage.remove_bodies(scenario.id, [])
        storage.remove_bodies(scenario.id, ["two", "nobody", "one"])
        assert storage.list_bodies(scenario.id) == ["three"]
        for name, found in (("one", None), ("two", None), ("three", b"x"), ("nobody", None)):
            assert [storage.read_chunk(scenario.id, name, number) for number in range(3)] == [found] * 3

    def test_removed_and_written_anew(self, storage: Storage, scenario: Scenario) -> None:
        storage.add_body(scenario.id, "one")
        storage.write_chunk(scenario.id, "one", 1, b"old")
        storage.remove_bodies(scenario.id, ["one"])
        storage.add_body(scenario.id, "one")
        storage.write_chunk(scenario.id, "one", 0, b"new")
        assert [storage.read_chunk(scenario.id, "one", number) for number in (0, 1)] == [b"new", None]

    def test_instances_are_apart(self, storage: Storage, scenario: Scenario) -> None:
        other = Scenario(storage, task("a"))
        for each in (scenario, other):
            storage.add_body(each.id, "one")
            storage.write_chunk(each.id, "one", 0, each.id.encode())
        storage.remove_bodies(other.id, ["one"])
        assert storage.read_chunk(scenario.id, "one", 0) == scenario.id.encode()
        assert storage.list_bodies(other.id) == []

    def test_no_event_and_no_change_of_a_record(self, storage: Storage, scenario: Scenario) -> None:
        before = scenario.snapshot
        storage.add_body(scenario.id, "one")
        storage.write_chunk(scenario.id, "one", 0, b"x")
        storage.remove_bodies(scenario.id, ["one"])
        assert scenario.snapshot == before
        assert len(scenario.events()) == 1

    def test_of_an_unknown_instance(self, storage: Storage) -> None:
        assert storage.add_body("nobody", "one") is False
        assert storage.list_bodies("nobody") == []
        assert storage.read_chunk("nobody", "one", 0) is None
        storage.remove_bodies("nobody", ["one"])
        assert storage.get_instance("nobody") is None

    def test_gone_with_the_instance(self, storage: Storage, scenario: Scenario) -> None:
        storage.add_body(scenario.id, "one")
        storage.write_chunk(scenario.id, "one", 0, b"x")
        storage.delete_instance(scenario.id)
        assert storage.add_body(scenario.id, "two") is False
        assert storage.list_bodies(scenario.id) == []
        assert storage.read_chunk(scenario.id, "one", 0) is None
        Scenario(storage, task("a"), instance_id=scenario.id)
        assert storage.list_bodies(scenario.id) == []
        assert storage.read_chunk(scenario.id, "one", 0) is None

    def test_a_run_leaves_them(self, storage: Storage, scenario: Scenario) -> None:
        storage.add_body(scenario.id, "one")
        storage.write_chunk(scenario.id, "one", 0, b"x")
        scenario.start()
        scenario.do("#.a")
        scenario.do("#.b")
        storage.reset(scenario.id, ["#.a"])
        assert storage.read_chunk(scenario.id, "one", 0) == b"x"
