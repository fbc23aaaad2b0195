"""What goes in comes out: views, inputs and JSON of every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import (
    TASK_DETAILS,
    TASK_FIGURES,
    TASK_VIEW,
    VIEW_BODY_LIMIT,
    Input,
    Outcome,
    RunSelection,
)
from jobs_flow.testing.lag import soon
from jobs_flow.testing.scenario import LEASE, Scenario, failed, ok, skipped, task

#: JSON texts that a careless storage changes: falsy, empty, beyond doubles, escaped, unicode.
TEXTS = [
    pytest.param(text, id=text if text.isascii() and len(text) < 40 else f"text{number}")
    for number, text in enumerate(
        [
            "null",
            "false",
            "true",
            "0",
            "-1",
            '""',
            "[]",
            "{}",
            "[[], {}, [{}], null]",
            '{"a": {}, "b": [], "c": null}',
            "12345678901234567890123",
            "0.1",
            "0.30000000000000004",
            "1e300",
            "[1, 1.5, 100000000000000000]",
            '{"": "", "1": 1, "é": "☂🌧\\u0000\\n\\"\\\\/"}',
            '"\\u00e9\\ud83c\\udf27"',
            '"</script>{{ x }} %s $1 # \\r\\n\\t"',
            '{"__proto__": 1, "null": null}',
        ]
    )
]


class TestFidelity:
    @pytest.mark.parametrize("text", TEXTS)
    def test_payloads(self, storage: Storage, text: str) -> None:
        value = json.loads(text)
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        context, updaters = json.dumps({"k": value}), json.dumps([value])
        scenario.do("#.a", Outcome("ok", text, "#.a", argument=text, context=context, updaters=updaters))
        record = scenario.task("#.a")
        assert same(record["body"], value)
        assert same(record["argument"], value)
        assert same(record["context"], {"k": value})
        assert same(record["updaters"], [value])
        assert record["bodySize"] == len(text.encode())
        assert same(scenario.snapshot.tasks["#.a"]["body"], value)
        assert same(scenario.last_event()["tasks"]["#.a"]["body"], value)
        inputs = storage.get_inputs(scenario.id, ["#.a"])
        claimed = scenario.claim("#.b", inputs=["#.a"]).inputs
        assert same([json.loads(found["#.a"].value or "null") for found in (inputs, claimed)], [value, value])

    @pytest.mark.parametrize("text", TEXTS)
    def test_headers(self, storage: Storage, text: str) -> None:
        value = json.loads(text)
        scenario = Scenario(storage, task("a"), data=value, base_context={"k": value})
        scenario.start()
        claim = scenario.claim("#.a", revision=None)
        assert claim.header is not None
        for header in (scenario.created, scenario.instance, scenario.snapshot.instance, claim.header):
            assert same(header.data, value)
            assert same(header.base_context, {"k": value})

    @pytest.mark.parametrize("text", TEXTS)
    def test_errors_and_events(self, storage: Storage, text: str) -> None:
        value = json.loads(text)
        error = {"code": "EXECUTION_FAILED", "message": "it broke", "value": value}
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.do("#.a", failed(error))
        event = scenario.last_event()
        assert same(scenario.task("#.a")["error"], error)
        assert same(scenario.snapshot.tasks["#.a"]["error"], error)
        assert same(event["tasks"]["#.a"]["error"], error)
        assert same(scenario.instance.error, {**error, "path": "#.a"})
        assert same(event["instance"]["error"], {**error, "path": "#.a"})
        storage.add_event(scenario.id, {"error": {"type": "X", "payload": value}})
        assert same(scenario.last_event(), {"error": {"type": "X", "payload": value}})
        scenario.start()
        storage.revert_run(scenario.id, 2, error)
        assert same(scenario.instance.error, error)

    def test_names(self, storage: Storage) -> None:
        names = ("été", "🌧", "a b", 'quo"te', "a:b{c}*", "back\\slash", "'", "%s$1")
        scenario = Scenario(storage, task(names[0], *map(task, names)), realm="réalm:{x}", name='"☂"\n')
        assert (scenario.instance.realm, scenario.instance.name) == ("réalm:{x}", '"☂"\n')
        assert soon(storage.list_ids, realm="réalm:{x}") == [scenario.id]
        scenario.start()
        paths = list(scenario.plan.nodes)
        for path in paths:
            scenario.do(path, ok(path, path, logs=[path]))
        assert list(scenario.snapshot.tasks) == paths
        assert scenario.instance.status == "done"
        assert {path: scenario.task(path)["body"] for path in paths} == {path: path for path in paths}
        assert storage.get_logs(scenario.id, paths) == {path: [path] for path in paths}

    def test_texts_of_operators(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"))
        scenario.start()
        scenario.claim("#.a", 'tök"en', worker="celery@été")
        scenario.complete("#.a", failed(traceback='File "x.py", line 1\n  é'), 'tök"en')
        record = scenario.task("#.a")
        assert (record["worker"], record["traceback"]) == ("celery@été", 'File "x.py", line 1\n  é')

    def test_nothing_is_shared_by_reference(self, storage: Storage) -> None:
        data: dict[str, Any] = {"list": [1]}
        scenario = Scenario(storage, task("a"), data=data, base_context=data)
        data["list"].append(2)
        scenario.start()
        error: dict[str, Any] = {"code": "X", "message": "x", "list": [1]}
        scenario.do("#.a", failed(error))
        error["list"].append(2)
        scenario.instance.data["list"].append(3)
        scenario.snapshot.tree.clear()
        scenario.snapshot.tasks["#.a"]["error"]["list"].append(3)
        scenario.task("#.a")["error"]["list"].append(3)
        scenario.events()[-1].data["tasks"].clear()
        assert (scenario.instance.data, scenario.instance.base_context) == ({"list": [1]}, {"list": [1]})
        assert scenario.snapshot.tree == scenario.plan.describe()
        assert scenario.snapshot.tasks["#.a"]["error"]["list"] == [1]
        assert scenario.last_event()["tasks"]["#.a"]["error"]["list"] == [1]
        assert scenario.instance.error == {"code": "X", "message": "x", "list": [1], "path": "#.a"}


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same JSON types: 1, 1.0 and true are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


class TestViews:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        return scenario

    def test_fields(self, scenario: Scenario) -> None:
        scenario.do("#.a")
        for path in ("#.a", "#.b"):
            assert set(scenario.snapshot.tasks[path]) == set(TASK_VIEW)
            assert set(scenario.task(path)) == {*TASK_VIEW, *TASK_DETAILS}

    @pytest.mark.parametrize(
        ("text", "viewed"),
        [
            pytest.param('"' + "x" * (VIEW_BODY_LIMIT - 2) + '"', True, id="at the limit"),
            pytest.param('"' + "x" * (VIEW_BODY_LIMIT - 1) + '"', False, id="over the limit"),
            pytest.param('"' + "é" * (VIEW_BODY_LIMIT // 2 - 1) + '"', True, id="bytes at the limit"),
            pytest.param('"' + "é" * (VIEW_BODY_LIMIT // 2) + '"', False, id="bytes over the limit"),
        ],
    )
    def test_body_limit(self, scenario: Scenario, text: str, viewed: bool) -> None:
        scenario.do("#.a", Outcome("ok", text, "#.a"))
        view, event = scenario.snapshot.tasks["#.a"], scenario.last_event()["tasks"]["#.a"]
        assert ("body" in view, "body" in event) == (viewed, viewed)
        assert view["bodySize"] == event["bodySize"] == len(text.encode())
        assert scenario.task("#.a")["body"] == json.loads(text)

    def test_null_is_a_body(self, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", None))
        view, event = scenario.snapshot.tasks["#.a"], scenario.last_event()["tasks"]["#.a"]
        assert (view["body"], view["bodySize"]) == (event["body"], event["bodySize"]) == (None, 4)

    def test_snapshot_is_header_tree_and_records_of_one_moment(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a")
        snapshot = scenario.snapshot
        assert snapshot.instance == scenario.instance
        assert snapshot.seq == scenario.events()[-1].seq
        assert snapshot.tree == storage.get_tree(scenario.id)

    def test_order_is_that_of_the_tree(self, storage: Storage) -> None:
        names = [f"n{number}" for number in reversed(range(30))]
        scenario = Scenario(storage, *(task(name, task("z"), task("a")) for name in names))
        assert list(scenario.snapshot.tasks) == list(scenario.plan.nodes)


class TestFigures:
    def expect(self, scenario: Scenario) -> None:
        """Those of every record are what its view says."""
        views = scenario.snapshot.tasks
        expected = {path: {name: view[name] for name in TASK_FIGURES} for path, view in views.items()}
        assert scenario.storage.get_figures(scenario.id, list(views), TASK_FIGURES) == expected

    def test_are_those_of_the_views(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b", task("c"), task("d")), task("e"))
        self.expect(scenario)
        scenario.start()
        self.expect(scenario)
        scenario.do("#.a", ok("#.a", "x" * 2 * VIEW_BODY_LIMIT, logs=["one", "two"]))
        scenario.claim("#.b")
        scenario.retry("#.b", delay=LEASE)
        self.expect(scenario)
        storage.release(scenario.id, "#.b", scenario.run)
        scenario.do("#.b", skipped("#.a"))
        scenario.claim("#.e")
        assert scenario.lose("#.e") == "requeued"
        scenario.do("#.e", failed())
        self.expect(scenario)
        # What a run puts back, and what it leaves as it is.
        scenario.start(RunSelection(["#.b", "#.b.c", "#.b.d", "#.e"], ["#.b"], {"#.b": 2}))
        self.expect(scenario)
        scenario.do("#.b")
        self.expect(scenario)

    def test_only_those_that_are_asked_for(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b"))
        scenario.start()
        scenario.do("#.a", ok("#.a", logs=["line"]))
        found = storage.get_figures(scenario.id, ["#.nobody", "#.b", "\ud800", "#.a"], ["logCount", "status"])
        assert found == {"#.a": {"logCount": 1, "status": "ok"}, "#.b": {"logCount": 0, "status": "queued"}}
        assert storage.get_figures(scenario.id, [], TASK_FIGURES) == {}
        assert storage.get_figures("nobody", ["#.a"], TASK_FIGURES) == {}

    def test_of_very_many(self, storage: Storage) -> None:
        names = [f"t{number}" for number in range(1_200)]
        scenario = Scenario(storage, task("a"), task("wide", *map(task, names)))
        scenario.start(RunSelection(["#.a"], ["#.a"], {}))
        scenario.do("#.a")
        self.expect(scenario)
        some = list(scenario.plan.nodes)[:110]
        found = storage.get_figures(scenario.id, some, ["status"])
        assert found == {path: {"status": "ok" if path == "#.a" else "inactive"} for path in some}


class TestInputs:
    @pytest.fixture
    def scenario(self, storage: Storage) -> Scenario:
        scenario = Scenario(storage, task("a"), task("b"), task("c"), task("d"))
        scenario.start(argument='"given"')
        return scenario

    def input_of(self, scenario: Scenario, path: str) -> tuple[str, str | None, str | None]:
        found = scenario.storage.get_inputs(scenario.id, [path])[path]
        time = None if found.source is None else scenario.task(found.source)["executionTime"]
        assert found.execution_time == time
        return found.status, found.source, found.value

    def test_nothing_recorded(self, storage: Storage, scenario: Scenario) -> None:
        inputs = storage.get_inputs(scenario.id, ["#.a", "#.b", "#.nobody"])
        assert inputs == {"#.a": Input("queued", None, None, None), "#.b": Input("inactive", None, None, None)}
        assert storage.get_inputs(scenario.id, []) == {}

    def test_own_body(self, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", [1]))
        assert self.input_of(scenario, "#.a") == ("ok", "#.a", "[1]")

    def test_body_of_another(self, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", [1]))
        scenario.do("#.b", skipped("#.a"))
        scenario.do("#.c", Outcome("ok", source="#.a"))
        assert self.input_of(scenario, "#.b") == ("skipped", "#.a", "[1]")
        assert self.input_of(scenario, "#.c") == ("ok", "#.a", "[1]")

    def test_argument_of_a_record_that_is_not_ok(self, scenario: Scenario) -> None:
        scenario.do("#.a", skipped("#.a", argument='"passed on"'))
        scenario.do("#.b", failed(source="#.b", argument='"tried"', tolerated=True))
        scenario.do("#.c", skipped("#.a"))
        assert self.input_of(scenario, "#.a") == ("skipped", "#.a", '"passed on"')
        assert self.input_of(scenario, "#.b") == ("failed", "#.b", '"tried"')
        assert self.input_of(scenario, "#.c") == ("skipped", "#.a", '"passed on"')

    def test_ok_without_a_body_hands_on_nothing(self, scenario: Scenario) -> None:
        scenario.do("#.a", Outcome("ok", source="#.a", argument="1"))
        assert self.input_of(scenario, "#.a") == ("ok", "#.a", None)

    def test_skipped_along(self, storage: Storage) -> None:
        scenario = Scenario(storage, task("a"), task("b", task("c")), task("d"))
        scenario.start()
        scenario.do("#.a", ok("#.a", 1))
        scenario.do("#.b", skipped("#.a"))
        assert self.input_of(scenario, "#.b.c") == ("skipped", "#.a", "1")

    def test_a_claim_gives_the_same(self, storage: Storage, scenario: Scenario) -> None:
        scenario.do("#.a", ok("#.a", [1]))
        scenario.do("#.b", skipped("#.a", argument="0"))
        paths = ["#.b", "#.a", "#.d"]
        assert dict(scenario.claim("#.c", inputs=paths).inputs) == storage.get_inputs(scenario.id, paths)
