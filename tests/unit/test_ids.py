"""Ids: ordered in time, derived for messages."""

from __future__ import annotations

import time
import uuid

from jobs_flow import ids


def test_instance_ids_are_version_7_and_sort_by_time_of_making() -> None:
    made = [ids.new_instance_id() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert {(uuid.UUID(i).version, uuid.UUID(i).variant) for i in made} == {(7, uuid.RFC_4122)}
    assert made == sorted(made)
    assert abs((uuid.UUID(made[0]).int >> 80) / 1000 - time.time()) < 60


def test_message_ids_are_the_same_each_time_and_differ_by_all_they_are_made_of() -> None:
    same = {ids.message_id("i", "#.a", 1) for _ in range(3)}
    other = {ids.message_id(*k) for k in (("j", "#.a", 1), ("i", "#.b", 1), ("i", "#.a", 2), ("i", "#.a", 1, "join"))}
    assert len(same) == 1
    assert len(same | other) == 5
