"""Records of large values: what refers to them is handed on and loaded, and shown to nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.bodies import Bodies, BodyLimits, Reference
from jobs_flow.storages.contract_bodies import CHUNK_BYTES
from jobs_flow.storages.records import Outcome
from jobs_flow.testing.scenario import Scenario, failed, ok, task

ONE = Reference(length=5_000_000, sha256="0" * 64, name="1.0123456789abcdef.body.ff.s")
TWO = Reference(length=300_000, sha256="f" * 64, name="1.0123456789abcdef.argument.ff.x", at="s3://bucket/prefix")


class TestReferences:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        return Scenario(storage, task("a"), task("b"))

    def test_every_payload_of_a_record(self, storage: Storage, scenario: Scenario) -> None:
        scenario.start()
        outcome = Outcome("ok", ONE.text, "#.a", argument=TWO.text, context=ONE.text, updaters=TWO.text)
        scenario.do("#.a", outcome)
        record = scenario.task("#.a")
        assert [record[name] for name in ("body", "argument", "context", "updaters")] == [ONE, TWO, ONE, TWO]
        claim = scenario.claim("#.b", inputs=["#.a"])
        assert claim.inputs["#.a"].value == ONE.text
        assert claim.updaters == {"#.a": TWO.text}
        assert storage.get_inputs(scenario.id, ["#.a"])["#.a"].value == ONE.text

    def test_the_size_is_that_of_the_value_and_nobody_is_shown_the_reference(self, scenario: Scenario) -> None:
        scenario.start()
        scenario.do("#.a", Outcome("ok", ONE.text, "#.a"))
        event = scenario.last_event()["tasks"]["#.a"]
        view = scenario.snapshot.tasks["#.a"]
        assert ("body" in view, "body" in event) == (False, False)
        assert view["bodySize"] == event["bodySize"] == scenario.task("#.a")["bodySize"] == ONE.length

    def test_an_attempt_says_how_long_it_was(self, storage: Storage, scenario: Scenario) -> None:
        scenario.start()
        scenario.do("#.a", failed(body=ONE.text, source="#.a", argument=TWO.text))
        storage.reset(scenario.id, ["#.a"])
        attempt = scenario.attempts("#.a")[0]
        assert (attempt["body"], attempt["bodySize"]) == (None, ONE.length)
        assert scenario.task("#.a")["argument"] is None

    def test_the_argument_of_a_run(self, storage: Storage, scenario: Scenario) -> None:
        scenario.start(argument=TWO.text)
        assert scenario.task("#.a")["argument"] == TWO
        assert scenario.claim("#.a").argument == TWO.text
        scenario.complete("#.a", failed(source="#.a", tolerated=True))
        assert scenario.claim("#.b", inputs=["#.a"]).inputs["#.a"].value == TWO.text

    def test_what_is_undone(self, storage: Storage, scenario: Scenario) -> None:
        scenario.start()
        scenario.do("#.a", Outcome("ok", ONE.text, "#.a"))
        scenario.do("#.b", ok("#.b"))
        assert storage.begin_undo(scenario.id, ["#.a"])
        claim = storage.claim_undo(scenario.id, 2, token="token", worker="worker", lease=60_000)
        assert (claim.path, claim.body) == ("#.a", ONE.text)

    def test_updaters_that_were_replaced(self, storage: Storage, scenario: Scenario) -> None:
        scenario.start()
        scenario.do("#.a", ok("#.a", updaters='[{"n": {"$set": 1}}]'))
        assert storage.set_updaters(scenario.id, "#.a", ONE.text)
        assert scenario.last_event()["tasks"]["#.a"] == {"updaters": None}
        assert scenario.task("#.a")["updaters"] == ONE
        assert scenario.claim("#.b").updaters == {"#.a": ONE.text}

    @pytest.mark.parametrize("character", ["x", "é", "☂", "🌧"])
    def test_a_value_comes_back_whole(self, storage: Storage, scenario: Scenario, character: str) -> None:
        bodies = Bodies(lambda: storage, lambda: BodyLimits(threshold=5_000))
        value: dict[str, Any] = {"text": character * (CHUNK_BYTES // 2), "more": [None, 0.1, character] * 50_000}
        scenario.start()
        text = json.dumps(value, ensure_ascii=False)
        kept, new = bodies.keep(scenario.id, 1, "#.a", {"body": text})
        assert kept["body"] == new[0]
        scenario.do("#.a", Outcome("ok", kept["body"], "#.a"))
        # Another process, which has not read it yet.
        others = Bodies(lambda: storage)
        assert others.value(scenario.id, scenario.task("#.a")["body"]) == value
        assert others.load(scenario.id, scenario.claim("#.b", inputs=["#.a"]).inputs["#.a"].value or "") == text
        assert scenario.task("#.a")["bodySize"] == len(text.encode())
        storage.delete_instance(scenario.id)
        assert storage.list_bodies(scenario.id) == []
