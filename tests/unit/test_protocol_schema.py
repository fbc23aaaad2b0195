"""The schema of the protocol and the server say the same.

What JSON Schema cannot say, and ``parse`` refuses beyond it: characters in names that cannot be printed, half a
surrogate pair anywhere, more bytes than the limit, numbers that no float can hold.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import jobs_flow_django.api.answers
import jobs_flow_django.live.sessions
import jobs_flow_django.tickets  # noqa: F401  (their errors)
from jobs_flow import Task
from jobs_flow.errors import JobsFlowError, TaskNotFound
from jobs_flow.storages import create_storage
from jobs_flow.storages.base import Storage
from jobs_flow.storages.records import ATTEMPT_FIELDS, TASK_DETAILS, TASK_VIEW
from jobs_flow_django.live import protocol
from jobs_flow_django.live.errors import ProtocolError
from jobs_flow_django.live.outlet import Outlet
from jobs_flow_django.live.parsing import MESSAGE_LIMIT, REQUESTS, parse
from tests.support.eventually import aeventually
from tests.support.live import DrivenInstance, idle
from tests.support.schema import DEFINITIONS, SCHEMA, accepts_request, by_type, check_message, validator

TYPES = by_type("Request")


def is_parsed(message: Any) -> bool:
    try:
        parse(json.dumps(message))
    except ProtocolError:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


class TestRequests:
    def test_have_the_same_types(self) -> None:
        assert tuple(TYPES) == REQUESTS

    def test_that_are_read_are_tolerant_and_those_that_change_are_not(self) -> None:
        strict = {kind for kind, name in TYPES.items() if not DEFINITIONS[name]["additionalProperties"]}
        for kind in TYPES:
            assert is_parsed(_least(kind) | {"colour": "blue"}) is (kind not in strict), kind

    @pytest.mark.parametrize("kind", TYPES)
    def test_take_the_same_values_in_each_field(self, kind: str) -> None:
        """At and beyond every limit."""
        least = _least(kind)
        for field in DEFINITIONS[TYPES[kind]]["properties"]:
            _agree({name: value for name, value in least.items() if name != field})
            for value in PROBES:
                _agree(least | {field: value})

    @settings(max_examples=300)
    @given(st.data())
    def test_that_the_schema_allows_are_understood(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(list(TYPES.values())).flatmap(lambda name: _strategy({"$ref": f"/{name}"})))
        assert accepts_request(message)
        request = parse(json.dumps(message))
        assert request.ref == message.get("ref")
        assert request.workflow_id == message.get("workflowId")

    @settings(max_examples=500)
    @given(st.data())
    def test_that_were_changed_are_judged_alike(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(list(TYPES.values())))
        message = data.draw(_strategy({"$ref": f"/{name}"}))
        for _ in range(data.draw(st.integers(1, 3))):
            field = data.draw(st.sampled_from([*DEFINITIONS[name]["properties"], "colour"]))
            if data.draw(st.booleans()):
                message.pop(field, None)
            else:
                message[field] = data.draw(ANY)
        _agree(message)

    @given(st.recursive(st.none() | st.booleans() | st.text(), st.lists))
    def test_of_anything_are_judged_alike(self, value: Any) -> None:
        _agree(value)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(json.dumps({"type": "pauseWorkflow", "workflowId": "a\nb"}), id="not printable"),
            pytest.param(json.dumps({"type": "executeAllTasks", "workflowId": "i", "initialArg": "\ud800"}), id="half"),
            pytest.param(
                json.dumps({"type": "executeAllTasks", "workflowId": "i", "initialArg": "x" * MESSAGE_LIMIT}), id="long"
            ),
            pytest.param('{"type": "executeAllTasks", "workflowId": "i", "initialArg": 1e999}', id="no float"),
        ],
    )
    def test_are_refused_for_what_a_schema_cannot_say(self, text: str) -> None:
        assert accepts_request(json.loads(text))
        with pytest.raises(ProtocolError):
            parse(text)


#: What the fields are tried with.
PROBES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 9, 10, 200, 1000, 1001, 2**53 - 1, 2**53, -(2**53), 1.0, 10.0, 1.5,
    "", "x", "#", "x" * 200, "x" * 201, "x" * 1000, "x" * 1001, "x" * 4000, "x" * 4001, "é" * 200, "failed", "all",
    [], ["#"], ["#"] * 100, ["#"] * 101, [1], [""], ["x" * 4001], [None], {}, {"a": 1},
)  # fmt: skip

NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def _agree(message: Any) -> None:
    assert is_parsed(message) is accepts_request(message), message


def _least(kind: str) -> dict[str, Any]:
    """The shortest request of a type."""
    known: dict[str, Any] = {"workflowId": "i", "workflow": "w", "taskPath": "#.a", "from": 0, "visible": True}
    known |= {"updaters": [], "type": kind}
    return {name: known[name] for name in DEFINITIONS[TYPES[kind]]["required"]}


def _strategy(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of requests allows."""
    if "$ref" in schema:
        return _strategy(DEFINITIONS[schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "oneOf" in schema:
        return st.one_of([_strategy(option) for option in schema["oneOf"]])
    kinds = schema.get("type")
    if kinds is None:
        return ANY
    return st.one_of([_of_type(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _of_type(kind: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "string":
            sizes = schema.get("minLength", 0), min(schema.get("maxLength", 50), 50)
            return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=sizes[0], max_size=sizes[1])
        case "array":
            return st.lists(_strategy(schema["items"]), max_size=min(schema.get("maxItems", 5), 5))
        case "object":
            fields = {name: _strategy(each) for name, each in schema.get("properties", {}).items()}
            required = {name: fields.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=fields)
    raise AssertionError(kind)


# -- messages --------------------------------------------------------------------------------


def all_errors(kind: type[JobsFlowError] = JobsFlowError) -> Iterator[type[JobsFlowError]]:
    if kind.__module__.startswith("jobs_flow"):
        yield kind
    for each in kind.__subclasses__():
        yield from all_errors(each)


def made(kind: type[JobsFlowError]) -> JobsFlowError:
    """An error with something in each of its attributes."""
    values: dict[str, Any] = {"timeout": 1.5, "size": 5, "limit": 5, "retry_after": 2}
    parameters = inspect.signature(kind).parameters.values()
    names = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    return kind(**{name: values.get(name, "x") for name in names})


class TestErrors:
    """Features S77 and S155: never an empty object."""

    @pytest.mark.parametrize("kind", sorted(set(all_errors()), key=lambda kind: kind.__name__))
    def test_say_what_is_wrong_in_every_message(self, kind: type[JobsFlowError]) -> None:
        error = made(kind)
        told = protocol.app_error(error, ref="r", instance_id="i")
        check_message(told)
        assert told["error"]["code"] == kind.code
        assert len(told["error"]["message"]) > 10
        assert "{" not in told["error"]["message"]
        broadcast = protocol.execution_error("i", error.to_wire(), 3)
        check_message(broadcast)
        assert broadcast["error"]["type"] == kind.code
        assert broadcast["error"]["payload"]["message"] == told["error"]["message"]


class TestMessages:
    def test_are_refused_when_they_are_not_as_the_schema_says(self) -> None:
        """Or the other tests here could not fail."""
        for wrong in (
            {"type": "dance"},
            {"type": "appError", "error": {}},
            {"type": "appError", "error": {"code": "X", "message": ""}},
            {"type": "ack"},
            {"type": "setWorkflowStatus", "id": "i", "status": "sleeping", "seq": 1},
            {"type": "setTasksStatuses", "id": "i", "statuses": {"#.a": {"status": "sleeping"}}, "seq": 1},
            {"type": "taskLog", "id": "i", "taskPath": "#.a", "lines": [1], "from": 0, "seq": 1},
            protocol.hello(1) | {"colour": "blue"},
        ):
            with pytest.raises(AssertionError, match="schema"):
                check_message(wrong)

    def test_name_what_records_have(self) -> None:
        assert DEFINITIONS["TaskView"]["properties"].keys() == set(TASK_VIEW)
        assert DEFINITIONS["Attempt"]["properties"].keys() == set(ATTEMPT_FIELDS)
        details = DEFINITIONS["TaskDetails"]["properties"]["task"]["properties"]
        assert details.keys() == {*TASK_DETAILS, "stale"}

    def test_of_connections(self) -> None:
        check_message(protocol.hello(1_700_000_000_000))
        for fields in ({}, {"id": "i"}, {"id": "i", "run": 3}, {"id": "i", "changed": False}, {"paths": ["#.a"]}):
            check_message(protocol.ack("r", **fields))

    @pytest.mark.parametrize("url", ["memory://", None], ids=["memory", "redis"])
    async def test_of_a_whole_life_are_as_the_schema_says(
        self, url: str | None, request: pytest.FixtureRequest, settings: Any
    ) -> None:
        """Every kind of watcher sees an instance through all that may happen to it."""
        storage = create_storage(url or request.getfixturevalue("storage_url"))
        settings.JOBS_FLOW = {"STORAGE": storage, "BACKEND": "sync"}
        readers = [
            Reader(payload=payload, logs=logs, fold=fold)
            for payload in (True, False)
            for logs in (True, frozenset({"#.wide.b0"}))
            for fold in (None, 10)
        ]
        try:
            seen = await _live(storage, readers)
        finally:
            storage.close()
        alone = {"hello", "taskDetails", "taskLogs"}
        assert seen == by_type("Message").keys() - alone


class Reader:
    """Somebody whose every message is checked."""

    def __init__(self, **watch: Any) -> None:
        self.watch = watch
        self.types: set[str] = set()
        self.messages: list[dict[str, Any]] = []
        self.outlet = Outlet(self._receive, self._broken)

    async def _receive(self, text: str) -> None:
        message = json.loads(text)
        check_message(message)
        assert validator("Message").is_valid(message)
        if not self.watch["payload"]:
            assert "secret" not in text
        self.types.add(message["type"])
        self.messages.append(message)

    async def _broken(self) -> None:
        raise AssertionError("it could not be sent")

    @property
    def status(self) -> str | None:
        known = [message["status"] for message in self.messages if message["type"] == "setWorkflowStatus"]
        return known[-1] if known else None


async def _live(storage: Storage, readers: list[Reader]) -> set[str]:
    wide = Task("wide", idle, subtasks=[Task(f"b{number}", idle) for number in range(30)])
    driven = DrivenInstance(storage, ["a", wide, "z"]).create()

    async def everybody(condition: Any) -> None:
        await aeventually(lambda: all(condition(reader) for reader in readers))

    for reader in readers:
        reader.outlet.open()
        await reader.outlet.watch(driven.id, ref="w", **reader.watch)
    await everybody(lambda reader: "ack" in reader.types)

    driven.start().claim("#.a").log("#.a", "a secret").progress("#.a", 0.5, "a secret")
    driven.end("#.a", {"secret": 1}).claim("#.wide").end("#.wide", "secret" * 2000)
    driven.claim("#.wide.b0").log("#.wide.b0", "a secret")
    await everybody(lambda reader: reader.status == "working")
    for reader in readers:
        if reader.watch["fold"]:
            reader.outlet.set_window(driven.id, "#.wide", 15, "r")
            reader.outlet.set_window(driven.id, "#.nowhere", 0, "r")
    folding = [reader for reader in readers if reader.watch["fold"]]
    await aeventually(lambda: all({"workflowBlock", "appError"} <= reader.types for reader in folding))

    failure = {"code": "EXECUTION_FAILED", "type": "ValueError", "message": "a secret"}
    driven.end("#.wide.b0", status="failed", error=failure, traceback="a secret")
    storage.pause(driven.id, True)
    storage.pause(driven.id, False)
    storage.add_event(driven.id, {"error": TaskNotFound(instance_id=driven.id, workflow="w", path="#.x").to_wire()})
    for number in range(1, 30):
        driven.claim(f"#.wide.b{number}").end(f"#.wide.b{number}", number)
    await everybody(lambda reader: reader.status == "failed" and "executionError" in reader.types)
    driven.start()
    await everybody(lambda reader: reader.status == "working")
    storage.cancel(driven.id, "#", undo=True)
    storage.delete_instance(driven.id)
    await everybody(lambda reader: "workflowDeleted" in reader.types)
    for reader in readers:
        await reader.outlet.aclose()
    # The last to leave closes the relay, which takes a moment.
    await aeventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    return set().union(*(reader.types for reader in readers))
