"""Ids: ordered in time, derived for messages."""

from __future__ import annotations

import uuid

from jobs_flow import ids


def test_instance_ids_are_version_7_and_sort_by_time(monkeypatch: object) -> None:
    made = [ids.new_instance_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {uuid.UUID(i).version for i in made} == {7}
    # Ids of one millisecond have no order among themselves.
    stamps = [uuid.UUID(i).int >> 80 for i in made]
    assert stamps == sorted(stamps)


def test_message_ids_are_the_same_each_time_and_differ_by_all_they_are_made_of() -> None:
    same = {ids.message_id("i", "#.a", 1) for _ in range(3)}
    other = {ids.message_id(*k) for k in (("j", "#.a", 1), ("i", "#.b", 1), ("i", "#.a", 2), ("i", "#.a", 1, "join"))}
    assert len(same) == 1
    assert len(same | other) == 5
