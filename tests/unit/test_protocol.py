"""The messages of the socket: what is understood, what is refused and how, what is sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_flow.errors import TaskNotFound
from jobs_flow.storages.records import Event, Instance, Snapshot
from jobs_flow_django.live import protocol
from jobs_flow_django.live.changes import ALL_LINES, ERRORS, LINE_LENGTH, TASK_LINES, Change, Lines
from jobs_flow_django.live.errors import ProtocolError
from jobs_flow_django.live.protocol import ExecuteAll, ExecuteTask, Unwatch, Watch, parse

WATCH = {"type": "watchWorkflowInstance", "workflowId": "i1"}
EXECUTE = {"type": "executeTask", "workflowId": "i1", "taskPath": "#.a"}


def change_of(*events: Event) -> Change:
    """Events, at least one, as one change."""
    change = Change(events[0].seq)
    for event in events:
        change.add(event)
    return change


def event_messages(instance_id: str, event: Event, *, payload: bool) -> Iterator[protocol.Message]:
    """One event of the storage by itself."""
    return protocol.change_messages(instance_id, change_of(event), payload=payload)


def refused(text: str | None) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse(text)
    return caught.value


class TestRequests:
    @pytest.mark.parametrize(
        ("message", "request_"),
        [
            pytest.param(WATCH, Watch("i1"), id="watch"),
            pytest.param(WATCH | {"since": 0}, Watch("i1", since=0), id="watch since the beginning"),
            pytest.param(WATCH | {"since": 7, "ref": "r"}, Watch("i1", since=7, ref="r"), id="watch since"),
            pytest.param(WATCH | {"since": None, "ref": None}, Watch("i1"), id="null is absent"),
            pytest.param(
                {"type": "unwatchWorkflowInstance", "workflowId": "i1", "ref": 3}, Unwatch("i1", ref=3), id="unwatch"
            ),
            pytest.param(EXECUTE, ExecuteTask("i1", "#.a"), id="execute"),
            pytest.param(
                {"type": "executeAllTasks", "workflowId": "i1", "initialArg": {"x": [1]}},
                ExecuteAll("i1", ({"x": [1]},)),
                id="execute all",
            ),
            pytest.param({"type": "executeAllTasks", "workflowId": "i1"}, ExecuteAll("i1"), id="execute all, plainly"),
            pytest.param(WATCH | {"colour": "blue"}, Watch("i1"), id="fields of a later version"),
        ],
    )
    def test_are_understood(self, message: dict[str, Any], request_: protocol.Request) -> None:
        assert parse(json.dumps(message)) == request_

    def test_a_field_that_is_not_known_does_not_make_another_request_of_it(self) -> None:
        # With a slip of the pen a preview would be a start.
        error = refused(json.dumps({"type": "resumeWorkflow", "workflowId": "i1", "prewiew": True}))
        assert "resumeWorkflow has no field 'prewiew'; it has mode, preview, taskPath" in error.message

    @pytest.mark.parametrize("argument", [None, False, 0, 0.0, "", [], {}])
    def test_an_argument_that_is_falsy_is_an_argument(self, argument: object) -> None:
        request = parse(json.dumps(EXECUTE | {"arg": argument}))

        assert isinstance(request, ExecuteTask)
        assert request.argument == (argument,)
        assert type(request.argument[0]) is type(argument)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "code", "reason"),
        [
            pytest.param(None, "MALFORMED_MESSAGE", "not a text frame", id="binary"),
            pytest.param("", "MALFORMED_MESSAGE", "not JSON", id="empty"),
            pytest.param("{", "MALFORMED_MESSAGE", "not JSON", id="cut"),
            pytest.param('{"type": NaN}', "MALFORMED_MESSAGE", "not JSON", id="NaN"),
            pytest.param('{"type": 1e999}', "MALFORMED_MESSAGE", "not JSON", id="infinite"),
            pytest.param('{"type": ' + "9" * 5000 + "}", "MALFORMED_MESSAGE", "not JSON", id="long number"),
            pytest.param("[" * 60_000, "MALFORMED_MESSAGE", "nested too deeply", id="deep"),
            pytest.param("null", "MALFORMED_MESSAGE", "not an object", id="null"),
            pytest.param('["watchWorkflowInstance"]', "MALFORMED_MESSAGE", "not an object", id="list"),
            pytest.param("{}", "MALFORMED_MESSAGE", "type is missing", id="no type"),
            pytest.param('{"type": ["hello"]}', "MALFORMED_MESSAGE", "type is missing or not", id="type a list"),
            pytest.param('{"type": "dance"}', "UNKNOWN_MESSAGE_TYPE", "'dance'", id="unknown type"),
            pytest.param('{"type": "hello"}', "UNKNOWN_MESSAGE_TYPE", "'hello'", id="a server's type"),
            pytest.param('{"type": "watchWorkflowInstance"}', "MALFORMED_MESSAGE", "workflowId is missing", id="no id"),
            pytest.param(json.dumps(WATCH | {"workflowId": 5}), "MALFORMED_MESSAGE", "not a string", id="id a number"),
            pytest.param(json.dumps(WATCH | {"workflowId": ""}), "MALFORMED_MESSAGE", "empty", id="id empty"),
            pytest.param(json.dumps(WATCH | {"workflowId": "x" * 201}), "MALFORMED_MESSAGE", "longer", id="id long"),
            pytest.param(json.dumps(WATCH | {"workflowId": "a\0b"}), "MALFORMED_MESSAGE", "printed", id="id with NUL"),
            pytest.param(json.dumps(WATCH | {"workflowId": "\ud800"}), "MALFORMED_MESSAGE", "not JSON", id="surrogate"),
            pytest.param(json.dumps(WATCH | {"since": "7"}), "MALFORMED_MESSAGE", "since", id="since a string"),
            pytest.param(json.dumps(WATCH | {"since": True}), "MALFORMED_MESSAGE", "since", id="since a boolean"),
            pytest.param(json.dumps(WATCH | {"since": -1}), "MALFORMED_MESSAGE", "since", id="since negative"),
            pytest.param(json.dumps(WATCH | {"since": 2**60}), "MALFORMED_MESSAGE", "since", id="since too large"),
            pytest.param(json.dumps(WATCH | {"ref": {}}), "MALFORMED_MESSAGE", "ref", id="ref an object"),
            pytest.param(json.dumps(WATCH | {"ref": "r" * 201}), "MALFORMED_MESSAGE", "ref", id="ref long"),
            pytest.param(json.dumps(WATCH | {"ref": True}), "MALFORMED_MESSAGE", "ref", id="ref a boolean"),
            pytest.param(
                '{"type": "executeTask", "workflowId": "i"}', "MALFORMED_MESSAGE", "taskPath is missing", id="no path"
            ),
            pytest.param(json.dumps(EXECUTE | {"taskPath": None}), "MALFORMED_MESSAGE", "taskPath", id="path null"),
            pytest.param(json.dumps(EXECUTE | {"taskPath": "a" * 4001}), "MALFORMED_MESSAGE", "longer", id="path long"),
            pytest.param(json.dumps(EXECUTE | {"arg": "x" * 70_000}), "MESSAGE_TOO_LARGE", "65536 bytes", id="large"),
            pytest.param('{"type": "' + "é" * 40_000 + '"}', "MESSAGE_TOO_LARGE", "65536 bytes", id="large in bytes"),
        ],
    )  # fmt: skip
    def test_say_what_is_wrong(self, text: str | None, code: str, reason: str) -> None:
        error = refused(text)

        assert error.code == code
        assert reason in error.message

    def test_name_the_request_when_it_could_be_read(self) -> None:
        assert refused('{"type": "dance", "ref": "r1"}').ref == "r1"
        assert refused('{"type": "watchWorkflowInstance", "ref": 4}').ref == 4
        assert refused("{").ref is None

    @given(
        st.one_of(
            st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
        )
    )
    def test_of_anything_are_protocol_errors(self, text: str) -> None:
        assert refused(text).message

    @given(
        st.fixed_dictionaries(
            {"type": st.sampled_from(protocol.REQUESTS)},
            optional={
                name: st.none() | st.integers() | st.text() | st.lists(st.text())
                for name in ("workflowId", "taskPath", "since", "ref", "arg", "initialArg")
            },
        )
    )
    def test_of_almost_requests_are_protocol_errors(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ProtocolError):
            assert parse(json.dumps(message)).workflow_id == message["workflowId"]


def instance(**changes: Any) -> Instance:
    fields: dict[str, Any] = {
        "id": "i1",
        "workflow": "report",
        "data": {"secret": 1},
        "base_context": {"secret": 2},
        "fingerprint": "f",
        "realm": "",
        "name": "Spring",
        "ephemeral": False,
        "status": "working",
        "run": 2,
        "revision": 1,
        "created_at": 1,
        "updated_at": 2,
        "started_at": 2,
        "finished_at": None,
        "error": None,
        "counts": {"ok": 1, "running": 1},
        "seq": 9,
    }
    return Instance(**fields | changes)


def snapshot(tasks: dict[str, dict[str, Any]] | None = None) -> Snapshot:
    tree = [{"name": "a", "description": "", "path": "#.a", "children": []}]
    return Snapshot(instance(), tree, tasks or {"#.a": {"status": "ok", "body": 5, "bodySize": 1, "logCount": 2}})


class TestAnswers:
    def test_hello_names_the_version(self) -> None:
        assert protocol.hello(1_700_000_000_000) == {"type": "hello", "version": 1, "time": 1_700_000_000_000}

    def test_an_app_error_is_readable_and_names_its_request(self) -> None:
        error = TaskNotFound(instance_id="i1", workflow="report", path="#.x")

        assert protocol.app_error(error, ref="r", instance_id="i1") == {
            "type": "appError",
            "error": {"code": "CANNOT_FIND_TASK", "message": "Instance i1 of workflow 'report' has no task '#.x'."},
            "id": "i1",
            "ref": "r",
        }

    def test_a_snapshot_is_description_status_statuses_logs(self) -> None:
        logs = {"#.a": Lines.of(1, ["two"])}
        messages = list(protocol.snapshot_messages("i1", snapshot(), logs, payload=True))

        assert [message["type"] for message in messages] == [
            "workflowDescription",
            "setWorkflowStatus",
            "setTasksStatuses",
            "taskLog",
        ]
        description, status, statuses, log = messages
        assert description["tasks"][0]["path"] == "#.a"
        assert (status["status"], status["progress"], status["run"], status["seq"]) == ("working", 0.5, 2, 9)
        assert (statuses["statuses"]["#.a"]["body"], statuses["seq"]) == (5, 9)
        assert (log["taskPath"], log["from"], log["lines"]) == ("#.a", 1, ["two"])
        assert [message.get("more", False) for message in messages] == [True, True, True, False]

    def test_nothing_of_the_data_is_told(self) -> None:
        assert "secret" not in json.dumps(list(protocol.snapshot_messages("i1", snapshot(), {}, payload=True)))

    def test_without_view_payload_results_are_left_out(self) -> None:
        *_, statuses = protocol.snapshot_messages("i1", snapshot(), {}, payload=False)

        assert statuses["statuses"] == {"#.a": {"status": "ok", "bodySize": 1, "logCount": 2}}

    def test_without_view_payload_errors_say_their_kind_and_no_more(self) -> None:
        error = {"code": "EXECUTION_FAILED", "type": "ValueError", "message": "secret"}
        record = {"status": "failed", "error": error, "progressText": "secret"}
        told = [*protocol.snapshot_messages("i1", snapshot({"#.a": record}), {}, payload=False)]
        data = {"run": 1, "tasks": {"#.a": record}, "instance": {"status": "failed", "error": {**error, "path": "#.a"}}}
        told += event_messages("i1", Event(4, data), payload=False)

        assert "secret" not in json.dumps(told)
        assert told[-1]["error"] == {"code": "EXECUTION_FAILED", "type": "ValueError", "path": "#.a"}

    def test_without_view_payload_replaced_updaters_are_left_out(self) -> None:
        event = Event(4, {"run": 1, "tasks": {"#.a": {"updaters": [{"name": {"$set": "secret"}}]}}})

        assert "secret" in json.dumps([*event_messages("i1", event, payload=True)])
        assert "secret" not in json.dumps([*event_messages("i1", event, payload=False)])

    def test_large_records_are_sent_in_several_messages(self) -> None:
        view = {"status": "ok", "body": "x" * 4000, "bodySize": 4002, "logCount": 0}
        tasks = {f"#.t{number}": view for number in range(300)}
        messages = list(protocol.snapshot_messages("i1", snapshot(tasks), {}, payload=True))
        parts = [message["statuses"] for message in messages if message["type"] == "setTasksStatuses"]

        assert len(parts) > 1
        assert [path for part in parts for path in part] == list(tasks)
        assert max(len(json.dumps(message)) for message in messages) < 1.2 * protocol.STATUSES_LIMIT


class TestEvents:
    def test_the_status_of_the_instance_comes_last(self) -> None:
        data = {
            "run": 1,
            "tasks": {"#.a": {"status": "ok", "body": 1}},
            "instance": {"status": "done"},
            "logs": {"#.a": {"from": 0, "lines": ["hello"]}},
            "error": {"type": "CANNOT_START_TASK", "payload": {"message": "no"}},
        }
        messages = list(event_messages("i1", Event(4, data), payload=True))

        assert [message["type"] for message in messages] == [
            "setTasksStatuses",
            "taskLog",
            "executionError",
            "setWorkflowStatus",
        ]
        assert {message["seq"] for message in messages} == {4}
        assert messages[2]["error"] == data["error"]

    def test_one_part_is_one_message(self) -> None:
        [message] = event_messages("i1", Event(4, {"run": 1, "tasks": {"#.a": {"status": "queued"}}}), payload=True)

        assert message == {"type": "setTasksStatuses", "id": "i1", "statuses": {"#.a": {"status": "queued"}}, "seq": 4}


def log_event(seq: int, start: int, lines: list[str], path: str = "#.a") -> Event:
    return Event(seq, {"logs": {path: {"from": start, "lines": lines}}})


class TestMerging:
    def test_keeps_the_latest_of_each_field(self) -> None:
        change = change_of(
            Event(1, {"tasks": {"#.a": {"status": "queued", "queuedAt": 1}}}),
            Event(2, {"tasks": {"#.a": {"status": "running", "executionTime": 2}, "#.b": {"status": "queued"}}}),
            Event(3, {"tasks": {"#.a": {"status": "ok"}}, "instance": {"status": "done"}}),
        )

        assert change.seq == 3
        assert change.tasks == {
            "#.a": {"status": "ok", "queuedAt": 1, "executionTime": 2},
            "#.b": {"status": "queued"},
        }
        assert change.instance == {"status": "done"}

    def test_does_not_change_the_events(self) -> None:
        event = Event(1, {"tasks": {"#.a": {"status": "queued"}}})
        change_of(event, Event(2, {"tasks": {"#.a": {"status": "running"}}}))

        assert event.data == {"tasks": {"#.a": {"status": "queued"}}}

    def test_joins_log_lines(self) -> None:
        change = change_of(log_event(1, 3, ["c", "d"]), log_event(2, 5, ["e"]))

        assert change.logs["#.a"] == Lines.of(3, ["c", "d", "e"])

    def test_leaves_out_lines_that_are_known(self) -> None:
        lines = Lines.of(3, ["c", "d"])
        lines.extend(4, ["d", "e"])

        assert lines == Lines.of(3, ["c", "d", "e"])

    def test_counts_lines_that_are_missing(self) -> None:
        lines = Lines.of(0, ["a"])
        lines.extend(3, ["d"])

        assert (lines.start, list(lines.lines), lines.dropped) == (3, ["d"], 3)

    def test_keeps_the_latest_lines_of_a_task(self) -> None:
        change = change_of(*(log_event(number, number - 1, [str(number - 1)]) for number in range(1, TASK_LINES + 11)))
        [message] = protocol.change_messages("i1", change, payload=True)

        assert (message["from"], message["dropped"], len(message["lines"])) == (10, 10, TASK_LINES)
        assert message["lines"][-1] == str(TASK_LINES + 9)

    def test_keeps_a_bounded_number_of_lines_in_all(self) -> None:
        change = Change(0)
        for number in range(100):
            change.add(log_event(number + 1, 0, ["line"] * TASK_LINES, path=f"#.t{number}"))

        assert sum(len(lines.lines) for lines in change.logs.values()) == ALL_LINES
        assert change.logs["#.t0"].dropped == TASK_LINES
        assert change.logs["#.t99"].dropped == 0

    def test_cuts_long_lines(self) -> None:
        assert len(Lines.of(0, ["x" * 1_000_000]).lines[0]) == LINE_LENGTH + 1

    def test_keeps_a_bounded_number_of_errors(self) -> None:
        change = change_of(*(Event(number, {"error": {"type": str(number)}}) for number in range(1, 100)))

        assert len(change.errors) == ERRORS
        assert change.errors[-1] == {"type": "99"}
